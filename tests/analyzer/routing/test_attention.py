from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.routing import Past, Policy, Recipient, Route, Silence, Source, Step
from analyzer.routing.attention import Attention, Open, attention
from analyzer.routing.digest import Digest, Flap, Gathered, flapping_due, storm_due

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LABELS = {"resource": ("db:shard-3",), "severity": ("page",), "kind": ("noisy_neighbour",)}
PAGER, BOSS = Recipient("1", "pager"), Recipient("2", "boss")
ROUTE = Route("p", (), ("pager",), repeat_s=3600, steps=(Step(600, ("boss",)), Step(1800, ("*",))))
POLICY = Policy(routes=(ROUTE,))


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def opened(*more: tuple[str, float], **changes) -> Open:
    events = (("incident.opened", 0.0), *more)
    made = Open(
        "INC-1",
        LABELS,
        acknowledged=False,
        events=tuple((kind, at(minute)) for kind, minute in events),
        past={"1": (Past("incident.opened", at(0), sent=True),)},
    )
    return replace(made, **changes)


def needs(one: Open, minute: float, policy: Policy = POLICY, firing=()) -> Attention:
    return attention(one, policy, (PAGER, BOSS), firing=firing, now=at(minute))


ESCALATIONS = [
    ("too early", opened(), 9, []),
    ("the first step", opened(), 10, [("2",)]),
    ("taken already", opened(("incident.escalated", 10)), 20, []),
    ("the second step", opened(("incident.escalated", 10)), 30, [("1", "2")]),
    ("both at once after a downtime", opened(), 31, [("2",), ("1", "2")]),
    (
        "anew since it reopened",
        opened(("incident.escalated", 10), ("incident.reopened", 40)),
        51,
        [("2",)],
    ),
    ("somebody is looking", opened(acknowledged=True), 99, []),
    ("nobody was ever told", opened(events=()), 99, []),
]


@pytest.mark.parametrize(
    ("one", "minute", "wanted"), [c[1:] for c in ESCALATIONS], ids=[c[0] for c in ESCALATIONS]
)
def test_escalation(one, minute, wanted):
    assert [to for _, to in needs(one, minute).escalate] == wanted


def test_a_silence_stops_escalation_and_reminders():
    silence = Silence("s", ("resource = db:*",), "ada", "deploy", at(0), at(99))
    assert needs(opened(), 95, replace(POLICY, silences=(silence,))) == Attention()


def test_what_another_incident_explains_needs_nothing():
    source = Source("INC-0", LABELS)
    one = replace(opened(), labels={**LABELS, "kind": ("capacity",)})
    assert needs(one, 95, firing=(source,)) == Attention()
    assert needs(one, 95).needed


@pytest.mark.parametrize(
    ("minute", "past", "reminded"),
    [
        (59, [("opened", 0, True)], False),
        (60, [("opened", 0, True)], True),
        (60, [("opened", 0, True), ("updated", 30, True)], False),
        (90, [("opened", 0, True), ("updated", 30, True)], True),
        (90, [("opened", 0, False)], False),
        (90, [("opened", 0, True), ("resolved", 5, True)], False),
    ],
)
def test_reminders(minute, past, reminded):
    heard = tuple(Past(f"incident.{kind}", at(m), sent) for kind, m, sent in past)
    assert needs(opened(past={"1": heard}), minute).remind == (("1",) if reminded else ())


def test_no_reminder_for_who_keeps_states_itself_or_asked_for_none():
    for pager in (replace(PAGER, feeds=True), replace(PAGER, events=("incident.opened",))):
        found = attention(opened(), POLICY, (pager,), firing=(), now=at(90))
        assert found.remind == ()


def test_what_was_muted_is_told_when_the_mute_ends():
    muted = opened(past={"1": (Past("incident.opened", at(0), sent=False, reason="silenced"),)})
    assert needs(muted, 5).release == ("1",)
    stormed = opened(past={"1": (Past("incident.opened", at(0), sent=False, reason="storm"),)})
    assert needs(stormed, 5).release == ()


def gathered(minute: float, *, told=False, over=False) -> Gathered:
    return Gathered("d", "INC-1", "db:1", "page", at(minute), told, over)


STORMS = [
    ("nothing gathered", [], None, 5, None),
    ("still gathering", [gathered(0)], None, 0.4, None),
    ("the first digest", [gathered(0)], None, 0.5, Digest.OPENED),
    ("not again at once", [gathered(0, told=True), gathered(1)], ("digest.opened", 0.5), 3, None),
    (
        "again after five minutes",
        [gathered(0, told=True), gathered(1)],
        ("digest.opened", 0.5),
        5.5,
        Digest.OPENED,
    ),
    ("told and still on", [gathered(0, told=True)], ("digest.opened", 0.5), 30, None),
    (
        "all over",
        [gathered(0, told=True, over=True)],
        ("digest.opened", 0.5),
        30,
        Digest.OVER,
    ),
    ("over is said once", [gathered(0, told=True, over=True)], ("digest.over", 30), 31, None),
    (
        "what came and went while gathering is told",
        [gathered(0, over=True)],
        None,
        1,
        Digest.OPENED,
    ),
]


@pytest.mark.parametrize(
    ("kept", "last", "minute", "wanted"), [c[1:] for c in STORMS], ids=[c[0] for c in STORMS]
)
def test_storm_digests(kept, last, minute, wanted):
    newest = (last[0], at(last[1])) if last else None
    assert storm_due(kept, newest, now=at(minute)) is wanted


@pytest.mark.parametrize(
    ("newest", "last_digest", "minute", "wanted"),
    [
        (30, None, 59, None),
        (30, None, 60, Flap.DIGEST),
        (30, None, 90, Flap.RELEASE),
        (70, 60, 90, None),
        (70, 60, 120, Flap.DIGEST),
        (50, 60, 105, None),
        (50, 60, 110, Flap.RELEASE),
    ],
)
def test_flapping_is_told_once_an_hour_until_an_hour_of_calm(newest, last_digest, minute, wanted):
    found = flapping_due(
        kept_since=at(0),
        newest=at(newest),
        last_digest=at(last_digest) if last_digest is not None else None,
        now=at(minute),
    )
    assert found is wanted
