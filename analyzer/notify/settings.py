"""Who is told and how patiently."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from analyzer.notify.channels import CHANNELS, HTTP
from analyzer.notify.channels.message import Options

DEFAULT_PORTS = (80, 443, 8080, 8443)
MAIL_PORTS = (25, 465, 587)


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """An `[[endpoint]]` of the configuration file.

    `secret` is `whsec_` and base64 of 24-64 bytes, or two with a blank between while one is rotated
    out, or empty for unsigned messages; `routing_key`
    is PagerDuty's; `token` is Slack's bot token (with `channel`) or the password of a mail server;
    `events` are patterns such as `incident.*` (empty: all). `template` shapes the body of `json`;
    `sender`, `recipients` and `username` belong to `email`; `replicas` are the other members of an
    Alertmanager cluster, each told by itself.
    """

    name: str
    url: str = field(repr=False)
    format: str = "alertmanager"
    secret: str = field(default="", repr=False)
    routing_key: str = field(default="", repr=False)
    events: tuple[str, ...] = ()
    token: str = field(default="", repr=False)
    channel: str = ""
    template: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    username: str = ""
    replicas: tuple[str, ...] = ()

    @property
    def options(self) -> Options:
        """What of it is the format's own business."""
        return Options(self.channel, self.template, self.sender, self.recipients, self.username)

    def each(self) -> list[EndpointSettings]:
        """Itself and one more for each replica, with a name of its own."""
        others = [
            replace(self, name=f"{self.name} replica {n}", url=url, replicas=())
            for n, url in enumerate(self.replicas, 2)
        ]
        return [replace(self, replicas=()), *others]

    def problems(self) -> list[str]:
        """Everything wrong with it, as `key: what, remedy`."""
        found = [] if self.name.strip() else ["endpoint.name: missing, give the endpoint a name"]
        where = f"endpoint {self.name!r}"
        channel = CHANNELS.get(self.format)
        if channel is None:
            known = ", ".join(sorted(CHANNELS))
            found.append(f"{where}.format: unknown {self.format!r}, choose one of {known}")
        schemes = channel.schemes if channel else HTTP
        found += [f"{where}.url: {what}" for what in url_problems(self.url, schemes)]
        found += [
            f"{where}.replicas: {what}" for url in self.replicas for what in url_problems(url)
        ]
        if channel is not None:
            found += [f"{where}.{what}" for what in channel.problems(self.options, self.token)]
        if any(signing_key(secret) is None for secret in self.secret.split()):
            found.append(f"{where}.secret: must be whsec_ and base64 of 24 to 64 bytes")
        if self.format == "pagerduty" and not self.routing_key:
            found.append(f"{where}.routing_key: missing, copy the integration key from PagerDuty")
        return found


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """`[notify]`: `allow` lists the private networks the operator lets us send to; `ports` and
    `mail_ports` are those of public servers."""

    endpoints: tuple[EndpointSettings, ...] = ()
    allow: tuple[str, ...] = ()
    ports: tuple[int, ...] = DEFAULT_PORTS
    mail_ports: tuple[int, ...] = MAIL_PORTS
    connect_timeout_s: float = 3.0
    total_timeout_s: float = 15.0
    lease_s: float = 60.0
    give_up_s: float = 86_400.0
    parallel: int = 4
    keep_days: int = 30
    external_url: str = "http://127.0.0.1:8600"

    def problems(self) -> list[str]:
        """Everything wrong with it, as `key: what, remedy`."""
        found = [problem for endpoint in self.endpoints for problem in endpoint.problems()]
        names = [each.name for endpoint in self.endpoints for each in endpoint.each()]
        found += [
            f"endpoint.name: {name!r} is used twice, rename one"
            for name in sorted({name for name in names if names.count(name) > 1})
        ]
        found += [f"notify.allow: {text!r} {what}" for text in self.allow if (what := _cidr(text))]
        if self.total_timeout_s >= self.lease_s:
            found.append("notify.lease_s: must be longer than notify.total_timeout_s, raise it")
        if self.parallel < 1:
            found.append("notify.parallel: must be at least 1")
        return found


def url_problems(url: str, schemes: tuple[str, ...] = HTTP) -> list[str]:
    """What a webhook address must not be; where it leads is checked when connecting."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ["is not a URL, write https://host/path"]
    found = []
    if parts.scheme not in schemes:
        found.append(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not parts.hostname:
        found.append("names no host, write https://host/path")
    if not url.isascii():
        found.append("holds letters beyond ASCII, write the host as xn--… and the path with %")
    if port == 0:
        found.append("port 0 cannot be reached, name the real port")
    if "@" in parts.netloc:
        found.append("must not hold a user or password, remove what stands before the @")
    if any(character <= " " or character == "\x7f" for character in url):
        found.append("holds blanks or control characters, remove them")
    return found


def signing_key(secret: str) -> bytes | None:
    """The bytes of a Standard Webhooks secret, or None when it is not one."""
    if not secret.startswith("whsec_"):
        return None
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if 24 <= len(key) <= 64 else None


def new_secret(random: bytes) -> str:
    """A secret from 32 random bytes."""
    return "whsec_" + base64.b64encode(random).decode()


def redacted(url: str) -> str:
    """Scheme and host only: the path of a chat webhook is its password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "…"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}/…"


def _cidr(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as wrong:
        return f"is no network ({wrong}), write for example 10.1.0.0/16"
    return ""
