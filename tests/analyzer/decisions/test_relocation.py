"""When a move or promotion counts as done, and when as proved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.decisions.decide import DecisionPolicy, decide
from analyzer.decisions.relocation import Home, Stay, arrived, relocated
from analyzer.model import (
    Action,
    Decision,
    DecisionId,
    DecisionState,
    Incident,
    IncidentState,
    Isolation,
    TransitionType,
)
from collector.model import ResourceId, ResourceKind, TenantId
from tests.analyzer.decisions.test_decisions import incident, moved

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)
POLICY = DecisionPolicy()
OLD, NEW, QUEUE = ResourceId("db:main"), ResourceId("db:other"), ResourceId("queue:jobs")
KINDS = {OLD: ResourceKind.DATABASE, NEW: ResourceKind.DATABASE, QUEUE: ResourceKind.QUEUE}
ACME = TenantId("acme")
DAY = timedelta(days=1)


def wanted(
    action: Action = Action.MOVE,
    state: DecisionState = DecisionState.APPROVED,
    target: str | None = None,
) -> Decision:
    return Decision(
        DecisionId("DEC-1"), action, state, ACME, OLD, None, "performance", NOW - DAY, NOW + DAY,
        target=target, decided_by="ada",
    )  # fmt: skip


def home(
    *places: ResourceId, own: Isolation = Isolation.SHARED, there: Isolation = Isolation.SHARED
) -> Home:
    return Home(own, tuple(Stay(place, KINDS[place], there, NOW - DAY) for place in places))


def after(
    decision: Decision, lives: Home, *incidents: Incident, at: datetime = NOW
) -> Decision | None:
    found = relocated([decision], {ACME: lives}, KINDS, incidents, at=at, policy=POLICY)
    return found[0] if found else None


def trouble(begins: datetime, ends: datetime | None, *by: str) -> Incident:
    state = IncidentState.RESOLVED if ends else IncidentState.FIRING
    one: Incident = incident(*by)
    return replace(one, started_at=begins, ended_at=ends, state=state)


@pytest.mark.parametrize(
    ("lives", "target", "where"),
    [
        (home(OLD), None, ""),
        (home(NEW), None, "db:other"),
        (home(OLD, NEW), None, ""),  # a second place is no move
        (home(QUEUE), None, ""),  # of another kind
        (home(NEW), "db:third", ""),
        (home(NEW), "db:other", "db:other"),
        (home(), None, ""),
    ],
)
def test_a_move_is_done_when_the_tenant_left_and_lives_on_the_target_or_its_like(
    lives: Home, target: str | None, where: str
):
    assert arrived(wanted(target=target), lives, KINDS) == where


@pytest.mark.parametrize(
    ("action", "target", "lives", "done"),
    [
        (Action.PROMOTE, "database", home(OLD), False),
        (Action.PROMOTE, "database", home(OLD, there=Isolation.SCHEMA), False),
        (Action.PROMOTE, "database", home(NEW, there=Isolation.DATABASE), True),
        (Action.PROMOTE, "schema", home(OLD, there=Isolation.SCHEMA), True),
        (Action.PROMOTE, None, home(own=Isolation.DATABASE), True),
        (Action.DEMOTE, None, home(OLD, own=Isolation.DATABASE), False),
        (Action.DEMOTE, None, home(OLD, there=Isolation.DATABASE), False),
        (Action.DEMOTE, None, home(NEW), True),
    ],
)
def test_a_promotion_or_demotion_is_done_when_the_tenant_is_kept_apart_as_decided(
    action: Action, target: str | None, lives: Home, done: bool
):
    assert bool(arrived(wanted(action, target=target), lives, KINDS)) is done


def test_an_approved_move_becomes_active_and_has_a_week_to_prove_itself():
    found = after(wanted(), home(NEW))
    assert found is not None
    assert (found.state, found.outcome) == (DecisionState.ACTIVE, "acme is on db:other")
    assert (found.carried_at, found.expires_at) == (NOW, NOW + 7 * DAY)


def test_windows_before_the_move_prove_nothing_when_usage_comes_late():
    found = after(wanted(), home(NEW), at=NOW - 2 * DAY)
    assert found is not None
    assert found.carried_at == NOW - DAY  # when the tenant came, not the older window judged


@pytest.mark.parametrize(
    "state", [s for s in DecisionState if s not in (DecisionState.APPROVED, DecisionState.ACTIVE)]
)
def test_only_what_was_approved_is_looked_for(state: DecisionState):
    assert after(wanted(state=state), home(NEW)) is None


def test_a_throttle_is_never_a_relocation():
    assert after(wanted(Action.THROTTLE), home(NEW)) is None


def active() -> Decision:
    return replace(wanted(state=DecisionState.ACTIVE), carried_at=NOW)


@pytest.mark.parametrize(
    ("minutes", "incidents", "proved"),
    [
        (29, [], False),
        (30, [], True),
        (40, [trouble(NEW_AT, None, "acme") for NEW_AT in [NOW + timedelta(minutes=5)]], False),
        (40, [trouble(NOW, NOW + timedelta(minutes=15), "acme")], False),  # counted from its end
        (45, [trouble(NOW, NOW + timedelta(minutes=15), "acme")], True),
        (40, [trouble(NOW, None, "initech")], True),  # somebody else's
        (40, [trouble(NOW - timedelta(minutes=1), None, "acme")], True),  # begun before the move
        (40, [replace(trouble(NOW, None, "acme"), resource=NEW)], True),  # on its new place
        (40, [replace(trouble(NOW, None, "acme"), detected_at=None)], True),  # only suspected
    ],
)
def test_a_move_is_proved_by_a_calm_old_place(
    minutes: int, incidents: list[Incident], proved: bool
):
    found = after(active(), home(NEW), *incidents, at=NOW + timedelta(minutes=minutes))
    assert (found is not None and found.state is DecisionState.VERIFIED) is proved


def test_a_move_that_was_undone_is_withdrawn():
    found = after(active(), home(OLD), at=NOW + DAY)
    assert found is not None
    assert (found.state, found.outcome) == (
        DecisionState.WITHDRAWN,
        "it was undone before it had proved itself on db:main",
    )


@pytest.mark.parametrize(
    ("state", "then", "why"),
    [
        (DecisionState.PROPOSED, DecisionState.WITHDRAWN, "nobody approved it in time"),
        (
            DecisionState.APPROVED,
            DecisionState.EXPIRED,
            "approved, but nobody carried it out in time",
        ),
        (
            DecisionState.ACTIVE,
            DecisionState.EXPIRED,
            "acme still disturbed db:main when its time ran out",
        ),
        (DecisionState.VERIFIED, None, ""),
    ],
)
def test_a_move_past_its_time_says_why_it_ended(
    state: DecisionState, then: DecisionState | None, why: str
):
    found = decide([], [wanted(state=state)], now=NOW + DAY, policy=POLICY)
    assert [(one.state, one.outcome) for one in found] == ([(then, why)] if then else [])


@pytest.mark.parametrize(("past", "again"), [(False, False), (True, True)])
def test_a_proved_move_answers_new_trouble_until_its_time_is_over(past: bool, again: bool):
    verified = wanted(state=DecisionState.VERIFIED)
    verified = replace(verified, expires_at=NOW if past else NOW + DAY)
    opened = moved(TransitionType.OPENED, incident("acme"))
    policy = DecisionPolicy(repeats=1)
    made = decide([opened], [verified], now=NOW, policy=policy)
    assert (Action.MOVE in [one.action for one in made]) is again


def test_the_dwell_must_last():
    assert len(DecisionPolicy(dwell_s=0).problems()) == 1
