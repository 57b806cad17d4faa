"""What a reading adds, rule by rule."""

from __future__ import annotations

import pytest

from analyzer.ingest import Drained, Ingest
from collector.model import LATENCY_BOUNDS, Column, MeterKind, Series
from tests.analyzer.ingest.door import (
    NOW,
    SPOOL,
    STALE,
    FakeDoor,
    _ask,
    samples,
    series,
    sums,
    windows,
)


def drain(store, *segments) -> Drained:
    door = FakeDoor()
    for number, frames in enumerate(segments):
        door.put(number, frames)
    return Ingest(store, door=door).drain(SPOOL, now=NOW)


# Readings of one counter as (seconds, value); what they add per window; what was said of them.
COUNTERS = [
    ("the first reading is where counting starts", [(10, 7), (20, 9)], {10: 2}, {}),
    ("a reading on the edge belongs to the window before", [(0, 1), (10, 4)], {0: 3}, {}),
    ("a millisecond later it belongs to the next", [(0, 1), (10.001, 4)], {10: 3}, {}),
    ("nothing new adds nothing, and says so", [(0, 5), (10, 5)], {0: 0}, {}),
    ("a fall is a reset", [(0, 9), (10, 2), (20, 5)], {0: 2, 10: 3}, {"resets": 1}),
    ("the same instant twice counts once", [(0, 1), (10, 4), (10, 4)], {0: 3}, {"duplicates": 1}),
    ("order of arrival does not matter", [(20, 9), (0, 1), (10, 4)], {0: 3, 10: 5}, {}),
    ("a stale marker is no reading", [(0, 1), (10, STALE), (20, 4)], {10: 3}, {}),
    (
        "after a stale marker below is a reset",
        [(0, 5), (10, STALE), (20, 2)],
        {10: 2},
        {"resets": 1},
    ),
    ("a negative counter is dropped", [(0, 1), (10, -4), (20, 3)], {10: 2}, {"invalid": 1}),
    ("infinity is dropped", [(0, 1), (10, float("inf")), (20, 3)], {10: 2}, {"invalid": 1}),
    ("not a number is dropped", [(0, 1), (10, float("nan")), (20, 3)], {10: 2}, {"invalid": 1}),
    ("more than an integer holds is dropped", [(0, 1), (10, 1e19)], {}, {"invalid": 1}),
]


@pytest.mark.parametrize(
    ("readings", "added", "said"), [c[1:] for c in COUNTERS], ids=[c[0] for c in COUNTERS]
)
def test_a_counter(store, readings, added, said) -> None:
    drained = drain(store, [series(0), samples(*[(0, *r) for r in readings])])
    assert windows(store) == added
    for name in ("resets", "late", "duplicates", "invalid"):
        assert getattr(drained, name) == said.get(name, 0), name


def test_a_late_reading_is_counted_as_late_and_is_no_reset(store) -> None:
    first = [series(0), samples((0, 0, 10), (0, 30, 40))]
    drained = drain(store, first)
    door = FakeDoor()
    door.put(9, [samples((0, 15, 20), (0, 30, 40), (0, 40, 41))])
    again = Ingest(store, door=door).drain(SPOOL, now=NOW)
    assert (drained.late, again.late, again.duplicates, again.resets) == (0, 1, 1, 0)
    assert windows(store) == {20: 30, 30: 1}


def test_seconds_never_drift(store) -> None:
    """A tenth of a second a thousand times is 100 s to the microsecond."""
    readings = [(0, k, 1e6 + k * 0.1) for k in range(1001)]
    drain(store, [series(0, column=Column.BUSY), samples(*readings)])
    assert sums(store)["busy_us"] == 100_000_000


def test_a_declared_start_after_the_last_reading_is_a_reset_even_when_the_value_grew(store) -> None:
    frames = [series(0), samples((0, 0, 5), (0, 10, 8), (0, 30, 20), starts_s=[-900, -900, 12])]
    assert drain(store, frames).resets == 1
    assert windows(store) == {0: 3, 20: 20}


def test_a_start_that_jitters_is_no_reset(store) -> None:
    frames = [
        series(0),
        samples((0, 0, 5), (0, 10, 8), (0, 20, 9), starts_s=[-900, -899.9, -899.8]),
    ]
    assert drain(store, frames).resets == 0
    assert windows(store) == {0: 3, 10: 1}


def test_deltas_add_up_as_they_come(store) -> None:
    declared = series(0, kind=MeterKind.DELTA)
    drain(store, [declared, samples((0, 5, 3), (0, 8, 4), (0, 15, 2))])
    assert windows(store) == {0: 7, 10: 2}


def test_a_gauge_speaks_once_a_window_and_gauges_of_a_tenant_add_up(store) -> None:
    declared = [series(sid, column=Column.WAITING, kind=MeterKind.GAUGE) for sid in (0, 1)]
    first = [*declared, samples((0, 1, 5), (0, 6, 50), (1, 2, 2), (0, 11, 3))]
    drain(store, first)
    assert windows(store, "waiting") == {0: 7, 10: 3}
    door = FakeDoor()
    door.put(8, [samples((0, 14, 99), (1, 15, 1))])
    Ingest(store, door=door).drain(SPOOL, now=NOW)
    assert windows(store, "waiting") == {0: 7, 10: 4}


def test_absent_columns_are_unknown_not_zero(store) -> None:
    drain(store, [series(0), samples((0, 0, 1), (0, 10, 2))])
    totals = sums(store)
    assert (totals["count"], totals["errors"], totals["b00"]) == (1, None, None)


BOUNDS = (0.1, 0.5, float("inf"))


def histogram(sid: int = 0) -> list[Series]:
    return [
        series(sid + k, column=Column.LATENCY_BUCKET, bound=bound) for k, bound in enumerate(BOUNDS)
    ]


def test_cumulative_buckets_become_disjoint_counts_under_their_own_bounds(store) -> None:
    readings = [(0, 0, 5), (1, 0, 6), (2, 0, 6), (0, 10, 8), (1, 10, 13), (2, 10, 15)]
    drain(store, [*histogram(), samples(*readings)])
    assert _ask(store, "SELECT b00, b01, b02, b03 FROM usage_10s") == [(3, 4, 2, 0)]
    bounds = _ask(
        store, "SELECT b.bounds FROM usage_10s u JOIN latency_bounds b ON u.bounds = b.id"
    )
    assert bounds == [([0.1, 0.5],)]


def test_buckets_of_one_scrape_may_arrive_in_several_segments(store) -> None:
    start = [*histogram(), samples((0, 0, 5), (1, 0, 6), (2, 0, 6))]
    drain(store, start)
    door = FakeDoor()
    ingest = Ingest(store, door=door)
    for number, reading in enumerate([(2, 10, 15), (0, 10, 8), (1, 10, 13)], start=5):
        door.put(number, [samples(reading)])
        ingest.drain(SPOOL, now=NOW)
    totals = sums(store)
    assert [totals[f"b0{k}"] for k in range(4)] == [3, 4, 2, 0]


def test_a_histogram_of_too_many_buckets_folds_into_the_default_grid(store) -> None:
    bounds = [0.01 * k for k in range(1, 60)] + [float("inf")]
    declared = [series(k, column=Column.LATENCY_BUCKET, bound=b) for k, b in enumerate(bounds)]
    upto = [(k, 10, float(k + 1)) for k in range(len(bounds))]
    drain(store, [*declared, samples(*[(k, 0, 0) for k in range(len(bounds))], *upto)])
    columns = ", ".join(f"b{k:02d}" for k in range(32))
    row = _ask(store, f"SELECT {columns} FROM usage_10s")[0]  # noqa: S608
    assert sum(row) == 60
    upto_half = sum(
        count for count, bound in zip(row, LATENCY_BOUNDS, strict=False) if bound <= 0.5
    )
    assert upto_half == 50
    assert _ask(store, "SELECT DISTINCT bounds FROM usage_10s") == [(0,)]


def test_a_sid_nobody_declared_is_dropped_and_the_rest_counts(store) -> None:
    drained = drain(
        store, [series(0), samples((0, 0, 1), (77, 0, 1), (0, 10, 3), (4_000_000, 0, 1))]
    )
    assert drained.unknown == 2
    assert windows(store) == {0: 2}
