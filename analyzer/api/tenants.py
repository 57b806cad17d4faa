"""Tenants: who is loud, who is hurt, what each one used and costs; provisioning."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query, Request

from analyzer import registry
from analyzer.api.auth import confined
from analyzer.api.incidents import summary
from analyzer.api.resources import step_of, usage_views
from analyzer.api.times import parse_range
from analyzer.api.views.incidents import IncidentSummary
from analyzer.api.views.tenants import (
    PlacementView,
    TenantDetail,
    TenantIn,
    TenantPage,
    TenantSummary,
)
from analyzer.config import AnalyzerSettings
from analyzer.cost.book import costs_so_far
from analyzer.journal import records
from analyzer.journal.records import Firing, IncidentFilter
from analyzer.model import Isolation, Kind
from analyzer.pulse import Pulse
from analyzer.store.database import Store
from analyzer.usage import questions
from collector.model import (
    UNKNOWN_TENANT,
    Rejected,
    Rejection,
    ResourceId,
    TenantId,
)
from collector.tenancy import slug

_SORTS = (
    "id", "name", "plan", "noise", "share", "p95_s", "error_ratio", "requests_per_s", "cost",
    "state",
)  # fmt: skip


class Directory:
    """The tenants as one table, made once per data version and answered from memory."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], settings: AnalyzerSettings, pulse: Pulse
    ) -> None:
        self._store, self._clock, self._pulse = store, clock, pulse
        self._money = settings.money()
        self._making = threading.Lock()
        self._held: tuple[int, pl.DataFrame] | None = None

    def table(self) -> pl.DataFrame:
        """id, name, plan, isolation, resources (busiest first), noise, share, p95_s, error_ratio,
        requests_per_s, cost, margin (decimal strings), cost_sort, state; one row a tenant."""
        version = self._pulse.beat.data_version
        with self._making:
            if self._held is None or self._held[0] != version:
                self._held = (version, self._made())
            return self._held[1]

    def _made(self) -> pl.DataFrame:
        at = self._pulse.beat.until or self._clock()
        known = registry.tenants(self._store)
        placed: dict[str, list[str]] = {}
        for placement in registry.current_placements(self._store):
            placed.setdefault(placement.tenant, []).append(placement.resource)
        costs = costs_so_far(self._store, self._clock(), self._money)
        states = _states(records.firing(self._store))
        base = pl.DataFrame(
            [
                (
                    t.id, t.name or t.id, t.plan or "", t.isolation.value, placed.get(t.id, []),
                    costs[t.id].cost if t.id in costs else None,
                    costs[t.id].margin if t.id in costs else None,
                    states.get(t.id, "calm"),
                )
                for t in known
            ],
            schema={
                "id": pl.String, "name": pl.String, "plan": pl.String, "isolation": pl.String,
                "resources": pl.List(pl.String), "cost": pl.String, "margin": pl.String,
                "state": pl.String,
            },
            orient="row",
        )  # fmt: skip
        loads = questions.tenants(self._store, at=at, limit=None).frame
        wanted = ("noise", "share", "p95_s", "error_ratio", "requests_per_s")
        used = loads.select(pl.col("tenant").alias("id"), *wanted, busiest="resource")
        first = pl.concat_list(pl.col("busiest"), "resources").list.drop_nulls()
        return base.join(used, on="id", how="left").with_columns(
            first.list.unique(maintain_order=True).alias("resources"),
            cost_sort=pl.col("cost").cast(pl.Float64, strict=False),
        )


def _states(firing: list[Firing]) -> dict[str, str]:
    states = {victim: "hurt" for one in firing for victim in one.victims}
    states |= {blamed: "loud" for one in firing for blamed in one.aggressors}
    return {str(tenant): state for tenant, state in states.items()} | {
        UNKNOWN_TENANT: "quarantined"
    }


def router(
    store: Store, clock: Callable[[], datetime], settings: AnalyzerSettings, pulse: Pulse
) -> APIRouter:
    """`/tenants`."""
    routes = APIRouter(tags=["tenants"])
    directory = Directory(store, clock, settings, pulse)

    @routes.get("/tenants")
    def list_tenants(
        search: str = "",
        sort: str = "noise",
        order: str = "desc",
        state: str = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: str = "",
    ) -> TenantPage:
        found = _sorted(_filtered(directory.table(), search, state), sort, order)
        start = _offset(cursor)
        shown = found.slice(start, limit)
        after = start + limit
        return TenantPage(
            items=[_summary(row) for row in shown.iter_rows(named=True)],
            total=found.height,
            next=str(after) if after < found.height else None,
        )

    @routes.get("/tenants/{tenant}")
    def get_tenant(
        request: Request,
        tenant: str,
        since: Annotated[str | None, Query(alias="from")] = None,
        until: Annotated[str | None, Query(alias="to")] = None,
    ) -> TenantDetail:
        start, end = parse_range(since, until, now=clock(), default=timedelta(hours=6))
        found = _detail(store, directory, settings, TenantId(tenant), start, end)
        return _own_only(found) if confined(request) else found

    @routes.post("/tenants", status_code=201)
    def provision(body: TenantIn) -> TenantSummary:
        known = _provision(store, body, clock())
        pulse.touched()
        return _summary(directory.table().row(by_predicate=pl.col("id") == known, named=True))

    return routes


def _own_only(found: TenantDetail) -> TenantDetail:
    """What the tenant itself may read: its own part in an incident, nobody else's name."""
    return found.model_copy(
        update={
            "as_aggressor": [_nameless(each, found.id) for each in found.as_aggressor],
            "as_victim": [_nameless(each, found.id) for each in found.as_victim],
        }
    )


def _nameless(each: IncidentSummary, own: str) -> IncidentSummary:
    mine = [name for name in each.aggressors if name == own]
    part = "slowed its neighbours" if mine else "was slowed by others"
    if each.kind != Kind.NOISY_NEIGHBOUR.value:
        part = "was slow"
    said = f"{own} {part} on {each.resource}."
    return each.model_copy(
        update={"aggressors": mine, "sentence": said, "acknowledged_by": None, "label": None}
    )


def _filtered(table: pl.DataFrame, search: str, state: str) -> pl.DataFrame:
    if state:
        table = table.filter(pl.col("state") == state)
    if not search:
        return table
    words = pl.concat_str("id", "name", "plan", separator=" ").str.to_lowercase()
    return table.filter(words.str.contains(search.lower(), literal=True))


def _sorted(table: pl.DataFrame, sort: str, order: str) -> pl.DataFrame:
    if sort not in _SORTS:
        known = ", ".join(_SORTS)
        raise Rejected(Rejection.INVALID_FIELD, f"sort must be one of {known}", field="sort")
    column = "cost_sort" if sort == "cost" else sort
    return table.sort([column, "id"], descending=[order != "asc", False], nulls_last=True)


def _offset(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise Rejected(Rejection.INVALID_FIELD, "take cursor from `next`", field="cursor")
    return int(cursor or 0)


def _summary(row: dict[str, object]) -> TenantSummary:
    noise, share, rate = row["noise"], row["share"], row["requests_per_s"]
    return TenantSummary.model_validate(
        {key: row[key] for key in TenantSummary.model_fields if key in row}
        | {"noise": noise or 0.0, "share": share or 0.0, "requests_per_s": rate or 0.0}
    )


def _detail(
    store: Store,
    directory: Directory,
    settings: AnalyzerSettings,
    tenant: TenantId,
    start: datetime,
    end: datetime,
) -> TenantDetail:
    rows = directory.table().filter(pl.col("id") == tenant)
    known = registry.tenant(store, tenant)
    if known is None or rows.is_empty():
        raise Rejected(Rejection.NOT_FOUND, f"there is no tenant {tenant}", field="id")
    involved = records.incidents(store, IncidentFilter(tenant=tenant, limit=200))
    blamed = [i for i in involved if tenant in {b.tenant for b in i.finding.aggressors}]
    money = settings.money()
    return TenantDetail(
        **_summary(rows.row(0, named=True)).model_dump(),
        created_at=known.created_at,
        price=next((plan.price for plan in money.plans if plan.name == known.plan), None),
        currency=money.currency,
        pins=list(known.pins),
        slo_ms=known.slo_ms,
        placements=[
            PlacementView(
                tenant=p.tenant,
                resource=p.resource,
                isolation=p.isolation.value,
                from_ts=p.from_ts,
                to_ts=p.to_ts,
            )
            for p in registry.placements(store, tenant=tenant)
        ],
        usage=usage_views(store, start, end, step_of(start, end, 60), tenant=tenant),
        as_aggressor=[summary(i) for i in blamed],
        as_victim=[summary(i) for i in involved if i not in blamed],
    )


def _provision(store: Store, body: TenantIn, now: datetime) -> TenantId:
    """Register a tenant and place it; the same again changes nothing."""
    tenant = TenantId(slug(body.id, field="id"))
    try:
        isolation = Isolation(body.isolation)
    except ValueError as unknown:
        raise Rejected(
            Rejection.INVALID_FIELD,
            "isolation must be shared, schema or database",
            field="isolation",
        ) from unknown
    gone = [ResourceId(slug(name, field="left")) for name in body.left]
    if both := sorted({*gone} & {*body.resources}):
        raise Rejected(
            Rejection.INVALID_FIELD,
            f"{both[0]} stands in resources and in left, keep it in one of them",
            field="left",
        )
    registry.upsert_tenant(
        store,
        registry.Tenant(
            tenant, now, name=body.name, plan=body.plan, isolation=isolation,
            pins=tuple(body.pins), slo_ms=body.slo_ms,
        ),
    )  # fmt: skip
    for name in body.resources:
        resource = ResourceId(slug(name, field="resources"))
        if registry.resource(store, resource) is None:
            kind = registry.guess_kind(resource)
            registry.upsert_resource(store, registry.Resource(resource, kind, now))
        registry.place(store, tenant, resource, at=now, isolation=isolation)
    for name in gone:
        registry.unplace(store, tenant, name, at=now)
    return tenant
