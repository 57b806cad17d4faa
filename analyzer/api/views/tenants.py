"""Tenants and what they use."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from analyzer.api.views.base import View
from analyzer.api.views.incidents import IncidentSummary


class TenantSummary(View):
    id: str
    name: str
    plan: str
    isolation: str
    resources: list[str]
    noise: float  # offered load over expected, last window; 1 is normal
    share: float  # of its busiest resource
    p95_s: float | None
    error_ratio: float | None
    requests_per_s: float
    cost: str | None  # this week so far
    margin: str | None
    state: str  # calm | loud | hurt | quarantined


class TenantPage(View):
    items: list[TenantSummary]
    total: int
    next: str | None


class UsagePoint(View):
    ts: datetime
    requests_per_s: float | None
    busy: float | None  # resource units (busy seconds per second)
    expected: float | None
    p50_s: float | None
    p95_s: float | None
    error_ratio: float | None
    waiting: float | None
    throttled: float | None


class ResourceUsage(View):
    resource: str
    family: str
    window_s: int
    points: list[UsagePoint]


class TenantDetail(TenantSummary):
    created_at: datetime | None
    price: str | None
    currency: str | None
    pins: list[str]
    slo_ms: float | None
    placements: list[PlacementView]
    usage: list[ResourceUsage]
    as_aggressor: list[IncidentSummary]
    as_victim: list[IncidentSummary]


class PlacementView(View):
    tenant: str
    resource: str
    isolation: str
    from_ts: datetime
    to_ts: datetime | None


class TenantIn(BaseModel):
    """`POST /api/v1/tenants`: provisioning."""

    model_config = ConfigDict(extra="forbid")
    id: str
    name: str = ""
    plan: str = ""
    isolation: str = "shared"
    resources: list[str] = []
    left: list[str] = []  # resources it has moved away from
    pins: list[str] = []
    slo_ms: float | None = None
