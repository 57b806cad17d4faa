"""Who lives where: tenants, resources, and the history of placements.

Whoever sends usage is registered by the drain (`observe`); an operator adds what usage cannot tell.
A placement is history: a change closes the row that was true and opens the next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from analyzer.model import Isolation
from analyzer.store.database import Store
from analyzer.store.reader import Transaction
from collector.model import ResourceId, ResourceKind, TenantId

_BY_PREFIX = {
    "db": ResourceKind.DATABASE,
    "pool": ResourceKind.COMPUTE,
    "queue": ResourceKind.QUEUE,
    "cache": ResourceKind.CACHE,
}
_BY_FAMILY = {
    "query": ResourceKind.DATABASE,
    "queue": ResourceKind.QUEUE,
    "cache": ResourceKind.CACHE,
}


@dataclass(frozen=True, slots=True)
class Key:
    """Whose usage a row is."""

    tenant: str
    resource: str
    family: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant. `price_minor` is per month in the currency's smallest unit; `floor` is the load in
    busy seconds per second its contract grants; `pins` are what ties it down (`region:eu`).
    """

    id: TenantId
    created_at: datetime
    name: str = ""
    plan: str = ""
    price_minor: int | None = None
    isolation: Isolation = Isolation.SHARED
    pins: tuple[str, ...] = ()
    slo_ms: float | None = None
    floor: float | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """What tenants share. `capacity` is in busy seconds per second, None when unknown."""

    id: ResourceId
    kind: ResourceKind
    created_at: datetime
    capacity: float | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """A tenant on a resource from `from_ts` until `to_ts` (None: still)."""

    tenant: TenantId
    resource: ResourceId
    isolation: Isolation
    from_ts: datetime
    to_ts: datetime | None


def guess_kind(resource: str, family: str = "") -> ResourceKind:
    """By the prefix (`db:shard-3`), else by what its first usage was, else compute."""
    prefix, colon, _ = resource.partition(":")
    if colon and prefix in _BY_PREFIX:
        return _BY_PREFIX[prefix]
    return _BY_FAMILY.get(family, ResourceKind.COMPUTE)


def observe(tx: Transaction, keys: Collection[Key], *, since: datetime, now: datetime) -> None:
    """Register what usage shows for the first time; what is known stays as it is.

    `since` (when it was first seen, UTC without zone) is not taken beyond `now`.
    """
    batch = pa.table(
        {
            "tenant": [key.tenant for key in keys],
            "resource": [key.resource for key in keys],
            "kind": [guess_kind(key.resource, key.family).value for key in keys],
        }
    )
    for name in ("observe_tenants", "observe_resources", "observe_placements"):
        tx.load(name, batch, since=min(since, now))


def upsert_tenant(store: Store, tenant: Tenant) -> Tenant:
    """Write a tenant; one that exists keeps its `created_at`. Returns it as it is now."""
    with store.transaction() as tx:
        known = tx.rows("tenant", id=tenant.id)
        created = known[0][8] if known else _naive(tenant.created_at)
        tx.execute("delete_tenant_row", id=tenant.id)
        tx.execute(
            "insert_tenant_row",
            id=tenant.id,
            name=tenant.name or tenant.id,
            plan=tenant.plan,
            price_minor=tenant.price_minor,
            isolation=tenant.isolation.value,
            pins=list(tenant.pins),
            slo_ms=tenant.slo_ms,
            floor=tenant.floor,
            created_at=created,
            deleted_at=None if tenant.deleted_at is None else _naive(tenant.deleted_at),
        )
        return _tenant(tx.rows("tenant", id=tenant.id)[0])


def upsert_resource(store: Store, resource: Resource) -> Resource:
    """Write a resource; one that exists keeps its `created_at`. Returns it as it is now."""
    with store.transaction() as tx:
        known = tx.rows("resource", id=resource.id)
        created = known[0][4] if known else _naive(resource.created_at)
        tx.execute("delete_resource_row", id=resource.id)
        tx.execute(
            "insert_resource_row",
            id=resource.id,
            kind=resource.kind.value,
            capacity=resource.capacity,
            parent=resource.parent,
            created_at=created,
        )
        return _resource(tx.rows("resource", id=resource.id)[0])


def set_limits(store: Store, resource: ResourceId, limits: Mapping[str, float]) -> None:
    """What a resource can take by dimension, in place of what was known."""
    with store.transaction() as tx:
        tx.execute("delete_resource_limits", resource=resource)
        for dimension, most in limits.items():
            tx.execute("insert_resource_limit", resource=resource, dimension=dimension, most=most)


def place(
    store: Store,
    tenant: TenantId,
    resource: ResourceId,
    *,
    at: datetime,
    isolation: Isolation = Isolation.SHARED,
) -> None:
    """The tenant is on the resource from `at` on. The same again changes nothing."""
    with store.transaction() as tx:
        where = {"tenant": tenant, "resource": resource}
        if tx.rows("open_placement", **where) == [(isolation.value,)]:
            return
        tx.execute("close_placement", **where, at=_naive(at))
        tx.execute("add_placement", **where, isolation=isolation.value, at=_naive(at))


def unplace(store: Store, tenant: TenantId, resource: ResourceId, *, at: datetime) -> None:
    """The tenant has left the resource at `at`."""
    with store.transaction() as tx:
        tx.execute("close_placement", tenant=tenant, resource=resource, at=_naive(at))


def tenant(store: Store, ident: TenantId) -> Tenant | None:
    """One tenant, deleted or not."""
    rows = store.rows("tenant", id=ident)
    return _tenant(rows[0]) if rows else None


def tenants(store: Store, *, deleted: bool = False) -> list[Tenant]:
    """All tenants by id; with `deleted` also those gone."""
    return [_tenant(row) for row in store.rows("tenants", deleted=deleted)]


def resource(store: Store, ident: ResourceId) -> Resource | None:
    """One resource."""
    rows = store.rows("resource", id=ident)
    return _resource(rows[0]) if rows else None


def resources(store: Store) -> list[Resource]:
    """All resources by id."""
    return [_resource(row) for row in store.rows("resources")]


def placements(
    store: Store, *, tenant: TenantId | None = None, resource: ResourceId | None = None
) -> list[Placement]:
    """The history of placements, oldest first within a pair."""
    rows = store.rows("placements", tenant=tenant, resource=resource)
    return [_placement(row) for row in rows]


def current_placements(store: Store, *, tenant: TenantId | None = None) -> list[Placement]:
    """Where tenants are now."""
    return [_placement(row) for row in store.rows("current_placements", tenant=tenant)]


def _tenant(row: tuple[Any, ...]) -> Tenant:
    ident, name, plan, price, isolation, pins, slo_ms, floor, created_at, deleted_at = row
    return Tenant(
        id=TenantId(ident),
        created_at=created_at.replace(tzinfo=UTC),
        name=name,
        plan=plan,
        price_minor=price,
        isolation=Isolation(isolation),
        pins=tuple(pins or ()),
        slo_ms=slo_ms,
        floor=floor,
        deleted_at=None if deleted_at is None else deleted_at.replace(tzinfo=UTC),
    )


def _resource(row: tuple[Any, ...]) -> Resource:
    ident, kind, capacity, parent, created_at = row
    created = created_at.replace(tzinfo=UTC)
    return Resource(ResourceId(ident), ResourceKind(kind), created, capacity, parent)


def _placement(row: tuple[Any, ...]) -> Placement:
    tenant, resource, isolation, from_ts, to_ts = row
    return Placement(
        TenantId(tenant),
        ResourceId(resource),
        Isolation(isolation),
        from_ts.replace(tzinfo=UTC),
        None if to_ts is None else to_ts.replace(tzinfo=UTC),
    )


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
