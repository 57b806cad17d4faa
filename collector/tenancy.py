"""Whose is it, and what did it use: tenant and resource from token, header and labels.

Order: the tenant a token is bound to, then a trusted proxy's header, then the configured labels,
then the quarantine tenant. What comes later may repeat what came earlier, never contradict it.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.config import TenancySettings, Token
from collector.model import (
    UNKNOWN_TENANT,
    Family,
    Rejected,
    Rejection,
    ResourceId,
    TenantId,
)

MOST_SLUGS = 50_000
"""Names kept in mind; beyond that they are looked at anew."""

_PUNCTUATION = frozenset("_-.:@+~=")
_GAP = re.compile(r"\s+")
_SLOT = re.compile(r"\{([^{}]+)\}")

PREFIX = {Family.REQUEST: "pool", Family.QUERY: "db", Family.QUEUE: "queue", Family.CACHE: "cache"}
_FAMILY_OF = {prefix: family for family, prefix in PREFIX.items()}


@dataclass(frozen=True, slots=True)
class Claim:
    """What the request itself proves: the tenant it is bound to ("" for none)."""

    tenant: str = ""


ANYONE = Claim()

WRITERS = frozenset({"ingest", "admin"})
READERS = frozenset({"read", "admin"})


def authenticate(
    authorization: str, tokens: Sequence[Token], *, scopes: frozenset[str] = WRITERS
) -> Claim:
    """The claim of a bearer token. With no token configured everyone (on loopback) may do it.

    Raises Rejected: UNAUTHENTICATED for a missing or unknown token, FORBIDDEN for its scope.
    """
    if not tokens:
        return ANYONE
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Rejected(
            Rejection.UNAUTHENTICATED, f"send Authorization: Bearer <{_first(scopes)} token>"
        )
    digest = Token("", secret.strip()).digest
    for token in tokens:
        if hmac.compare_digest(token.digest, digest):
            if token.scope not in scopes:
                detail = f"token {token.name!r} lacks scope {_first(scopes)}"
                raise Rejected(Rejection.FORBIDDEN, detail)
            return Claim(token.tenant)
    detail = f"unknown token: use one with scope {_first(scopes)}"
    raise Rejected(Rejection.UNAUTHENTICATED, detail)


def _first(scopes: frozenset[str]) -> str:
    """The scope to name: not the one that may do everything."""
    return min(scopes - {"admin"})


def slug(name: str, *, field: str, length: int = 128) -> str:
    """A name fit for urls, labels and files: NFKC, inner gaps as "-", letter case kept.

    Raises Rejected(INVALID_FIELD) on control characters, separators, a leading "__", a leading
    punctuation mark (formulas, options, dot files) or too many characters.
    """
    if not name.isascii() or not name.isprintable():
        name = unicodedata.normalize("NFKC", name)
    name = _GAP.sub("-", name.strip(" ")) if " " in name else name
    if not 0 < len(name) <= length:
        raise _bad(field, f"has {len(name)} characters, allowed are 1 to {length}")
    if name.startswith("__"):
        raise _bad(field, "begins with __, which is reserved")
    if not (name[0].isalnum() or name[0] == "_"):
        raise _bad(field, "must begin with a letter or digit")
    for character in name:
        if not (character.isalnum() or character in _PUNCTUATION or _is_mark(character)):
            raise _bad(field, f"contains {character!a}; use letters, digits and _-.:@+~=")
    return name


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _bad(field: str, what: str) -> Rejected:
    return Rejected(Rejection.INVALID_FIELD, f"{field} {what}", field=field)


class Resolver:
    """Names the tenant and the resource of a series or row."""

    def __init__(self, settings: TenancySettings) -> None:
        self._settings = settings
        self._slugs: dict[tuple[str, str], str] = {}

    def claim(self, claim: Claim, header: str) -> Claim:
        """Narrow a claim by the trusted header. Raises Rejected(FORBIDDEN) on a contradiction."""
        if not header:
            return claim
        return Claim(self.tenant(header, claim, field=self._settings.header))

    def tenant(self, name: str, claim: Claim, *, field: str = "tenant") -> TenantId:
        """The tenant of a row that names `name` ("" when it names none)."""
        if not name:
            return TenantId(claim.tenant) if claim.tenant else UNKNOWN_TENANT
        if name == UNKNOWN_TENANT and not claim.tenant:
            return UNKNOWN_TENANT
        found = self._slug(name, field)
        if claim.tenant and found != claim.tenant:
            raise Rejected(
                Rejection.FORBIDDEN,
                f"{field} {found!r} is not the tenant of this token",
                field=field,
            )
        return TenantId(found)

    def tenant_of(self, labels: Mapping[str, str], claim: Claim) -> TenantId:
        """The tenant of a labelled series."""
        for label in self._settings.labels:
            if value := labels.get(label):
                return self.tenant(value, claim, field=label)
        return self.tenant("", claim)

    def resource(self, name: str, *, field: str = "resource") -> ResourceId:
        """A resource named outright."""
        return ResourceId(self._slug(name, field))

    def _slug(self, name: str, field: str) -> str:
        """`slug`, remembered: the same few thousand names come with every new series."""
        found = self._slugs.get((name, field))
        if found is None:
            found = slug(name, field=field, length=self._settings.name_length)
            if len(self._slugs) >= MOST_SLUGS:
                self._slugs.clear()
            self._slugs[name, field] = found
        return found

    def resource_of(
        self, labels: Mapping[str, str], family: Family | None, template: str = ""
    ) -> tuple[ResourceId, Family]:
        """Resource and family of a series: a rule's template, else the first resource label.

        A name without a known prefix gets that of its family (`db:`, `pool:`, ...); a series
        without a family gets that of its resource's prefix.
        """
        if template:
            name = _SLOT.sub(lambda match: _fill(match[1], labels), template)
            found = self.resource(name)
        else:
            found = self._labelled(labels, family or Family.REQUEST)
        return found, family or family_of(found)

    def _labelled(self, labels: Mapping[str, str], family: Family) -> ResourceId:
        for label in self._settings.resource_labels:
            if value := labels.get(label):
                found = self.resource(value, field=label)
                known = label == "resource" or found.partition(":")[0] in _FAMILY_OF
                return found if known else ResourceId(f"{PREFIX[family]}:{found}")
        return ResourceId(f"{PREFIX[family]}:default")


def family_of(resource: str) -> Family:
    """The family a resource's prefix implies; request where it implies none."""
    return _FAMILY_OF.get(resource.partition(":")[0], Family.REQUEST)


def _fill(choices: str, labels: Mapping[str, str]) -> str:
    names = choices.split("|")
    return next((labels[n] for n in names if labels.get(n)), names[-1] if len(names) > 1 else "")
