"""The tenant the current code works for. Flows into tasks and `asyncio.to_thread` by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_tenant: ContextVar[str | None] = ContextVar("partywall_tenant", default=None)


class TenantMissing(LookupError):
    """Work that needs a tenant ran outside `tenant_scope`."""


@contextmanager
def tenant_scope(tenant: str) -> Iterator[None]:
    """Name the tenant for a block; nests, and restores the outer tenant."""
    token = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(token)


def current_tenant() -> str | None:
    """The tenant of the running code, None outside every scope."""
    return _tenant.get()


def require_tenant() -> str:
    """The tenant of the running code. Raises TenantMissing outside every scope."""
    tenant = _tenant.get()
    if tenant is None:
        raise TenantMissing("no tenant: wrap this work in tenant_scope(...)")
    return tenant
