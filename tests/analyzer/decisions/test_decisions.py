"""What is proposed, renewed, withdrawn and held back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.decisions.decide import DecisionPolicy, decide
from analyzer.model import (
    Action,
    Blame,
    Decision,
    DecisionState,
    Finding,
    Harm,
    Incident,
    IncidentId,
    IncidentState,
    Kind,
    Signal,
    Transition,
    TransitionType,
)
from collector.model import ResourceId, TenantId

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)
POLICY = DecisionPolicy()


def incident(*by: str, key: str = "INC-1", kind: Kind = Kind.NOISY_NEIGHBOUR, sure: float = 0.9):
    blames = tuple(Blame(TenantId(t), 1.0 / len(by), 3.0, 0.5, 0.4) for t in by)
    victims = (Harm(TenantId("globex"), Signal.LATENCY, 0.1, 0.3, 0.1),)
    found = Finding(
        ResourceId("db:main"), kind, NOW, NOW, blames, victims, (), (), (), sure, 3.0, 1.0, 0.9,
        limit=1.2, limit_low=1.0, limit_high=1.5,
    )  # fmt: skip
    return Incident(
        IncidentId(key), ResourceId("db:main"), kind, IncidentState.FIRING, "page", NOW, NOW,
        found, detected_at=NOW,
    )  # fmt: skip


def moved(kind: TransitionType, what: Incident) -> Transition:
    return Transition(kind, NOW, what, "")


def proposed(*by: str, policy: DecisionPolicy = POLICY) -> list[Decision]:
    opened = moved(TransitionType.OPENED, incident(*by))
    return decide([opened], [], now=NOW, policy=policy)


def test_a_blame_proposes_a_throttle_in_the_shadow():
    (made,) = proposed("acme")
    assert (made.action, made.state, made.mode) == (
        Action.THROTTLE,
        DecisionState.PROPOSED,
        "shadow",
    )
    assert (made.tenant, made.limit, made.limit_low, made.limit_high) == ("acme", 1.2, 1.0, 1.5)
    assert made.expires_at == NOW + timedelta(minutes=15)


@pytest.mark.parametrize("kind", [Kind.CAPACITY, Kind.DEGRADED, Kind.SELF_INFLICTED])
def test_nobody_is_throttled_when_nobody_is_to_blame(kind: Kind):
    opened = moved(TransitionType.OPENED, incident("acme", kind=kind))
    assert decide([opened], [], now=NOW, policy=POLICY) == []


def test_an_unsure_blame_proposes_nothing():
    opened = moved(TransitionType.OPENED, incident("acme", sure=0.4))
    assert decide([opened], [], now=NOW, policy=POLICY) == []


def test_the_limit_never_lies_below_the_contracted_floor():
    (made,) = proposed("acme", policy=DecisionPolicy(floors={TenantId("acme"): 2.5}))
    assert made.limit == 2.5
    assert made.limit_low == 2.5


def test_the_same_blame_twice_is_one_throttle():
    first = proposed("acme")
    again = moved(TransitionType.UPDATED, incident("acme"))
    assert decide([again], first, now=NOW, policy=POLICY) == []


@pytest.mark.parametrize(
    ("state", "after", "why"),
    [
        (DecisionState.PROPOSED, DecisionState.WITHDRAWN, "before anybody approved the limit"),
        (DecisionState.APPROVED, DecisionState.WITHDRAWN, "before an enforcer fetched the limit"),
        (DecisionState.ACTIVE, DecisionState.VERIFIED, "under the limit"),
    ],
)
def test_recovery_ends_the_throttle(state: DecisionState, after: DecisionState, why: str):
    (made,) = proposed("acme")
    ended = moved(TransitionType.RESOLVED, incident("acme"))
    (changed,) = decide([ended], [replace(made, state=state)], now=NOW, policy=POLICY)
    assert (changed.state, changed.outcome) == (after, f"the victims recovered {why}")


def test_a_verified_throttle_stays_until_it_expires_and_is_not_proposed_again():
    (made,) = proposed("acme")
    verified = replace(made, state=DecisionState.VERIFIED)
    ended = moved(TransitionType.RESOLVED, incident("acme"))
    assert decide([ended], [verified], now=NOW, policy=POLICY) == []
    again = moved(TransitionType.REOPENED, incident("acme"))
    assert decide([again], [verified], now=NOW, policy=POLICY) == []
    (changed,) = decide([], [verified], now=made.expires_at, policy=POLICY)
    assert (changed.state, changed.outcome) == (DecisionState.EXPIRED, "its time ran out")


def test_a_throttle_is_renewed_while_its_incident_lasts():
    (made,) = proposed("acme")
    later = made.expires_at - timedelta(seconds=60)
    (changed,) = decide([], [made], now=later, policy=POLICY, firing=[incident("acme")])
    assert changed.expires_at == later + timedelta(minutes=15)
    assert decide([], [made], now=NOW, policy=POLICY, firing=[incident("acme")]) == []


def test_a_throttle_without_its_incident_expires():
    (made,) = proposed("acme")
    (changed,) = decide([], [made], now=made.expires_at, policy=POLICY)
    assert changed.state is DecisionState.EXPIRED


def test_the_brake_holds_back_more_throttles_than_allowed():
    names = ("acme", "globex", "initech", "umbrella")
    assert len(proposed(*names, policy=DecisionPolicy(max_throttles=2))) == 2
    assert len(proposed(*names, policy=DecisionPolicy(max_throttles=0))) == 0
    assert len(proposed(*names, policy=DecisionPolicy(max_share=0.5))) == 1


@pytest.mark.parametrize(("times", "action"), [(2, None), (3, "move"), (5, "promote")])
def test_a_repeated_aggressor_should_live_elsewhere(times: int, action: str | None):
    history = [incident("acme", key=f"INC-{k}") for k in range(2, times + 1)]
    opened = moved(TransitionType.OPENED, incident("acme"))
    made = decide([opened], [], now=NOW, policy=POLICY, history=history)
    assert [str(d.action) for d in made] == ["throttle", *([action] if action else [])]


@pytest.mark.parametrize(
    ("ages", "action"),
    [
        ((0, 8), None),
        ((0, 8, 15), "move"),
        ((0, 8, 15, 22), "promote"),
        ((0, 29, 36), None),
        ((0, 1), None),
    ],
)
def test_trouble_in_most_weeks_counts_however_seldom(ages, action):
    history = [
        replace(incident("acme", key=f"INC-W{age}"), started_at=NOW - timedelta(days=age))
        for age in ages[1:]
    ]
    opened = moved(TransitionType.OPENED, incident("acme"))
    made = decide([opened], [], now=NOW, policy=POLICY, history=history)
    assert [str(d.action) for d in made] == ["throttle", *([action] if action else [])]
    if action == "move":
        assert "blamed in 3 of the last 4 weeks (0, 1, 1, 1 times, newest last)" in made[1].evidence


def test_parts_of_one_trouble_count_once():
    parts = [
        replace(incident("acme", key=f"INC-{k}"), part_of=incident("acme").id) for k in range(2, 9)
    ]
    opened = moved(TransitionType.OPENED, incident("acme"))
    made = decide([opened], [], now=NOW, policy=POLICY, history=parts)
    assert [str(d.action) for d in made] == ["throttle"]


def test_decisions_are_the_same_however_often_they_are_made():
    assert proposed("acme") == proposed("acme")


def test_policy_names_every_problem_at_once():
    wrong = DecisionPolicy(mode="loud", expiry_s=10, max_throttles=-1, max_share=2)
    assert len(wrong.problems()) == 4
    assert POLICY.problems() == []
