"""Whose request is it: verified token, then custom domain, then subdomain of a base domain."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

Headers = Mapping[str, str]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PORT = re.compile(r":\d{1,5}$")


class TenantConflict(Exception):
    """Token and host name different tenants: answer 403, believe neither."""


def normal_host(host: str) -> str | None:
    """A host header as lower-case ASCII without port and trailing dot; None when it is no name."""
    name = _PORT.sub("", host.strip()).removesuffix(".").lower()
    try:
        name = name.encode("idna").decode()
    except UnicodeError:
        return None
    labels = name.split(".")
    return name if all(_LABEL.fullmatch(label) for label in labels) else None


class TenantResolver:
    """Callable on request headers (lower-case names).

    `token` must *verify* what it reads and return the tenant claim, or None without a token.
    `domains` answers the tenant of a customer's own, verified domain. `X-Forwarded-Host` counts
    only with `trust_forwarded`: set it when your proxy overwrites that header.
    """

    def __init__(
        self,
        *,
        base_domains: Sequence[str] = (),
        domains: Callable[[str], str | None] | None = None,
        token: Callable[[Headers], str | None] | None = None,
        trust_forwarded: bool = False,
    ) -> None:
        self._bases = tuple("." + base.lower().strip(".") for base in base_domains)
        self._domains = domains
        self._token = token
        self._trust_forwarded = trust_forwarded

    def __call__(self, headers: Headers) -> str | None:
        """The tenant, None when nothing names one. Raises TenantConflict."""
        claimed = self._token(headers) if self._token else None
        hosted = self._of_host(headers)
        if claimed and hosted and claimed != hosted:
            raise TenantConflict(f"token says {claimed!r}, host says {hosted!r}")
        return claimed or hosted

    def _of_host(self, headers: Headers) -> str | None:
        given = headers.get("x-forwarded-host") if self._trust_forwarded else None
        host = normal_host(given or headers.get("host", ""))
        if host is None:
            return None
        if self._domains and (tenant := self._domains(host)):
            return tenant
        for base in self._bases:
            name = host.removesuffix(base)
            if name != host and "." not in name:
                return name
        return None
