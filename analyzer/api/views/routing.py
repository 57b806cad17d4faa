"""The public contract of routing: routes, inhibitions, silences, maintenance, rehearsals."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from analyzer.api.views.base import View

Text = Field(max_length=500)


class In(BaseModel):
    """Base of all wishes: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class StepIn(In):
    after_s: float = Field(gt=0, le=7 * 86_400)
    to: list[str] = Field(min_length=1, max_length=50)


class RouteIn(In):
    """`POST /api/v1/routes`. `to` are names of endpoints, or globs; [] is deliberately nobody."""

    name: str = Field(min_length=1, max_length=100)
    match: list[str] = Field(default=[], max_length=50)
    to: list[str] = Field(default=["*"], max_length=50)
    continues: bool = False
    repeat_s: float = Field(default=14_400.0, ge=0, le=30 * 86_400)
    storm_openings: int = Field(default=10, ge=0, le=100_000)
    fallback: str = Field(default="", max_length=100)
    steps: list[StepIn] = Field(default=[], max_length=20)


class StepView(View):
    after_s: float
    to: list[str]


class RouteView(View):
    """`unknown` are names in it no endpoint has."""

    id: str
    name: str
    source: str  # config | api
    match: list[str]
    to: list[str]
    continues: bool
    repeat_s: float
    storm_openings: int
    fallback: str
    steps: list[StepView]
    unknown: list[str]


class InhibitionIn(In):
    source: list[str] = Field(min_length=1, max_length=20)
    target: list[str] = Field(min_length=1, max_length=20)
    equal: list[str] = Field(default=["resource"], max_length=5)


class InhibitionView(View):
    id: str
    origin: str  # config | api
    source: list[str]
    target: list[str]
    equal: list[str]


class SilenceIn(In):
    """`POST /api/v1/silences`. Times as `now+2h` or RFC 3339; the start is now by default."""

    match: list[str] = Field(min_length=1, max_length=20)
    author: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=1000)
    starts_at: str = "now"
    ends_at: str = "now+2h"


class SilenceView(View):
    id: str
    match: list[str]
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    state: str  # pending | active | expired
    mutes: list[str]  # incidents that are on and silenced by it now


class MaintenanceIn(In):
    """`POST /api/v1/maintenance`: once (`starts_at`, `ends_at`) or weekly (`days`, `at`,
    `minutes`, by the clocks of `zone`)."""

    name: str = Field(min_length=1, max_length=100)
    match: list[str] = Field(min_length=1, max_length=20)
    starts_at: str = ""
    ends_at: str = ""
    days: list[str] = Field(default=[], max_length=7)
    at: str = Field(default="", max_length=5)
    minutes: int = 60
    zone: str = Field(default="UTC", max_length=64)
    author: str = Field(default="", max_length=200)
    reason: str = Field(default="", max_length=1000)


class MaintenanceView(View):
    id: str
    source: str  # config | api
    name: str
    match: list[str]
    starts_at: datetime | None
    ends_at: datetime | None
    days: list[str]
    at: str
    minutes: int
    zone: str
    author: str
    reason: str
    state: str  # open | planned | over
    next_start: datetime | None
    next_end: datetime | None


class RehearsalIn(In):
    """`POST /api/v1/routes/backtest`: a route to try before it is made (it is asked first), and
    thresholds an incident must reach. Nothing is sent."""

    days: float = Field(default=30.0, gt=0, le=400)
    route: RouteIn | None = None
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    min_stretch: float = Field(default=0.0, ge=0)
    min_victims: int = Field(default=0, ge=0)


class RehearsedEndpoint(View):
    endpoint: str
    told: int
    skipped: dict[str, int]  # by reason


class RehearsedIncident(View):
    incident: str
    at: datetime
    resource: str
    kind: str
    severity: str
    told: list[str]
    reasons: list[str]  # why not, of those not told


class RehearsalView(View):
    """`fired`: openings somebody would have been told of (by the route that is tried)."""

    sentence: str
    since: datetime
    until: datetime
    openings: int
    below_thresholds: int
    fired: int
    endpoints: list[RehearsedEndpoint]
    incidents: list[RehearsedIncident]  # the newest 100


class ReplayIn(In):
    """`POST /api/v1/deliveries/replay`: these, in the order they were made."""

    ids: list[str] = Field(default=[], max_length=1000)
