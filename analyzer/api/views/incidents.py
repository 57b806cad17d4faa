"""Incidents and their evidence."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from analyzer.api.views.alerts import SilenceElsewhere
from analyzer.api.views.annotations import AnnotationView
from analyzer.api.views.base import View
from analyzer.api.views.decisions import DecisionView


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
    part_of: str | None = None  # the incident that tells of this one, too
    muted: str | None = None  # why nobody is told of it now: a silence, a window, what explains it


class LinkView(View):
    """One resource a trouble reached; the chain begins with the cause."""

    incident: str
    resource: str
    kind: str
    started_at: datetime
    ended_at: datetime | None
    victims: int


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
    # part of the excess gone, stretch left; rising
    relief_curve: list[tuple[float, float]] = Field(default_factory=list)
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
    chain: list[LinkView] = Field(default_factory=list)
    silenced_elsewhere: list[SilenceElsewhere] = Field(default_factory=list)
    # what others told us of, while it lasted
    annotations: list[AnnotationView] = Field(default_factory=list)
