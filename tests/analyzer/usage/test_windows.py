"""The rings between the store and the detector."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyzer.detect import DetectSettings, detect, learn
from analyzer.detect.arrays import LOCKS, MEASURES
from analyzer.model import Kind
from analyzer.usage.quantiles import middles
from analyzer.usage.ring import Ring
from analyzer.usage.windows import (
    Windows,
    WindowSettings,
    bucket_middles,
    feed,
    parts,
)
from collector.model import LATENCY_BOUNDS, ResourceId, ResourceKind, TenantId
from tests.analyzer.detect.worlds import noisy
from tests.analyzer.incidents.test_flags import ACME, START, play
from tests.analyzer.usage.test_rollup import AT, Usage

START_GRAIN = int(START.timestamp()) // 10
DB = ResourceId("db:main")


def ring_of(grains: list[int], *, end: int, length: int = 60) -> Ring:
    """acme finishes as many operations as the grain's number, counted from the start."""
    ring = Ring(DB, ResourceKind.DATABASE, None, length)
    ring.advance(START_GRAIN + end)
    rows = np.full((len(MEASURES), len(grains)), np.nan)
    rows[1] = grains
    at = np.array(grains) + START_GRAIN
    ring.write([TenantId("acme")], np.zeros(len(grains), np.int64), at, rows)
    return ring


def counts(ring: Ring) -> list[float]:
    return [float(c) for c in ring.windows().count[0]]


def test_windows_are_shown_up_to_the_end_and_no_further():
    ring = Ring(DB, ResourceKind.DATABASE, None, 60)
    ring.advance(START_GRAIN + 5)
    ring.reserve(START_GRAIN + 10)
    rows = np.tile(np.arange(10.0), (len(MEASURES), 1))
    ring.write([TenantId("acme")], np.zeros(10, np.int64), START_GRAIN + np.arange(10), rows)
    assert counts(ring) == [0, 1, 2, 3, 4]
    ring.advance(START_GRAIN + 7)
    assert counts(ring) == [0, 1, 2, 3, 4, 5, 6]


def test_the_ring_forgets_what_is_older_than_its_length():
    ring = ring_of(list(range(30)), end=30, length=20)
    assert counts(ring) == list(range(10, 30))


def test_the_ring_survives_any_number_of_turns():
    ring = Ring(DB, ResourceKind.DATABASE, None, 20)
    for grain in range(400):
        ring.advance(START_GRAIN + grain + 1)
        row = np.full((len(MEASURES), 1), float(grain))
        ring.write([TenantId("acme")], np.zeros(1, np.int64), np.array([START_GRAIN + grain]), row)
    assert counts(ring) == list(range(380, 400))


def test_late_rows_replace_what_the_window_held():
    ring = ring_of([0, 1, 2, 3], end=4)
    ring.clear(START_GRAIN + 2)
    assert np.isnan(counts(ring)[2:]).all()
    row = np.full((len(MEASURES), 1), 9.0)
    ring.write([TenantId("acme")], np.zeros(1, np.int64), np.array([START_GRAIN + 2]), row)
    assert counts(ring)[2] == 9.0


def test_a_new_tenant_makes_room_for_itself():
    ring = ring_of([0, 1, 2], end=3)
    names = [TenantId(f"t{k}") for k in range(50)]
    rows = np.ones((len(MEASURES), 50))
    ring.write(names, np.arange(50), np.full(50, START_GRAIN + 2), rows)
    view = ring.windows()
    assert len(view.tenants) == 51
    assert view.count[:, 2].tolist() == [2.0] + [1.0] * 50


def test_poisoned_windows_do_not_train():
    ring = ring_of(list(range(10)), end=10)
    ring.poison(START_GRAIN + 3, START_GRAIN + 5)
    trains = ring.windows().trains
    assert trains is not None
    assert [k for k, t in enumerate(trains) if not t] == [3, 4]


@pytest.mark.parametrize(
    ("interval_s", "window_s"),
    [(10, 10), (15, 30), (20, 20), (30, 30), (60, 60)],
)
def test_the_detection_window_holds_whole_sample_intervals(interval_s: int, window_s: int):
    grains = sorted({t // 10 for t in range(0, 1800, interval_s)})
    ring = ring_of(grains, end=180, length=180)
    ring.choose_window()
    assert ring.window_s == window_s


def test_longer_windows_add_up_and_are_complete():
    ring = ring_of(list(range(20)), end=20)
    ring.window_s = 30
    view = ring.windows()
    assert view.window_s == 30.0
    assert all(int(t.astype("datetime64[s]").astype(int)) % 30 == 0 for t in view.ts)
    assert np.nansum(view.count) == sum(range(int(3 * view.ts.size)))


def read_latency(*rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    """(count, log latency) of each row the rings would read of rows of one window; requests come
    in buckets of 0.1 and 1 s."""
    made = Usage()
    run = made.store._connection.execute
    run("INSERT INTO latency_bounds VALUES (7, [0.1, 1.0])")
    made.put(*[{"at": 0, **row} for row in rows])
    run("UPDATE hot_10s SET bounds = 7 WHERE family = 'request'")
    bounds = {int(i): tuple(b) for i, b in made.store.rows("windows_bounds")}
    frame = made.store.frame(
        "recent_usage",
        since=AT.replace(tzinfo=None),
        until=(AT + timedelta(seconds=10)).replace(tzinfo=None),
        middles=bucket_middles(bounds),
    )
    made.store.close()
    return list(frame.select("count", "log_latency").iter_rows())


def test_buckets_become_the_log_of_their_middle():
    ((count, log),) = read_latency({"count": 7, "b10": 7})
    low, high = LATENCY_BOUNDS[9], LATENCY_BOUNDS[10]
    assert (count, log) == (7.0, pytest.approx(np.log(np.sqrt(low * high))))


def test_rows_of_other_bounds_are_merged_by_their_weight():
    ((count, log),) = read_latency(
        {"count": 3, "b10": 3}, {"count": 1, "b00": 1, "family": "request"}
    )
    expected = (3 * middles(LATENCY_BOUNDS)[10] + middles((0.1, 1.0))[0]) / 4
    assert (count, log) == (4.0, pytest.approx(expected))


def test_without_buckets_the_mean_has_to_do():
    assert read_latency({"count": 10, "latency_sum_us": 1_000_000}) == [
        (10.0, pytest.approx(np.log(0.1)))
    ]
    assert read_latency({"arrived": 1}) == [(None, None)], "who finished nothing felt nothing"


def test_incidents_poison_their_windows():
    windows = Windows(None, WindowSettings(), DetectSettings())
    windows.describe(DB, "database", 4.0)
    windows.show(START + timedelta(seconds=3600))
    (incident,), _ = play([[ACME]] * 5)
    assert incident.kind is Kind.NOISY_NEIGHBOUR
    windows.exclude([incident])
    (view,) = windows
    assert view.trains is not None
    starts = view.ts[~view.trains].astype("datetime64[s]").astype(object)
    assert [s.replace(tzinfo=UTC) for s in starts][:1] == [START]


def test_settings_name_every_problem_at_once():
    wrong = WindowSettings(length_s=60, late_s=-1, learn_every_s=1)
    assert len(wrong.problems()) == 3
    assert WindowSettings().problems() == []


def narrow(starts_s: list[int], window_s: int, count: float) -> pl.DataFrame:
    n = len(starts_s)
    measured = {m: pl.Series(m, [None] * n, pl.Float64) for m in MEASURES}
    measured["count"] = pl.Series("count", [count] * n)
    return pl.DataFrame(
        {
            "ts": [(START + timedelta(seconds=s)).replace(tzinfo=None) for s in starts_s],
            "window_s": pl.Series([window_s] * n, dtype=pl.Int32),
            "tenant": ["acme"] * n,
            "resource": [DB] * n,
            **measured,
        }
    )


def pour(ring: Ring, frame: pl.DataFrame) -> None:
    for part in parts(frame):
        feed(ring, part)


def test_a_row_of_a_minute_is_spread_over_its_windows():
    ring = Ring(DB, ResourceKind.DATABASE, None, 60)
    ring.advance(START_GRAIN + 12)
    pour(ring, narrow([0, 60], 60, 6.0))
    assert counts(ring) == [1.0] * 12


def test_lock_waits_get_room_when_the_first_are_sampled():
    ring = Ring(DB, ResourceKind.DATABASE, None, 60)
    ring.advance(START_GRAIN + 12)
    plain = narrow([0], 10, 6.0)
    pour(ring, plain.with_columns(pl.lit(None, pl.Float64).alias(name) for name in LOCKS))
    assert ring.windows().blocked_s is None
    pour(ring, narrow([60], 60, 6.0).with_columns(blocked_s=pl.lit(0.0), blocking_s=pl.lit(12.0)))
    view = ring.windows()
    assert view.blocking_s is not None
    assert np.isnan(view.blocking_s[0, :6]).all()
    assert [float(s) for s in view.blocking_s[0, 6:]] == [2.0] * 6


@pytest.mark.parametrize(("live_s", "window_s"), [(10, 10), (60, 60)])
def test_the_window_follows_what_is_live_and_not_what_history_was(live_s: int, window_s: int):
    ring = Ring(DB, ResourceKind.DATABASE, None, 120)
    ring.advance(START_GRAIN + 120)
    pour(ring, narrow(list(range(0, 600, 60)), 60, 6.0))
    pour(ring, narrow(list(range(600, 1200, live_s)), live_s, 1.0))
    ring.choose_window()
    assert ring.window_s == window_s


def test_rows_of_many_resources_part_as_if_each_came_alone():
    one = narrow([0, 10, 20], 10, 6.0)
    two = narrow([10], 60, 12.0).with_columns(resource=pl.lit("db:two"), tenant=pl.lit("globex"))
    mixed = pl.concat([one, two, one.with_columns(tenant=pl.lit("globex"), count=pl.lit(1.0))])
    first, second = parts(mixed)
    assert (first.resource, first.tenants) == (DB, ["acme", "globex"])
    assert first.who.tolist() == [0, 0, 0, 1, 1, 1]
    assert first.rows[MEASURES.index("count")].tolist() == [6.0] * 3 + [1.0] * 3
    assert (second.resource, second.tenants, second.widths.tolist()) == ("db:two", ["globex"], [60])
    assert second.grains.tolist() == [START_GRAIN + 1]


class Asked:
    """A store that notes from where usage is read."""

    epoch = 0

    def __init__(self) -> None:
        self.since: list[datetime] = []

    def frame(self, name: str, /, **params: datetime) -> pl.DataFrame:
        if name == "recent_usage":
            self.since.append(params["since"].replace(tzinfo=UTC))
        return pl.DataFrame()

    def rows(self, name: str, /, **params: object) -> list[tuple[object, ...]]:
        return [(None,)] if name == "oldest_recent" else []


@pytest.mark.parametrize(
    ("told", "read_from"),
    [
        ([], -60),  # nobody says: all that may be late
        ([None], 0),  # nothing came
        ([10], 0),  # only what is new
        ([-30, None], -30),  # a late row, and a cycle that failed before it was read
        ([-3600], -60),  # later than late
    ],
)
def test_only_what_was_written_is_read_again(told: list[int | None], read_from: int):
    asked = Asked()
    windows = Windows(asked, WindowSettings(late_s=60))  # type: ignore[arg-type]
    windows._turn = lambda store, until: None  # type: ignore[method-assign]
    windows.advance(START)
    for at in told:
        windows.wrote(None if at is None else START + timedelta(seconds=at))
    windows.advance(START + timedelta(seconds=10))
    assert asked.since[-1] == START + timedelta(seconds=read_from)


def test_plans_of_the_registry_come_with_the_windows():
    made = Usage()
    made.put({"at": 0, "tenant": "acme", "count": 1}, {"at": 0, "tenant": "globex", "count": 1})
    run = made.store._connection.execute
    run("INSERT INTO tenants (id, plan) VALUES ('acme', 'pro'), ('hooli', 'free')")
    windows = Windows(made.store, WindowSettings(learn_every_s=60))
    for seconds in (10, 20):
        windows.advance(AT + timedelta(seconds=seconds))
    (view,) = windows
    assert view.plans is not None
    assert dict(zip(view.tenants, view.plans, strict=True)) == {"acme": "pro", "globex": ""}
    run("INSERT INTO tenants (id, plan) VALUES ('globex', 'free')")
    windows.advance(AT + timedelta(seconds=90))
    (view,) = windows
    assert view.plans is not None
    assert dict(zip(view.tenants, view.plans, strict=True)) == {"acme": "pro", "globex": "free"}
    made.store.close()


def test_after_a_start_history_is_read_in_pieces_and_is_the_same(monkeypatch):
    made = Usage()
    long = [{"at": 60 * k, "window_s": 60, "tenant": "globex", "count": 60} for k in range(30)]
    made.put(*[{"at": 10 * k, "count": k} for k in range(180)], *long)
    until = AT + timedelta(seconds=1800)
    whole = Windows(made.store, WindowSettings(length_s=1800))
    whole.advance(until)
    asked: list[tuple[datetime, datetime]] = []
    frame = made.store.frame

    def noted(name: str, /, **params: datetime) -> pl.DataFrame:
        if name == "recent_usage":
            asked.append((params["since"], params["until"]))
        return frame(name, **params)

    monkeypatch.setattr(made.store, "frame", noted)
    monkeypatch.setattr("analyzer.usage.windows.SLICE", 20)
    pieces = Windows(made.store, WindowSettings(length_s=1800))
    pieces.advance(until)
    assert len(asked) > 10
    assert asked[0][1] <= (AT + timedelta(seconds=60)).replace(tzinfo=None)
    assert all(end == since for (_, end), (since, _) in pairwise(asked)), "no gap, no overlap"
    (one,), (other,) = whole, pieces
    who = [other.tenants.index(t) for t in one.tenants]
    assert np.array_equal(one.count, other.count[who], equal_nan=True)
    assert np.nansum(one.count[one.tenants.index(TenantId("globex"))]) == 30 * 60
    made.store.close()


def test_the_newest_windows_judge_as_all_of_them_do():
    scene = noisy()
    ring = Ring(scene.resource, scene.kind, scene.capacity, scene.ts.size)
    first = int(scene.ts[0].astype("datetime64[s]").astype(int)) // 10
    ring.advance(first + scene.ts.size)
    who = np.repeat(np.arange(len(scene.tenants)), scene.ts.size)
    grains = np.tile(first + np.arange(scene.ts.size), len(scene.tenants))
    told = np.stack([getattr(scene, name).ravel() for name in MEASURES])
    ring.write(list(scene.tenants), who, grains, told)
    settings = DetectSettings()
    ring.normal = learn(ring.windows(), settings)
    newest = ring.windows(settings.recent + settings.smooth)
    assert newest.ts.size == 62
    (some,), (every,) = detect(newest, settings), detect(ring.windows(), settings)
    assert some == every
    assert [a.tenant for a in some.aggressors] == ["acme"]
    (exact,) = detect(replace(scene, normal=None), settings)
    assert some.confidence == pytest.approx(exact.confidence, abs=0.01)


def test_server_time_seen_in_the_ring_counts_in_its_newest_windows():
    ring = ring_of(list(range(60)), end=60)
    rows = np.full((len(MEASURES), 1), 1.0)
    ring.write([TenantId("globex")], np.zeros(1, np.int64), np.array([START_GRAIN + 1]), rows)
    known = ring.windows(5).busy_known
    assert known is not None
    assert known.tolist() == [False, True]
    ring.advance(START_GRAIN + 62)
    known = ring.windows(5).busy_known
    assert known is not None
    assert known.tolist() == [False, False], "it is older than the ring"
