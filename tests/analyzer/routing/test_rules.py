from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from analyzer.routing import Inhibition, Maintenance, Route, Silence, Step
from analyzer.routing.rules import RoutingSettings


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHT = Maintenance("night", ("resource = *",), days=("sat",), at="23:30", minutes=120)
DB = {"resource": ("db:shard-3",)}

OPEN = [
    ("2026-11-21T23:29:00", False),
    ("2026-11-21T23:30:00", True),
    ("2026-11-22T01:29:00", True),
    ("2026-11-22T01:30:00", False),
    ("2026-11-22T23:45:00", False),
    ("2026-11-28T23:45:00", True),
]


@pytest.mark.parametrize(("now", "is_open"), OPEN)
def test_a_weekly_window_runs_over_midnight(now, is_open):
    assert NIGHT.open(utc(now)) is is_open


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        ("2026-10-24T20:30:00", True),  # 22:30 in Berlin, summer
        ("2026-10-31T20:30:00", False),  # 21:30 in Berlin, winter
        ("2026-10-31T21:30:00", True),
    ],
)
def test_a_weekly_window_follows_the_clocks_of_its_zone(now, is_open):
    window = Maintenance(
        "db", ("resource = db:*",), days=("sat",), at="22:00", zone="Europe/Berlin"
    )
    assert window.open(utc(now)) is is_open


def test_an_hour_that_a_clock_change_skips_still_opens():
    window = Maintenance(
        "db", ("resource = *",), days=("sun",), at="02:30", minutes=30, zone="Europe/Berlin"
    )
    opened = [m for m in range(24 * 60) if window.open(utc(f"2026-03-29T{m // 60:02}:{m % 60:02}"))]
    assert len(opened) == 30


def test_the_next_window_is_the_open_one_or_the_one_to_come():
    assert NIGHT.next(utc("2026-11-22T01:00:00")) == (
        utc("2026-11-21T23:30:00"),
        utc("2026-11-22T01:30:00"),
    )
    assert NIGHT.next(utc("2026-11-22T02:00:00")) == (
        utc("2026-11-28T23:30:00"),
        utc("2026-11-29T01:30:00"),
    )
    once = Maintenance(
        "move", ("resource = *",), utc("2026-11-22T00:00:00"), utc("2026-11-22T02:00:00")
    )
    assert once.next(utc("2026-11-22T02:00:00")) is None


def test_a_time_without_an_offset_means_utc():
    window = Maintenance(
        "move",
        ("resource = *",),
        datetime(2026, 11, 22, 0, 0),  # noqa: DTZ001
        datetime(2026, 11, 22, 2, 0),  # noqa: DTZ001
    )
    assert window.covers(DB, utc("2026-11-22T01:00:00"))


WRONG: list[tuple[Any, str]] = [
    (Route(""), "missing"),
    (Route("a", ("colour = red",)), "no label"),
    (Route("a", repeat_s=5), "below a minute"),
    (Route("a", storm_openings=-1), "negative"),
    (Route("a", steps=(Step(0, ("x",)),)), "after_s"),
    (Route("a", steps=(Step(60),)), "names nobody"),
    (RoutingSettings(repeat_s=1), r"^routing\.repeat_s"),
    (Inhibition((), ("kind = capacity",)), "needs source and target"),
    (Inhibition(("kind = a",), ("kind = b",), ("plan",)), "not known of both"),
    (Silence("s", (), "ada", "why", utc("2026-11-22"), utc("2026-11-23")), "silence everything"),
    (
        Silence("s", ("tenant = a",), "", "why", utc("2026-11-22"), utc("2026-11-23")),
        "say who silences",
    ),
    (
        Silence("s", ("tenant = a",), "ada", " ", utc("2026-11-22"), utc("2026-11-23")),
        "say why",
    ),
    (
        Silence("s", ("tenant = a",), "ada", "why", utc("2026-11-23"), utc("2026-11-22")),
        "later end",
    ),
    (Maintenance("m", ("tenant = a",)), "needs starts_at"),
    (Maintenance("m", (), days=("mon",), at="22:00"), "mute everything"),
    (Maintenance("m", ("tenant = a",), days=("moon",), at="22:00"), "is no day"),
    (Maintenance("m", ("tenant = a",), days=("mon",), at="25:00"), "no time of day"),
    (Maintenance("m", ("tenant = a",), days=("mon",), at="22:00", minutes=0), "positive"),
    (Maintenance("m", ("tenant = a",), days=("mon",), at="1:00", zone="Moon/Sea"), "unknown"),
    (Maintenance("m", ("tenant = a",), days=("mon",), at="1:00", zone="../x"), "unknown"),
]


@pytest.mark.parametrize(("rule", "says"), WRONG)
def test_what_is_wrong_with_a_rule_is_said_with_its_remedy(rule, says):
    assert re.search(says, "; ".join(rule.problems()))


def test_a_good_rule_has_no_problems():
    good: list[Any] = [
        Route("pages", ("severity = page",), ("pager",), steps=(Step(600, ("boss",)),)),
        Inhibition(("kind = noisy_neighbour",), ("kind = capacity",)),
        NIGHT,
        RoutingSettings(),
    ]
    assert [problem for each in good for problem in each.problems()] == []
