"""A leak of load over three weeks, from stored days to an incident and its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from analyzer.api.evidence import Clock
from analyzer.decisions.decide import DecisionPolicy
from analyzer.detect.days import ResourceDays, SlowSettings
from analyzer.incidents.explain import explain
from analyzer.journal import records
from analyzer.journal.judgement import Bench, Judge
from analyzer.journal.slow import Terms, judge_days
from analyzer.model import PATH_DAYS, Action, IncidentState
from analyzer.notify.event import Links
from analyzer.store.database import Store
from analyzer.usage.days import daily
from analyzer.usage.windows import Windows
from collector.model import BUCKETS, LATENCY_BOUNDS
from tests.analyzer.detect.test_slow import DAYS, world

BEGIN = datetime(2026, 10, 5)  # noqa: DTZ001 - as the store keeps it
TERMS = Terms(SlowSettings(), DecisionPolicy(), Links())


def put(store: Store, days: ResourceDays, begin: datetime = BEGIN) -> None:
    """The arrays as rolled-up days, and hours of which one is the busiest."""
    tenants, width = days.demand.shape
    place = np.searchsorted(LATENCY_BOUNDS, np.exp(days.felt)).ravel()
    buckets = np.zeros((tenants * width, BUCKETS), np.int64)
    buckets[np.arange(place.size), place] = days.operations.ravel().astype(np.int64)
    rows = pl.DataFrame({
        "ts": [begin + timedelta(days=k) for _ in range(tenants) for k in range(width)],
        "window_s": 86_400,
        "tenant": [name for name in days.tenants for _ in range(width)],
        "resource": days.resource,
        "family": "query",
        "count": days.operations.ravel().astype(np.int64),
        "busy_us": (days.demand.ravel() * 86_400e6).astype(np.int64),
    }).with_columns(
        *[pl.Series(f"b{k:02d}", buckets[:, k]) for k in range(BUCKETS)]
    )  # fmt: skip
    hours = pl.concat(
        rows.with_columns(
            pl.col("ts") + pl.duration(hours=hour),
            pl.lit(3600).alias("window_s"),
            (pl.col("busy_us") * part / 24).cast(pl.Int64).alias("busy_us"),
            (pl.col("count") / 24).cast(pl.Int64).alias("count"),
        )
        for hour, part in [(11, 1.5), *((h, 22.5 / 23) for h in range(24) if h != 11)]
    )
    run = store._connection
    for table, frame in (("usage_1d", rows), ("hot_1h", hours)):
        run.register("made", frame.to_arrow())
        run.execute(f"INSERT INTO {table} BY NAME SELECT * FROM made")  # noqa: S608
        run.unregister("made")
    run.execute("INSERT INTO resources (id, kind, capacity) VALUES (?, 'database', ?)",
                [days.resource, days.capacity])  # fmt: skip


def finished(store: Store, day: int) -> datetime:
    """Days up to `day` are over. Returns a moment of the next."""
    now = BEGIN.replace(tzinfo=UTC) + timedelta(days=day, hours=2)
    store._connection.execute("DELETE FROM watermark")
    store._connection.execute("INSERT INTO watermark VALUES (?)", [now.replace(tzinfo=None)])
    return now


@pytest.fixture
def store() -> Iterator[Store]:
    found = Store.open(None)
    yield found
    found.close()


def events(store: Store) -> list[str]:
    rows = store._connection.execute(
        "SELECT type FROM events WHERE type LIKE 'incident.%' ORDER BY seq"
    ).fetchall()
    return [kind for (kind,) in rows]


def test_stored_days_come_back_as_arrays(store):
    made = world(seed=2, leak=0.05)
    put(store, made)
    (read,) = daily(store, until=BEGIN + timedelta(days=DAYS), days=DAYS)
    order = np.argsort(made.tenants)
    assert read.tenants == tuple(made.tenants[i] for i in order)
    assert np.allclose(read.demand, made.demand[order], rtol=1e-4)
    assert np.abs(read.felt - made.felt[order]).max() < 0.35  # a bucket is a factor of sqrt(2)
    assert np.allclose(read.peak, 1.5, rtol=1e-3)
    assert (read.capacity, read.days[0], read.days.size) == (4.0, np.datetime64("2026-10-05"), DAYS)


def test_a_leak_is_told_once_a_day_and_ends_when_it_is_gone(store):
    whole = world(seed=1, leak=0.05, days=DAYS + 14)
    calm = replace(whole, demand=whole.demand.copy(), felt=whole.felt.copy())
    calm.demand[0, DAYS:] = calm.demand[0, :14]
    calm.felt[:, DAYS:] = calm.felt[:, :14]
    put(store, calm)
    (opened,) = judge_days(store, TERMS, now=finished(store, DAYS))
    assert opened.incident.path == PATH_DAYS
    assert [blame.tenant for blame in opened.incident.finding.aggressors] == ["t0"]
    assert judge_days(store, TERMS, now=finished(store, DAYS)) == []
    (proposed,) = records.decisions(store)
    assert (proposed.action, proposed.tenant) == (Action.THROTTLE, "t0")
    for day in range(DAYS + 1, DAYS + 15):
        judge_days(store, TERMS, now=finished(store, day))
    (known,) = records.incidents(store)
    assert known.state is IncidentState.RESOLVED
    assert events(store)[0] == "incident.opened"
    assert events(store)[-1] == "incident.resolved"
    assert set(events(store)[1:-1]) <= {"incident.updated"}


def test_the_cycle_of_windows_leaves_it_alone_and_its_limit_standing(store):
    put(store, world(seed=1, leak=0.05))
    now = finished(store, DAYS)
    judge_days(store, TERMS, now=now)
    judge = Judge(store, Windows(store), Bench())
    for step in range(1, 12):
        list(judge.judge(now + timedelta(seconds=10 * step), now=now + timedelta(minutes=2 * step)))
    (known,) = records.incidents(store)
    assert known.state is IncidentState.FIRING
    (throttle,) = records.decisions(store)
    assert throttle.expires_at > now + timedelta(minutes=22)


def test_it_is_explained_and_drawn_over_weeks(store):
    put(store, world(seed=1, leak=0.05))
    now = finished(store, DAYS)
    (opened,) = judge_days(store, TERMS, now=now)
    words = explain(opened.incident)
    assert any("it grew" in check.detail for check in opened.incident.finding.aggressors[0].checks)
    assert any("seen in 21 days, not in windows" in sentence for sentence in words)
    clock = Clock.around(opened.incident, now=now)
    assert (clock.step_s, clock.since < opened.incident.started_at - timedelta(days=6)) == (
        3600, True,
    )  # fmt: skip


def test_what_is_calm_or_switched_off_says_nothing_and_a_resource_nobody_uses_ends(store):
    put(store, world(seed=1))
    assert judge_days(store, TERMS, now=finished(store, DAYS)) == []
    off = replace(TERMS, slow=SlowSettings(enabled=False))
    assert judge_days(store, off, now=finished(store, DAYS + 1)) == []
    gone = Store.open(None)
    put(gone, world(seed=1, leak=0.05))
    judge_days(gone, TERMS, now=finished(gone, DAYS))
    (over,) = judge_days(gone, TERMS, now=finished(gone, DAYS + 3))
    assert over.incident.state is IncidentState.RESOLVED
    gone.close()


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (SlowSettings(days=10), "slow.days"),
        (SlowSettings(harm=1.0), "slow.harm"),
        (SlowSettings(relief=2.0), "slow.relief"),
        (SlowSettings(sure=-1.0), "slow.sure"),
    ],
)
def test_what_cannot_work_is_told_by_key(settings, key):
    assert [problem.split(":")[0] for problem in settings.problems()] == [key]
