"""The analyzer's words: what the detector finds, what an incident is, what is decided.

All datetimes are aware UTC. Everything is frozen: a change is a new value, written by `journal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from collector.model import ResourceId, TenantId

IncidentId = NewType("IncidentId", str)
DecisionId = NewType("DecisionId", str)


class Isolation(StrEnum):
    """How a tenant is kept apart."""

    SHARED = "shared"
    SCHEMA = "schema"
    DATABASE = "database"


class Kind(StrEnum):
    """What the detector says of a resource."""

    NOISY_NEIGHBOUR = "noisy_neighbour"
    CAPACITY = "capacity"
    DEGRADED = "degraded"
    SELF_INFLICTED = "self_inflicted"


class IncidentState(StrEnum):
    """Where an incident stands."""

    PENDING = "pending"
    FIRING = "firing"
    FLAPPING = "flapping"
    RESOLVED = "resolved"


class Signal(StrEnum):
    """What a victim felt."""

    LATENCY = "latency"
    ERRORS = "errors"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Check:
    """One test of the evidence. `passed` None: could not be tested (and `detail` says why).

    `value` and `threshold` are in the unit the detail names.
    """

    name: str
    passed: bool | None
    value: float | None
    threshold: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class Blame:
    """A tenant held responsible, with its evidence.

    `contribution` is its part (0..1) of the relief if all blamed excess went away; `demand` and
    `expected` are offered load in resource units (busy seconds per second); `share` is its part of
    the resource's served work.
    """

    tenant: TenantId
    contribution: float
    demand: float
    expected: float
    share: float
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Harm:
    """A tenant that suffers. Latencies are typical (geometric mean) seconds felt by its callers.

    `without_s` is the counterfactual: what the model says it would feel without the blamed excess.
    For the signal `errors` the three are error ratios, for `wait` seconds waited in the queue.
    """

    tenant: TenantId
    signal: Signal
    before_s: float
    during_s: float
    without_s: float | None


@dataclass(frozen=True, slots=True)
class Rival:
    """A suspect that was not blamed, and why not."""

    tenant: TenantId
    score: float
    why_not: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What the detector says of one resource at one moment; absent when nothing is wrong.

    `limit` is the rate (busy seconds per second) for the main aggressor at which the victims are
    back inside their normal, with `limit_low`..`limit_high` its interval. `stretch` is how many
    times slower than normal the victims are (pooled), `stretch_without` the counterfactual.
    `relief_curve` says the same of limits that take only a part of the excess away: (part, stretch
    left), rising. `recovers`: would the victims be back inside their normal without the excess? It
    is told even where a collapse makes every number a guess; None where nobody is blamed.
    """

    resource: ResourceId
    kind: Kind
    window_start: datetime
    window_end: datetime
    aggressors: tuple[Blame, ...]
    victims: tuple[Harm, ...]
    rivals: tuple[Rival, ...]
    checks: tuple[Check, ...]
    caveats: tuple[str, ...]
    confidence: float
    stretch: float
    stretch_without: float | None
    utilisation: float | None
    limit: float | None = None
    limit_low: float | None = None
    limit_high: float | None = None
    relief_curve: tuple[tuple[float, float], ...] = ()
    recovers: bool | None = None


PATH_WINDOWS = "windows"
PATH_DAYS = "days"
"""Which grain an incident is judged at."""


@dataclass(frozen=True, slots=True)
class Link:
    """One resource a trouble reached: the incident there, and how many suffer from it."""

    incident: IncidentId
    resource: ResourceId
    kind: Kind
    started_at: datetime
    ended_at: datetime | None
    victims: int


@dataclass(frozen=True, slots=True)
class Incident:
    """What the detector says of one resource over time.

    `finding` is the strongest one so far (it names aggressors, victims and evidence); `seq` counts
    the transitions; `started_at` is when the harm began, `detected_at` when it began to fire.
    One trouble on several resources is told once: the incident told first has the `chain`, cause
    first and itself among it; the others are `part_of` it and tell nobody.
    """

    id: IncidentId
    resource: ResourceId
    kind: Kind
    state: IncidentState
    severity: str  # "page" or "ticket"
    started_at: datetime
    updated_at: datetime
    finding: Finding
    seq: int = 0
    detected_at: datetime | None = None
    ended_at: datetime | None = None
    hits: tuple[bool, ...] = ()  # last windows, newest last: was there a finding of this kind?
    acknowledged_by: str | None = None
    label: str | None = None  # "confirmed" or "false_alarm", given by a person
    reopened: int = 0  # how often it came back within the grace
    votes: tuple[tuple[TenantId, int], ...] = ()  # windows in which each tenant was blamed
    told_victims: int = 0  # how many people were told of last, and when
    told_at: datetime | None = None
    part_of: IncidentId | None = None
    chain: tuple[Link, ...] = ()
    path: str = PATH_WINDOWS


class TransitionType(StrEnum):
    """Kinds of change of an incident; the notification event is `incident.<value>`."""

    PENDING = "pending"  # written down, not sent
    OPENED = "opened"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    FLAPPING = "flapping"
    WITHDRAWN = "withdrawn"  # a pending incident that never fired; written down, not sent


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an incident: what happened, when (data time), and the incident after it."""

    type: TransitionType
    at: datetime
    incident: Incident
    reason: str


class Action(StrEnum):
    """What may be done."""

    THROTTLE = "throttle"
    MOVE = "move"
    PROMOTE = "promote"
    DEMOTE = "demote"


class DecisionState(StrEnum):
    """Where a decision stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    ACTIVE = "active"
    VERIFIED = "verified"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Decision:
    """A proposed action. `limit` is in `limit_unit` ("busy seconds per second", "requests/s")."""

    id: DecisionId
    action: Action
    state: DecisionState
    tenant: TenantId
    resource: ResourceId
    incident: IncidentId | None
    reason: str
    created_at: datetime
    expires_at: datetime
    limit: float | None = None
    limit_low: float | None = None
    limit_high: float | None = None
    limit_unit: str = ""
    target: str | None = None  # the resource to move to, or the isolation to promote to
    mode: str = "shadow"  # or "enforce"
    decided_by: str | None = None
    evidence: tuple[str, ...] = ()  # sentences
    outcome: str = ""  # why it went on to the state it is in
    carried_at: datetime | None = None  # a move or promotion was seen done, data time


class EventType(StrEnum):
    """Events people can be told of, besides `incident.<transition>`."""

    DECISION_PROPOSED = "decision.proposed"
    DECISION_APPROVED = "decision.approved"
    DECISION_ACTIVE = "decision.active"
    DECISION_VERIFIED = "decision.verified"
    DECISION_WITHDRAWN = "decision.withdrawn"
    REPORT_READY = "report.ready"
    BUDGET_EXCEEDED = "budget.exceeded"
    SOURCE_STALE = "source.stale"
    ENDPOINT_FAILING = "endpoint.failing"
    ENDPOINT_DISABLED = "endpoint.disabled"
    TEST_PING = "test.ping"
