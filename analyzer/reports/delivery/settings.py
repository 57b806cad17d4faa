"""Who gets which report, and how: the `[[delivery]]` tables of the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import parseaddr
from urllib.parse import urlsplit

from analyzer.notify.settings import signing_key
from analyzer.reports.document import FORMATS, VIEWS

CHANNELS = ("folder", "s3", "mail", "webhook")
EVERYONE = "*"


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """A `[[delivery]]`: every closed week goes to `target` once a version. `channel` is folder (a
    directory), s3 (`s3://bucket/prefix`; `endpoint`, `region`, `username` and `password` as access
    key and secret, or those of the environment), mail (`smtps://host:465`, or `smtp://host:587`
    with STARTTLS; to each of `recipients`) or webhook (an https URL; the JSON is signed with the
    `whsec_` secret in `password`). `view` is exec, account, sre or finance; the account view is of
    one `tenant`, or of each with `*` (not by mail). A mail or webhook over `max_bytes` has a link
    in place of its files or tenants. `unsubscribe` is a mail address or URL that ends it.
    """

    name: str
    channel: str
    target: str
    view: str = "finance"
    tenant: str = ""
    formats: tuple[str, ...] = ("pdf",)
    recipients: tuple[str, ...] = ()
    sender: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    endpoint: str = ""
    region: str = "us-east-1"
    unsubscribe: str = ""
    max_bytes: int = 5_000_000
    only_final: bool = False

    @property
    def addressees(self) -> tuple[str, ...]:
        """Each is sent to by itself; a file or bucket is one."""
        return self.recipients if self.channel == "mail" else ("",)

    @property
    def written(self) -> tuple[str, ...]:
        """The files that go with it: a webhook is its own body and has none."""
        return () if self.channel == "webhook" else self.formats

    def problems(self) -> list[str]:
        """Everything wrong with it, as "key: what, remedy"."""
        where = f"delivery {self.name!r}"
        found = [] if self.name.strip() else ["delivery.name: missing, give the delivery a name"]
        for key, value, known in (
            ("channel", self.channel, CHANNELS),
            ("view", self.view, VIEWS),
            *(("formats", one, tuple(FORMATS)) for one in self.formats),
        ):
            if value not in known:
                found.append(f"{where}.{key}: {value!r} is unknown, use one of {', '.join(known)}")
        if not self.formats:
            found.append(f"{where}.formats: is empty, name at least one such as pdf")
        if self.view == "account" and not self.tenant:
            found.append(f"{where}.tenant: missing, the account view is of one tenant (or *)")
        if self.view != "account" and self.tenant:
            found.append(f'{where}.tenant: is for the account view only, set view = "account"')
        return found + (self._mail(where) if self.channel == "mail" else self._target(where))

    def _target(self, where: str) -> list[str]:
        if self.channel == "webhook":
            return list(self._webhook(where))
        if self.channel == "s3" and not bucket(self.target)[0]:
            return [
                f"{where}.target: {self.target[:60]!r} names no bucket, write s3://bucket/prefix"
            ]
        return [] if self.target else [f"{where}.target: missing, name a directory"]

    def _webhook(self, where: str) -> Iterator[str]:
        parts = urlsplit(self.target)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            yield f"{where}.target: is no address, write https://hooks.example.com/reports"
        if self.password and signing_key(self.password) is None:
            yield f"{where}.password: is no signing secret, write whsec_ and 24 bytes in base64"

    def _mail(self, where: str) -> list[str]:
        found = []
        if urlsplit(self.target).scheme not in ("smtp", "smtps"):
            found.append(f"{where}.target: is no mail server, write smtps://host:465")
        for key, given in (("recipients", self.recipients), ("sender", (self.sender,))):
            wrong = [each for each in given if "@" not in parseaddr(each)[1]]
            if wrong or not given:
                found.append(f"{where}.{key}: write addresses such as name@example.com")
        if self.tenant == EVERYONE:
            found.append(
                f"{where}.tenant: * is for folder, s3 and webhook, a mail is about one tenant"
            )
        if bool(self.username) != bool(self.password):
            found.append(f"{where}.password: username and password belong together, give both")
        return found


def delivery_problems(deliveries: Sequence[DeliverySettings]) -> list[str]:
    """Everything wrong with all of them."""
    names = [one.name for one in deliveries]
    found = [problem for one in deliveries for problem in one.problems()]
    twice = sorted({name for name in names if names.count(name) > 1})
    return found + [f"delivery.name: {name!r} is used twice, rename one" for name in twice]


def bucket(target: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`; an empty bucket when it is none."""
    parts = urlsplit(target)
    return (parts.netloc, parts.path.strip("/")) if parts.scheme == "s3" else ("", "")
