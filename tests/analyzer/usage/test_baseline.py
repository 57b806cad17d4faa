"""Habits by hour of the week: learned once, never from harm, and no surge when they come again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from analyzer.detect import DetectSettings, detect
from analyzer.model import Finding
from analyzer.usage import baseline, questions
from analyzer.usage.windows import Windows
from collector.model import LATENCY_BOUNDS
from tests.analyzer.detect.worlds import CAST, COST, RATE
from tests.analyzer.ingest.door import _ask
from tests.analyzer.usage.test_rollup import AT, DAY, KEEP, Usage

HOUR = 3600
NINE = 9 * HOUR
WEEK = 7 * DAY
KNOWN = "how, tenant, exp(load), exp(felt), weeks, samples"


def rows(
    at: int, seconds: int, window: int, *, acme: float = 1.0, slower: float = 1.0
) -> list[dict[str, Any]]:
    """The cast at its usual rates; acme sends `acme` times as much, everyone is `slower`."""
    rng = np.random.default_rng(at)
    made = []
    for start in range(at, at + seconds, window):
        for tenant, rate, cost in zip(CAST, RATE, COST, strict=True):
            many = int(rng.poisson(rate * window * (acme if tenant == "acme" else 1.0)))
            bucket = int(np.searchsorted(LATENCY_BOUNDS, cost * 1.1 * slower))
            made.append(
                {"at": start, "tenant": tenant, "window_s": window, "resource": "db:main",
                 "count": many, "arrived": many, "busy_us": int(many * cost * 1e6),
                 "errors": 0, f"b{bucket:02d}": many}
            )  # fmt: skip
    return made


def refreshed(made: Usage, seconds: float) -> int:
    return baseline.refresh(made.store, until=AT + timedelta(seconds=seconds))


def learned(made: Usage) -> list[tuple[Any, ...]]:
    return _ask(made.store, f"SELECT {KNOWN} FROM baselines ORDER BY how, tenant")  # noqa: S608


@pytest.fixture
def made() -> Iterator[Usage]:
    fresh = Usage()
    yield fresh
    fresh.store.close()


def weeks_of(made: Usage, weeks: int, *, acme: float, slower: float) -> None:
    """Mondays at nine, `weeks` of them, learned."""
    for week in range(weeks):
        nine = week * WEEK + NINE
        made.put(*rows(nine, 900, 60, acme=acme, slower=slower))
        made.roll()
        refreshed(made, nine + HOUR + 600)


def monday(made: Usage, week: int, *, acme: float, slower: float) -> list[Finding]:
    """Calm for a while, then ten minutes of nine; what is found at 09:10."""
    nine = week * WEEK + NINE
    made.put(*rows(nine - 2400, 2400, 10))
    made.put(*rows(nine, 600, 10, acme=acme, slower=slower))
    made.roll()
    windows = Windows(made.store)
    for minutes in (-1, 10):
        windows.advance(AT + timedelta(seconds=nine + 60 * minutes))
    return [f for view in windows for f in detect(view, DetectSettings())]


def test_a_finished_hour_teaches_load_and_latency(made):
    made.put(*rows(NINE, HOUR + 120, 60))
    made.roll()
    assert refreshed(made, NINE + HOUR) == 0  # stragglers may still come
    assert refreshed(made, NINE + HOUR + 600) == 1
    known = {tenant: told for how, tenant, *told in learned(made) if how == 9}
    assert set(known) == set(CAST)
    load, felt, weeks, samples = known["acme"]
    assert load == pytest.approx(8 * 0.06, rel=0.05)
    assert felt == pytest.approx(0.066, rel=0.2)
    assert (weeks, samples) == (1, 60)


def test_an_hour_teaches_once_however_often_it_is_asked(made):
    made.put(*rows(NINE, HOUR, 60))
    made.roll()
    assert [refreshed(made, NINE + 2 * HOUR + k) for k in range(3)] == [1, 0, 0]
    before = learned(made)
    _ask(made.store, "DELETE FROM baselines_until")  # a mark lost must not count a week twice
    assert refreshed(made, NINE + 2 * HOUR) == 1
    assert learned(made) == before


def test_hours_without_data_are_passed_over_and_long_absences_taken_in_parts(made):
    made.put(*[row for hour in range(30) for row in rows(hour * HOUR, 60, 60)])
    made.put(*rows(5 * DAY, 180, 60))
    made.roll()
    assert [refreshed(made, 6 * DAY) for _ in range(3)] == [24, 7, 0]


def test_minutes_of_an_incident_teach_nothing(made):
    made.put(*rows(NINE, 1800, 60), *rows(NINE + 1800, 1800, 60, acme=6.0, slower=5.0))
    made.roll()
    incident(made, NINE + 1800, NINE + HOUR)
    refreshed(made, NINE + HOUR + 600)
    ((load, felt, samples),) = [(t[2], t[3], t[5]) for t in learned(made) if t[1] == "acme"]
    assert load == pytest.approx(8 * 0.06, rel=0.05)
    assert felt == pytest.approx(0.066, rel=0.2)
    assert samples == 30


def incident(made: Usage, begin: int, end: int) -> None:
    start, stop = (str((AT + timedelta(seconds=s)).replace(tzinfo=None)) for s in (begin, end))
    columns = "id, resource, kind, started_at, updated_at, detected_at, ended_at, withdrawn"
    values = ", ".join(f"'{v}'" for v in (start, stop, start, stop))
    told = f"'INC-1', 'db:main', 'noisy_neighbour', {values}, false"
    _ask(made.store, f"INSERT INTO incidents ({columns}) VALUES ({told})")  # noqa: S608


def test_one_odd_week_moves_a_habit_little(made):
    weeks_of(made, 4, acme=1.0, slower=1.0)
    made.put(*rows(4 * WEEK + NINE, HOUR, 60, acme=50.0))
    made.roll()
    refreshed(made, 4 * WEEK + NINE + HOUR + 600)
    (load,) = [t[2] for t in learned(made) if t[1] == "acme"]
    assert load < 1.3 * 8 * 0.06


def test_a_batch_that_comes_every_week_and_hurts_nobody_new_is_expected(made):
    weeks_of(made, 3, acme=5.0, slower=2.0)
    assert monday(made, 3, acme=5.0, slower=2.0) == []


def test_the_same_batch_without_a_habit_is_a_noisy_neighbour(made):
    (found,) = monday(made, 3, acme=5.0, slower=2.0)
    assert [b.tenant for b in found.aggressors] == ["acme"]


def test_a_habit_excuses_no_more_than_itself(made):
    weeks_of(made, 3, acme=2.0, slower=1.0)
    (found,) = monday(made, 3, acme=7.0, slower=4.0)
    assert [b.tenant for b in found.aggressors] == ["acme"]


def test_an_hourly_rhythm_that_doubles_at_nine_is_no_surge(made):
    weeks_of(made, 3, acme=2.0, slower=1.0)
    monday(made, 3, acme=2.0, slower=1.0)
    windows = Windows(made.store)
    windows.advance(AT + timedelta(seconds=3 * WEEK + NINE + 600))
    (view,) = windows
    assert view.normal is not None
    acme = view.tenants.index(CAST[0])
    assert view.normal.demand[acme] == pytest.approx(2 * 8 * 0.06, rel=0.2)
    globex = view.tenants.index(CAST[1])
    assert view.normal.demand[globex] == pytest.approx(10 * 0.05, rel=0.1)


@pytest.mark.parametrize(("weeks", "expected"), [(1, 0.48), (3, 0.48 * 2**0.75)])
def test_pages_expect_the_habit_from_the_second_week_on(made, weeks: int, expected: float):
    weeks_of(made, weeks, acme=2.0, slower=1.0)
    nine = weeks * WEEK + NINE
    made.put(*rows(nine - HOUR, 900, 60))
    made.roll(keep=KEEP)
    at = AT + timedelta(seconds=nine)
    assert questions.learn_expected(made.store, until=at)
    assert questions.learn_expected(made.store, until=at + timedelta(seconds=10))  # nine begins
    assert not questions.learn_expected(made.store, until=at + timedelta(seconds=20))
    told = dict(_ask(made.store, "SELECT tenant, busy FROM expected"))
    assert told["acme"] == pytest.approx(expected, rel=0.1)
    assert told["globex"] == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    ("moment", "how"),
    [(datetime(2026, 1, 5), 0), (datetime(2026, 1, 5, 9, 59), 9), (datetime(2026, 1, 11, 23), 167)],  # noqa: DTZ001
)
def test_the_week_begins_on_monday_at_midnight(moment: datetime, how: int):
    assert baseline.hour_of_week(moment) == how
