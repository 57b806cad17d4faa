from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.cost.weeks import Week, parse_week, week_of
from collector.model import Rejected

ZONES = ("UTC", "Europe/Berlin", "America/Santiago", "Africa/Cairo", "Asia/Kolkata",
         "Pacific/Apia", "America/New_York", "Australia/Lord_Howe")  # fmt: skip
instants = st.datetimes(
    datetime.fromisoformat("2008-01-01"),
    datetime.fromisoformat("2036-01-01"),
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    ("week", "hours"),
    [("2026-W13", 167), ("2026-W43", 169), ("2026-W47", 168), ("2026-W53", 168)],
)
def test_a_week_in_berlin_has_the_hours_its_clocks_show(week, hours):
    assert parse_week(week, "Europe/Berlin").hours == hours


def test_the_last_week_of_a_long_year_is_followed_by_the_first():
    assert parse_week("2026-W53", "UTC").next() == Week(2027, 1, "UTC")
    assert Week(2027, 1, "UTC").previous().id == "2026-W53"


@given(instants, st.sampled_from(ZONES))
def test_every_instant_is_in_exactly_its_own_week(instant, zone):
    week = week_of(instant, zone)
    assert week.start <= instant < week.end
    assert week.next().start == week.end
    assert week.previous().end == week.start
    assert timedelta(days=6) <= week.end - week.start <= timedelta(days=8)


@given(instants, st.sampled_from(ZONES))
def test_the_name_of_a_week_finds_it_again(instant, zone):
    week = week_of(instant, zone)
    assert parse_week(week.id, zone) == week


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-W00",
        "2025-W53",
        "2026-W54",
        "2026-w47",
        "2026-W4",
        "9999-W52",
        "0000-W01",
        " 2026-W47",
        "2026-W47\n",
        "٢٠٢٦-W47",
        "'; DROP TABLE",
    ],
)
def test_what_is_not_a_week_is_refused_by_name(text):
    with pytest.raises(Rejected, match="week"):
        parse_week(text, "UTC")
