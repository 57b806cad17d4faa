"""Cache keys that cannot be shared between tenants by accident."""

from __future__ import annotations

from collector.sdk.context import require_tenant
from collector.sdk.report import Reporter, tenant_or_unknown
from collector.sdk.windows import Observation


def tenant_key(key: str, *, tenant: str | None = None) -> str:
    """`<tenant>:<key>`. There is no default tenant: raises TenantMissing outside a scope.

    A colon in the tenant is escaped, so no tenant can name another's keys.
    """
    owner = (tenant or require_tenant()).replace("%", "%25").replace(":", "%3A")
    return f"{owner}:{key}"


def count_lookup(reporter: Reporter, *, resource: str, seconds: float, nbytes: int = 0) -> None:
    """Count one lookup of the current tenant."""
    tenant = tenant_or_unknown()
    reporter.observe(
        Observation(
            resource, tenant, "cache", arrived=1, finished=1, latency_s=seconds, volume=nbytes
        )
    )
