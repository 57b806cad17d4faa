"""Routes about how full resources are: now, by hour of the week, with each other, week by week."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query

from analyzer.api.views.resources import (
    DensityRow,
    HoursOfWeek,
    LoadsTogether,
    PairOfResources,
    ResourceWeekView,
)
from analyzer.cost.usage import naive, read_resources
from analyzer.density.fullness import Density, held_densities, hours_of_week
from analyzer.density.load import Floats
from analyzer.density.together import Span, Together, read_together, read_weeks
from analyzer.journal import records
from analyzer.journal.records import IncidentFilter
from analyzer.store.database import Store

Weeks = Annotated[int, Query(ge=1, le=26, description="How many weeks back.")]
Most = Annotated[int, Query(ge=2, le=100, description="The busiest resources, at most.")]
_INCIDENTS = 10_000
_PAIRS = 5


def router(store: Store, clock: Callable[[], datetime]) -> APIRouter:
    """`/density` and below."""
    routes = APIRouter()
    rooms = held_densities(store)

    @routes.get("/density")
    def density() -> list[DensityRow]:
        return [_row(row) for row in rooms.get(clock())]

    @routes.get("/density/hours")
    def hours(resource: str) -> HoursOfWeek:
        with store.reader() as reader:
            names, loads = hours_of_week(reader, resource, clock())
            known = read_resources(reader).get(resource)
        capacity = (known.capacity if known else None) or 1.0
        return HoursOfWeek(
            resource=resource, tenants=names, values=(loads / capacity).round(6).tolist()
        )

    @routes.get("/density/together")
    def together(weeks: Weeks = 4, most: Most = 30) -> LoadsTogether:
        with store.reader() as reader:
            return _together(read_together(reader, clock(), weeks=weeks, most=most))

    @routes.get("/density/weeks")
    def by_week(weeks: Weeks = 8) -> list[ResourceWeekView]:
        now = clock()
        spans = _incidents(store, now, timedelta(weeks=weeks))
        with store.reader() as reader:
            found = read_weeks(reader, now, weeks=weeks, incidents=spans)
        return [ResourceWeekView.model_validate(asdict(one)) for one in found]

    return routes


def _row(row: Density) -> DensityRow:
    plain = asdict(row)
    plain["shares"] = [{"tenant": tenant, "share": share} for tenant, share in row.shares]
    return DensityRow.model_validate(plain)


def _together(found: Together) -> LoadsTogether:
    rows, columns = np.tril_indices(len(found.resources), -1)
    order = np.argsort(found.common[rows, columns], kind="stable")[:_PAIRS]
    return LoadsTogether(
        resources=list(found.resources),
        correlation=_rounded(found.correlation),
        hours=found.hours,
        apart=[
            PairOfResources(
                one=found.resources[columns[k]],
                other=found.resources[rows[k]],
                correlation=_number(found.correlation[rows[k], columns[k]]),
                common=round(float(found.common[rows[k], columns[k]]), 4),
            )
            for k in order
            if found.common[rows[k], columns[k]] < 1
        ],
    )


def _rounded(values: Floats) -> list[list[float | None]]:
    return [[_number(value) for value in row] for row in values]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _incidents(store: Store, now: datetime, back: timedelta) -> list[Span]:
    """When each resource was in an incident; one that is open lasts until now."""
    start = now - back
    which = IncidentFilter(since=start, limit=_INCIDENTS)
    return [
        (
            str(one.resource),
            naive(max(one.started_at, start)),
            naive(min(one.ended_at or now, now)),
        )
        for one in records.incidents(store, which)
    ]
