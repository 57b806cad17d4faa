"""Deltas that come late count once: where the time they speak of has not been counted yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.ingest import Drained, Ingest, gaps
from analyzer.store.database import Store
from collector.model import Column, MeterKind
from tests.analyzer.ingest.door import NOW, FakeDoor, samples, series, sums, windows

SPOOL = Path("spool")
Point = tuple[float, float, float]
"""From, to (seconds) and value."""


class Sent:
    """Batches of one delta series, each drained by itself."""

    def __init__(self, store: Store, **more: object) -> None:
        self.store = store
        self.door = FakeDoor()
        self.ingest = Ingest(store, door=self.door)
        self.declared = series(0, kind=MeterKind.DELTA, **more)  # type: ignore[arg-type]
        self.number = 0

    def batch(self, *points: Point) -> Drained:
        frame = samples(
            *((0, to, value) for _, to, value in points), starts_s=[p[0] for p in points]
        )
        self.door.put(self.number, [self.declared, frame] if not self.number else [frame])
        self.number += 1
        return self.ingest.drain(SPOOL, now=NOW)

    def restart(self) -> None:
        self.ingest = Ingest(self.store, door=self.door)


def test_a_late_delta_lies_in_the_gap_it_left_and_counts_in_its_own_window(store) -> None:
    sent = Sent(store)
    sent.batch((0, 10, 1), (10, 20, 2))
    sent.batch((30, 40, 4))
    drained = sent.batch((20, 30, 8))

    assert sums(store)["count"] == 15
    assert windows(store) == {0: 1, 10: 2, 20: 8, 30: 4}
    assert drained.late == 0


def test_it_counts_once_however_often_it_comes(store) -> None:
    sent = Sent(store)
    sent.batch((0, 10, 1))
    sent.batch((20, 30, 4))
    first = sent.batch((10, 20, 2), (10, 20, 2))
    again = sent.batch((10, 20, 2), (20, 30, 4), (0, 10, 1))

    assert sums(store)["count"] == 7
    assert first.late == 1
    assert again.late == 2  # (20, 30] is the newest: a repetition, not late
    assert again.duplicates == 1


def test_a_gap_is_filled_in_pieces(store) -> None:
    sent = Sent(store)
    sent.batch((0, 10, 1))
    sent.batch((40, 50, 16))
    for piece in ((20, 30, 4), (30, 40, 8), (10, 20, 2)):
        sent.batch(piece)
    sent.batch((20, 30, 4), (10, 20, 2), (30, 40, 8))

    assert sums(store)["count"] == 31


def test_gaps_outlive_the_process(store) -> None:
    sent = Sent(store)
    sent.batch((0, 10, 1))
    sent.batch((20, 30, 4))
    sent.restart()
    sent.batch((10, 20, 2))
    sent.restart()
    sent.batch((10, 20, 2))

    assert sums(store)["count"] == 7


@pytest.mark.parametrize(
    "late",
    [(0, 20, 2), (10, 21, 2), (5, 15, 2), (9, 20, 2)],
    ids=["over", "beyond", "before", "at"],
)
def test_a_point_that_overlaps_what_is_counted_is_dropped(store, late) -> None:
    sent = Sent(store)
    sent.batch((0, 10, 1))
    sent.batch((20, 30, 4))
    drained = sent.batch(late)

    assert (sums(store)["count"], drained.late) == (5, 1)


def test_points_without_a_start_are_late_as_ever(store) -> None:
    sent = Sent(store)
    sent.batch((0, 10, 1))
    sent.batch((20, 30, 4))
    sent.door.put(9, [samples((0, 20, 2.0))])
    assert sent.ingest.drain(SPOOL, now=NOW).late == 1
    assert sums(store)["count"] == 5


def test_seconds_are_counted_in_microseconds(store) -> None:
    sent = Sent(store, column=Column.BUSY)
    sent.batch((0, 10, 0.1))
    sent.batch((20, 30, 0.2))
    sent.batch((10, 20, 0.3))

    assert sums(store)["busy_us"] == 600_000


def test_gaps_are_bounded_in_time_and_number(store, monkeypatch) -> None:
    monkeypatch.setattr(gaps, "KEPT_MS", 100_000)
    monkeypatch.setattr(gaps, "MOST", 2)
    sent = Sent(store)
    sent.batch(*((20 * n, 20 * n + 10, 1.0) for n in range(4)))
    assert store._connection.execute("SELECT count(*) FROM delta_gaps").fetchall() == [(2,)]
    sent.batch((1000, 1010, 1.0))
    assert store._connection.execute("SELECT count(*) FROM delta_gaps").fetchall() == [(0,)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 100), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
    st.integers(1, 4),
)
def test_any_order_gives_the_same_total(values: Sequence[int], order, size: int) -> None:
    """But for the first point, which must be the first."""
    store = Store.open(None, threads=1)
    sent = Sent(store)
    points: list[Point] = [(10.0 * n, 10.0 * n + 10, float(v)) for n, v in enumerate(values)]
    sent.batch(points[0])
    rest = [*points[1:], *order.sample(points, min(3, len(points)))]
    order.shuffle(rest)
    while rest:
        sent.batch(*rest[:size])
        rest = rest[size:]
        if order.random() < 0.3:
            sent.restart()
    assert (sums(store)["count"] or 0) == sum(values)
    store.close()
