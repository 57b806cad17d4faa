"""The public contract: what the API answers, as pydantic models. Times are RFC 3339 UTC.

Money travels as strings of decimal units with its currency beside it, never as a float.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """Base of all answers: unknown keys are errors when we read our own answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(View):
    """An RFC 9457 problem. `id` is the Rejection id; `remedy` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    id: str
    field: str = ""
    remedy: str = ""


class Health(View):
    """`/api/v1/status`: what the global bar and the overview need at a glance."""

    version: str
    data_version: int  # grows when anything a page shows may have changed
    now: datetime
    newest_window: datetime | None  # end of the newest complete window
    data_age_s: float | None
    tenants: int
    resources: int
    open_incidents: int
    affected_tenants: int
    hottest_resource: str | None
    hottest_utilisation: float | None
    deliveries_pending: int
    deliveries_failed: int
    stale_sources: list[str]
    longest_calm_s: float | None
    sentence: str  # who is hurting whom now, or that nobody is
    backfilling: str = ""  # progress words while history is loaded


class CheckView(View):
    name: str
    passed: bool | None
    value: float | None
    threshold: float | None
    detail: str


class BlameView(View):
    tenant: str
    plan: str
    contribution: float
    demand: float
    expected: float
    times_expected: float
    share: float
    checks: list[CheckView]


class HarmView(View):
    tenant: str
    plan: str
    signal: str
    before_s: float
    during_s: float
    without_s: float | None
    past_slo: bool | None
    cost: str | None = None  # in the incident's currency


class RivalView(View):
    tenant: str
    score: float
    why_not: str


class IncidentSummary(View):
    id: str
    resource: str
    kind: str
    state: str
    severity: str
    sentence: str
    aggressors: list[str]
    victims: int
    confidence: float
    started_at: datetime
    detected_at: datetime | None
    ended_at: datetime | None
    acknowledged_by: str | None
    label: str | None
    muted: str | None = None  # why nobody is told of it now: a silence, a window, what explains it


class Band(View):
    """One line of the evidence, on the incident's clock. None is a gap."""

    name: str
    role: str  # aggressor | expected_low | expected_high | expected | victims | victims_low |
    #            victims_high | without | capacity | others | slo
    unit: str
    values: list[float | None]


class TimelineEntry(View):
    at: datetime
    what: str
    detail: str


class IncidentDetail(IncidentSummary):
    blames: list[BlameView]
    harms: list[HarmView]
    rivals: list[RivalView]
    checks: list[CheckView]
    caveats: list[str]
    stretch: float
    stretch_without: float | None
    relief_curve: list[tuple[float, float]] = []  # part of the excess gone, stretch left; rising
    recovers: bool | None = None  # victims back inside their normal without the excess?
    utilisation: float | None
    cost: str | None
    currency: str | None
    clock: list[datetime]  # window starts shared by the bands
    window_s: int
    aggressor_bands: list[Band]
    victim_bands: list[Band]
    resource_bands: list[Band]
    timeline: list[TimelineEntry]
    explanation: list[str]  # sentences, as `partywall explain` prints them
    decisions: list[DecisionView]
    silenced_elsewhere: list[SilenceElsewhere] = []
    annotations: list[AnnotationView] = []  # what others told us of, while it lasted


class DecisionView(View):
    id: str
    action: str
    state: str
    tenant: str
    resource: str
    incident: str | None
    reason: str
    created_at: datetime
    expires_at: datetime
    limit: float | None
    limit_low: float | None
    limit_high: float | None
    limit_unit: str
    target: str | None
    mode: str
    decided_by: str | None
    evidence: list[str]
    outcome: str = ""  # why it is in the state it is in


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


class ErasureView(View):
    """One tenant forgotten; it does not say which. `left` are files that still hold the id."""

    id: str
    erased_at: datetime
    by: str
    cells: int
    files: int
    left: list[str]


class BackupIn(BaseModel):
    """`POST /api/v1/backup`: an empty directory on the analyzer's machine."""

    model_config = ConfigDict(extra="forbid")
    directory: str


class BackupView(View):
    directory: str
    files: int
    bytes: int


class ComparedView(View):
    """One thing compared: what kind, what about, and what was found."""

    what: str
    about: str
    ok: bool
    detail: str


class VerificationView(View):
    """Whether grains, files and spool say the same; `first` names the first difference."""

    ok: bool
    first: str | None
    checks: list[ComparedView]


class ErasureIn(BaseModel):
    """`POST /api/v1/tenants/ID/erase`: `confirm` repeats the id."""

    model_config = ConfigDict(extra="forbid")
    confirm: str
    by: str = ""


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
    binding: str | None = None  # the fullest dimension: time | in flight
    dimensions: list[DensityDimension] = []
    reservation: float | None = None  # granted by contracts, over capacity
    lorenz: list[float] = []  # load of the smallest 0 %, 5 %, ... 100 % of the tenants


class HoursOfWeek(View):
    """Mean load over capacity of the largest tenants of a resource, by hour of the week (UTC,
    Monday 00:00 first), over four weeks. Without a known capacity the load itself.
    """

    resource: str
    tenants: list[str]
    values: list[list[float]]  # tenants x 168


class DensityDimension(View):
    name: str
    full: float


class SideView(View):
    """One resource of a move; packing is p95 load over capacity."""

    resource: str
    capacity: float | None
    packing_before: float | None
    packing_after: float | None
    headroom_before: float | None
    headroom_after: float | None
    full_hours: int | None  # hours of the week with more load than capacity, after
    risk_before: float | None  # chance that a coming week has such an hour
    risk_after: float | None


class CostBeforeAfter(View):
    tenant: str
    before: str
    after: str


class WhatIfView(View):
    """The week replayed with the tenant on the target. `costs`: whoever's changes, mover first."""

    tenant: str
    source: SideView
    target: SideView
    costs: list[CostBeforeAfter]
    currency: str


class MoveView(View):
    """One step of a plan. Fullness is the busiest hour over capacity."""

    tenant: str
    source: str
    target: str
    purpose: str  # relief | consolidation
    source_before: float
    source_after: float
    target_before: float
    target_after: float
    saving: str | None  # a month, at the step that empties a resource
    reason: str
    reversible: bool = True


class PlanView(View):
    """Every prefix is safe. `bound`: no plan needs fewer resources."""

    moves: list[MoveView]
    kept: list[KeptView]
    before: int
    after: int
    bound: int
    saving: str  # a month
    currency: str


class KeptView(View):
    name: str
    why: str


class BreakevenView(View):
    """Amounts a week, in `currency`. `charged` is what the report shows, not used."""

    tenant: str
    resource: str
    tier: str
    verdict: str  # promote | demote | stay
    weeks_for: int
    weeks: int
    avoidable: str
    externality: str
    uplift: str
    isolated: str
    move: str  # once
    charged: str
    gain: str
    threshold: str
    payback_weeks: float | None
    tornado: list[TornadoBar]
    needed: list[str]
    sentences: list[str]
    currency: str
    back: WayBack | None = None


class WayBack(View):
    """Out of a tier of its own into a pool, without a reason against it. Loads in busy seconds per
    second, amounts a week.
    """

    source: str
    pool: str
    p99: float
    headroom: float
    n1_headroom: float | None
    weeks_for: int
    saving: str
    threshold: str
    payback_weeks: float | None
    against: list[str]


class TornadoBar(View):
    what: str
    low: str
    high: str


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


class CostLine(View):
    """One line of the cost table; amounts are decimal strings that add up as shown."""

    tenant: str
    plan: str
    direct: str
    idle: str
    shared: str
    total: str
    revenue: str | None
    margin: str | None
    share: float
    change: float | None  # against the week before, as a ratio
    own: str = "0"  # reserved and not used
    credit: str = "0"  # credits, negative
    names: int = 1  # tenants in this line: more than one under `__other__`
    thousand_direct: str | None = None  # cost of 1,000 operations, `CostPage.counted`
    thousand_loaded: str | None = None  # the same with idle and shared cost
    why: CostWhy | None = None


class CostWhy(View):
    """Of the change since the week before; the six sum to it as shown."""

    price: str
    usage: str
    neighbours: str
    policy: str = "0"
    moves: str = "0"
    restatement: str = "0"


class CostPage(View):
    week: str
    start: datetime
    end: datetime
    hours: int
    zone: str
    currency: str
    status: str  # estimate | provisional | final | restated
    version: int
    bill: str
    allocated: str
    idle: str
    unattributed: str
    coverage: float | None
    lines: list[CostLine]  # dearest first, those after `limit` summed under `__other__`
    resources: list[ResourceCost]
    weeks: list[str]
    counted: str = ""  # request | queue | query | cache: what unit costs are told of
    reconciled: float | None = None  # part of the bill that providers' bills say, not prices
    notes: list[str] = []


class ResourceCost(View):
    resource: str
    bill: str
    allocated: str
    idle: str
    unattributed: str
    coverage: float | None
    kind: str = ""  # unmatched: lines of a bill that no rule gives to a resource
    billed: str | None = None  # what a provider's bill says of it
    estimate: str | None = None  # what the price sheet said of the same time
    adjustment: str | None = None  # billed - estimate


class ReportView(View):
    week: str
    version: int
    status: str
    created_at: datetime
    total: str
    currency: str
    formats: list[str]
    path: str


class ReportDeliveryView(View):
    """One report to one recipient. `tenant` and `recipient` are empty where there is none."""

    week: str
    version: int
    delivery: str
    tenant: str
    recipient: str
    state: str  # queued | sent | skipped | superseded | withdrawn | dead
    attempt: int
    created_at: datetime
    sent_at: datetime | None
    error: str  # why it failed, or why it was skipped


class ReportRound(View):
    """What one round of deliveries did, in words."""

    sent: list[str]
    failed: list[str]


class EndpointIn(BaseModel):
    """`POST /api/v1/endpoints`. The secret is made by us and shown once."""

    model_config = ConfigDict(extra="forbid")
    name: str
    url: str
    format: str = "alertmanager"
    routing_key: str = ""  # PagerDuty's integration key
    events: list[str] = []  # patterns such as incident.*; empty is all
    token: str = ""  # Slack's bot token, or the password of a mail server; never shown again
    channel: str = ""  # Slack's channel, with a bot token
    template: str = ""  # of the body of json
    sender: str = ""  # of a mail
    recipients: list[str] = []  # of a mail
    username: str = ""  # at the mail server
    replicas: list[str] = []  # the other members of an Alertmanager cluster


class EndpointChange(BaseModel):
    """`PATCH /api/v1/endpoints/{id}`: what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = None
    url: str | None = None
    format: str | None = None
    routing_key: str | None = None
    events: tuple[str, ...] | None = None
    token: str | None = None
    channel: str | None = None
    template: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] | None = None
    username: str | None = None


class EndpointView(View):
    id: str
    name: str
    url: str  # redacted to scheme and host
    format: str
    events: list[str] = []
    channel: str = ""
    template: str = ""
    sender: str = ""
    recipients: list[str] = []
    username: str = ""
    signed: bool = False
    source: str = "api"  # config: it stands in the configuration file
    state: str  # ok | failing | disabled
    created_at: datetime
    delivered: int
    failed: int
    secret: str | None = None  # only in the answer that creates it


class DeliveryView(View):
    id: str
    event_id: str
    event_type: str
    incident: str | None
    endpoint: str
    state: str
    attempt: int
    next_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None
    status: int | None
    ms: float | None
    error: str
    reason: str = ""  # why it is sent, or was skipped: analyzer/routing/judge.py


class AttemptView(View):
    """One try of a delivery, as it went over the wire; secrets are left out."""

    n: int
    started_at: datetime
    ms: float | None
    status: int | None
    error: str
    request_headers: dict[str, str]
    request_body: str
    response_headers: dict[str, str]
    response_body: str


class DeliveryDetail(DeliveryView):
    attempts: list[AttemptView]


class Replayed(View):
    """How many deliveries were queued again."""

    replayed: int


class SilenceElsewhere(View):
    """A silence over the incident in an Alertmanager that we feed."""

    where: str  # our endpoint
    silence: str
    until: datetime
    author: str
    comment: str
    url: str


class PreviewView(View):
    """What an endpoint would be sent; nothing is."""

    event_type: str
    url: str  # redacted to scheme and host
    content_type: str
    body: str
    size: int
    error: str  # what is wrong with the template: the body is the default one then


class AnnotationView(View):
    id: str
    at: datetime
    title: str
    detail: str
    resource: str | None
    tenant: str | None
    source: str  # api | alertmanager | pagerduty


class AnnotationIn(BaseModel):
    """`POST /api/v1/annotations`: a deploy or another outside event, for the evidence timeline."""

    model_config = ConfigDict(extra="forbid")
    at: datetime | None = None
    title: str
    detail: str = ""
    resource: str | None = None
    tenant: str | None = None


IncidentDetail.model_rebuild()
TenantDetail.model_rebuild()
DensityRow.model_rebuild()
PlanView.model_rebuild()
BreakevenView.model_rebuild()
CostPage.model_rebuild()
