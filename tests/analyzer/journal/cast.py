"""The cast: acme makes the noise, globex, initech and umbrella suffer, hooli was suspected."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from analyzer.model import (
    Action,
    Blame,
    Check,
    Decision,
    DecisionId,
    DecisionState,
    Finding,
    Harm,
    Incident,
    IncidentId,
    IncidentState,
    Kind,
    Rival,
    Signal,
    Transition,
    TransitionType,
)
from collector.model import ResourceId, TenantId

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DB = ResourceId("db:shard-3")
ACME, HOOLI = TenantId("acme"), TenantId("hooli")
NEIGHBOURS = tuple(TenantId(name) for name in ("globex", "initech", "umbrella"))


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def finding(victims=NEIGHBOURS, **changes) -> Finding:
    made = Finding(
        resource=DB,
        kind=Kind.NOISY_NEIGHBOUR,
        window_start=NOON,
        window_end=at(1),
        aggressors=(
            Blame(ACME, 0.9, 1.6, 0.25, 0.46, (Check("surge", True, 6.4, 2.0, "times normal"),)),
        ),
        victims=tuple(Harm(name, Signal.LATENCY, 0.074, 0.191, 0.075) for name in victims),
        rivals=(Rival(HOOLI, 0.2, "its load did not change"),),
        checks=(Check("breadth", True, 0.9, 0.5, "part of the tenants that suffer"),),
        caveats=("capacity is estimated",),
        confidence=0.97,
        stretch=2.6,
        stretch_without=1.0,
        utilisation=0.93,
        limit=0.4,
        limit_low=0.3,
        limit_high=0.5,
    )
    return replace(made, **changes)


def incident(name="INC-1", **changes) -> Incident:
    made = Incident(
        id=IncidentId(name),
        resource=DB,
        kind=Kind.NOISY_NEIGHBOUR,
        state=IncidentState.FIRING,
        severity="page",
        started_at=NOON,
        updated_at=at(1),
        finding=finding(),
        seq=2,
        detected_at=at(1),
        hits=(False, True, True),
    )
    return replace(made, **changes)


def opened(name="INC-1", minute=1.0, **changes) -> Transition:
    return Transition(
        TransitionType.OPENED, at(minute), incident(name, **changes), "3 of 5 windows"
    )


def resolved(name="INC-1", minute=9.0) -> Transition:
    over = incident(name, state=IncidentState.RESOLVED, ended_at=at(minute), seq=3)
    return Transition(TransitionType.RESOLVED, at(minute), over, "calm for 6 windows")


def updated(name="INC-1", minute=5.0, seq=3) -> Transition:
    return Transition(TransitionType.UPDATED, at(minute), incident(name, seq=seq), "more victims")


def decision(name="DEC-1", **changes) -> Decision:
    made = Decision(
        id=DecisionId(name),
        action=Action.THROTTLE,
        state=DecisionState.PROPOSED,
        tenant=ACME,
        resource=DB,
        incident=IncidentId("INC-1"),
        reason="acme takes 46 % of db:shard-3",
        created_at=at(1),
        expires_at=at(61),
        limit=0.4,
        limit_unit="busy seconds per second",
        evidence=("acme asks for 6.4 times its normal load",),
    )
    return replace(made, **changes)
