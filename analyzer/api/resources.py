"""Resources and usage: how full is each, what was used, who is louder than usual."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query

from analyzer import registry
from analyzer.api.times import parse_range
from analyzer.api.views.resources import Heatmap, ResourceView, ShareView
from analyzer.api.views.tenants import ResourceUsage, UsagePoint
from analyzer.journal import records
from analyzer.pulse import Pulse
from analyzer.store.database import Store
from analyzer.usage import questions
from collector.model import Family, Rejected, Rejection, ResourceId, TenantId


def router(store: Store, clock: Callable[[], datetime], pulse: Pulse) -> APIRouter:
    """`/resources`, `/shares`, `/usage`, `/heatmap`."""
    routes = APIRouter(tags=["resources"])
    _resource_routes(routes, store, pulse, clock)
    _usage_routes(routes, store, clock, pulse)
    return routes


def _resource_routes(
    routes: APIRouter, store: Store, pulse: Pulse, clock: Callable[[], datetime]
) -> None:
    def views() -> list[ResourceView]:
        return resource_views(store, pulse.beat.until or clock())

    @routes.get("/resources")
    def list_resources() -> list[ResourceView]:
        return views()

    @routes.get("/resources/{resource}")
    def get_resource(resource: str) -> ResourceView:
        for view in views():
            if view.id == resource:
                return view
        raise Rejected(Rejection.NOT_FOUND, f"there is no resource {resource}", field="id")


def _usage_routes(
    routes: APIRouter, store: Store, clock: Callable[[], datetime], pulse: Pulse
) -> None:
    @routes.get("/shares")
    def get_shares(
        since: Annotated[str | None, Query(alias="from")] = None,
        until: Annotated[str | None, Query(alias="to")] = None,
        top: Annotated[int, Query(ge=1, le=1000)] = 10,
    ) -> list[ShareView]:
        start, end = parse_range(since, until, now=clock(), default=timedelta(hours=1))
        found = questions.top_shares(store, start=start, end=end, top=top)
        return [ShareView.model_validate(row) for row in found.iter_rows(named=True)]

    @routes.get("/usage")
    def get_usage(
        resource: str | None = None,
        tenant: str | None = None,
        family: Family | None = None,
        since: Annotated[str | None, Query(alias="from")] = None,
        until: Annotated[str | None, Query(alias="to")] = None,
        step: Annotated[int, Query(ge=10, le=86_400)] = 60,
    ) -> list[ResourceUsage]:
        start, end = parse_range(since, until, now=clock(), default=timedelta(hours=1))
        return usage_views(
            store,
            start,
            end,
            step_of(start, end, step),
            resource=ResourceId(resource) if resource else None,
            tenant=TenantId(tenant) if tenant else None,
            family=family,
        )

    @routes.get("/heatmap")
    def get_heatmap(
        resource: str | None = None,
        since: Annotated[str | None, Query(alias="from")] = None,
        until: Annotated[str | None, Query(alias="to")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 40,
    ) -> Heatmap:
        start, end = parse_range(since, until, now=clock(), default=timedelta(hours=1))
        step_s = step_of(start, end, 60)
        found = questions.heatmap(
            store,
            start=start,
            end=max(start, complete(end, pulse.beat.until, step_s)),
            step_s=step_s,
            limit=limit,
            resource=ResourceId(resource) if resource else None,
        )
        return Heatmap(
            tenants=list(found.tenants),
            clock=found.clock,
            window_s=found.step_s,
            values=[
                [None if v != v else round(v, 3) for v in row] for row in found.values.tolist()
            ],
            shown=len(found.tenants),
            of=found.of,
        )


def complete(end: datetime, until: datetime | None, step_s: int) -> datetime:
    """The end of the last whole step by the watermark: half a minute of load looks like calm."""
    known = min(end, until or end)
    return datetime.fromtimestamp(known.timestamp() // step_s * step_s, UTC)


def step_of(start: datetime, end: datetime, wished: int) -> int:
    """A step that keeps a line under 720 points."""
    span = (end - start).total_seconds()
    return next((s for s in (wished, 60, 300, 900, 3600) if s >= wished and span / s <= 720), 86400)


def usage_views(
    store: Store,
    start: datetime,
    end: datetime,
    step_s: int,
    *,
    resource: ResourceId | None = None,
    tenant: TenantId | None = None,
    family: Family | None = None,
) -> list[ResourceUsage]:
    """Series of everything that matches, one per (resource, family)."""
    found = questions.series(
        store, start=start, end=end, step_s=step_s, resource=resource, tenant=tenant, family=family
    )
    fields = list(UsagePoint.model_fields)
    return [
        ResourceUsage(
            resource=one.resource,
            family=one.family.value,
            window_s=one.step_s,
            points=[
                UsagePoint.model_validate(point)
                for point in one.points.with_columns(pl.col("ts").dt.replace_time_zone("UTC"))
                .select(fields)
                .iter_rows(named=True)
            ],
        )
        for one in found
    ]


def resource_views(store: Store, at: datetime) -> list[ResourceView]:
    """Every resource with its load over the last minute before `at`."""
    loads = questions.utilisation(store, start=at - timedelta(seconds=60), end=at, step_s=60)
    newest = {row["resource"]: row["utilisation"] for row in loads.iter_rows(named=True)}
    states = {one.resource: one.kind.value for one in records.firing(store)}
    tenants: dict[str, int] = {}
    for placement in registry.current_placements(store):
        tenants[placement.resource] = tenants.get(placement.resource, 0) + 1
    return [
        ResourceView(
            id=one.id,
            kind=one.kind.value,
            parent=one.parent,
            capacity=one.capacity,
            tenants=tenants.get(one.id, 0),
            utilisation=newest.get(one.id),
            state=states.get(one.id, "calm"),
        )
        for one in registry.resources(store)
    ]
