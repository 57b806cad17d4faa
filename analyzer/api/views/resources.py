"""Resources, who uses them and how full they are."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from analyzer.api.views.base import View


class ResourceView(View):
    id: str
    kind: str
    parent: str | None
    capacity: float | None
    tenants: int
    utilisation: float | None  # last window, busy seconds per second over capacity
    state: str  # calm | noisy_neighbour | capacity | degraded | self_inflicted


class ShareView(View):
    """Whose a resource is: load in busy seconds per second, and its part of the resource's."""

    resource: str
    tenant: str
    load: float | None
    share: float | None


class DensityRow(View):
    """How full one resource is over the last week (formulas: cost design §4.1)."""

    resource: str
    kind: str
    capacity: float | None
    tenants: int
    active_tenants: int
    p95_load: float
    packing: float | None
    headroom: float | None
    multiplexing_gain: float | None
    effective_tenants: float | None
    gini: float | None
    top_tenant: str | None
    top_share: float | None
    room: int | None  # how many more median tenants fit
    days_to_full: float | None
    shares: list[TenantShare]  # largest first, the rest summed under `__other__`
    n1_headroom: float | None = None  # when the worst other resource of the kind is lost
    binding: str | None = None  # the fullest dimension
    dimensions: list[DensityDimension] = Field(default_factory=list)
    reservation: float | None = None  # granted by contracts, over capacity
    # load of the smallest 0 %, 5 %, ... 100 % of the tenants
    lorenz: list[float] = Field(default_factory=list)


class HoursOfWeek(View):
    """Mean load over capacity of the largest tenants of a resource, by hour of the week (UTC,
    Monday 00:00 first), over four weeks. Without a known capacity the load itself.
    """

    resource: str
    tenants: list[str]
    values: list[list[float]]  # tenants x 168


class PairOfResources(View):
    """`common`: their common peak over the sum of their own; 0.5 where one is idle as the other
    peaks, 1 where they peak together.
    """

    one: str
    other: str
    correlation: float | None
    common: float


class LoadsTogether(View):
    """Correlation of hourly loads, None where a load never changed. `apart`: the best to share."""

    resources: list[str]  # busiest first
    correlation: list[list[float | None]]
    hours: int
    apart: list[PairOfResources]


class ResourceWeekView(View):
    """How full a resource was in an ISO week (UTC), and how long it was in incidents."""

    resource: str
    week: str
    packing: float
    incident_hours: float


class DensityDimension(View):
    name: str  # time | in flight | operations | volume | storage
    full: float
    n1_headroom: float | None = None


class TenantShare(View):
    tenant: str
    share: float


class Heatmap(View):
    """Tenants x time: log2 of offered load over expected; None is no data."""

    tenants: list[str]
    clock: list[datetime]
    window_s: int
    values: list[list[float | None]]
    shown: int
    of: int
