"""Exactly once, whatever is killed when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.ingest import Ingest, IngestSettings
from analyzer.store.reader import Transaction
from collector.model import Column, Frame
from tests.analyzer.ingest.door import NOW, SPOOL, FakeDoor, _ask, samples, series, sums, windows

FIRST: list[Frame] = [series(0), series(1, "globex"), samples((0, 0, 10), (1, 0, 5))]
SECOND: list[Frame] = [samples((0, 15, 14), (1, 15, 6))]
THIRD: list[Frame] = [samples((0, 30, 20), (1, 30, 6))]


def test_a_crash_between_commit_and_discard_counts_once(store) -> None:
    door = FakeDoor()
    door.put(1, FIRST)
    door.put(2, SECOND)
    door.keep = True
    Ingest(store, door=door).drain(SPOOL, now=NOW)
    door.keep = False
    again = Ingest(store, door=door).drain(SPOOL, now=NOW)
    assert (again.segments, again.rows, door.segments) == (0, 0, {})
    assert windows(store) == {10: 5}


def test_a_restart_shows_neither_a_reset_nor_a_double(store) -> None:
    door = FakeDoor()
    resets = 0
    for number, frames in enumerate([FIRST, SECOND, THIRD]):
        door.put(number, frames)
        resets += Ingest(store, door=door).drain(SPOOL, now=NOW).resets
    assert (resets, windows(store)) == (0, {10: 5, 20: 6})


def test_a_new_generation_goes_on_with_other_sids(store) -> None:
    door = FakeDoor()
    ingest = Ingest(store, door=door)
    door.put(1, FIRST)
    ingest.drain(SPOOL, now=NOW)
    declared = [series(5, identity=0), series(3, "globex", identity=1)]
    door.put(1, [*declared, samples((5, 15, 14), (3, 15, 6))], generation="g2")
    assert ingest.drain(SPOOL, now=NOW).resets == 0
    assert windows(store) == {10: 5}


def test_generations_long_drained_are_not_held_in_memory(store) -> None:
    door = FakeDoor()
    ingest = Ingest(store, door=door)
    for number in range(10, 20):
        door.put(1, [series(0), samples((0, 15 * number, number))], generation=f"g{number}")
        ingest.drain(SPOOL, now=NOW)
    assert sums(store)["count"] == 9
    assert ingest._memory is not None
    assert sorted(ingest._memory.generations) == ["g16", "g17", "g18", "g19"]


@pytest.mark.parametrize(
    "statement",
    ["add_usage", "add_counter_states", "add_series", "add_segments", "observe_tenants"],
)
def test_a_failure_in_the_middle_leaves_nothing_and_the_next_drain_everything(
    store, monkeypatch, statement
) -> None:
    door = FakeDoor()
    door.put(1, FIRST)
    door.put(2, SECOND)
    ingest = Ingest(store, IngestSettings(segments_per_commit=2), door=door)
    load = Transaction.load

    def failing(self, name, batch, /, **params):
        if name == statement:
            raise OSError("no space left on device")
        return load(self, name, batch, **params)

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "load", failing)
        with pytest.raises(OSError, match="no space"):
            ingest.drain(SPOOL, now=NOW)
    assert (sums(store)["rows"], len(door.segments)) == (0, 2)
    assert ingest.drain(SPOOL, now=NOW).segments == 2
    assert windows(store) == {10: 5}


def test_one_segment_that_cannot_be_read_does_not_sink_the_others(store, caplog) -> None:
    door = FakeDoor()

    def broken(path: Path) -> Iterator[Frame]:
        yield from FIRST
        raise ValueError("no such column: latency_squared")

    read = door.read_segment
    door.put(1, FIRST)
    door.put(2, SECOND)
    door.read_segment = lambda path: broken(path) if path.stem.endswith("1") else read(path)  # type: ignore[method-assign]
    drained = Ingest(store, door=door).drain(SPOOL, now=NOW)
    assert (drained.damaged, drained.segments) == (1, 2)
    assert "latency_squared" in caplog.text
    assert windows(store) == {10: 5}


def test_counter_states_are_folded_and_still_true(store, monkeypatch) -> None:
    monkeypatch.setattr("analyzer.ingest.memory._FOLD_AT", 0)
    door = FakeDoor()
    ingest = Ingest(store, door=door)
    door.put(0, FIRST)
    for number in range(1, 12):
        door.put(number, [samples((0, 15 * number, 10 + number), (1, 15 * number, 5))])
        ingest.drain(SPOOL, now=NOW)
    assert _ask(store, "SELECT count(*) FROM counter_states")[0][0] <= 12
    door.put(12, [samples((0, 450, 50))])
    Ingest(store, door=door).drain(SPOOL, now=NOW)
    assert sums(store)["count"] == 40


def test_a_series_that_now_feeds_another_column_goes_on(store) -> None:
    door = FakeDoor()
    ingest = Ingest(store, door=door)
    door.put(1, FIRST)
    ingest.drain(SPOOL, now=NOW)
    moved = series(0, column=Column.ERRORS)
    door.put(1, [moved, samples((0, 15, 14))], generation="g2")
    ingest.drain(SPOOL, now=NOW)
    totals = sums(store)
    assert (totals["count"], totals["errors"]) == (None, 4)


def test_who_is_seen_is_registered_once(store) -> None:
    door = FakeDoor()
    for number, frames in enumerate([FIRST, SECOND]):
        door.put(number, frames)
        Ingest(store, door=door).drain(SPOOL, now=NOW)
    assert _ask(store, "SELECT id FROM tenants ORDER BY id") == [("acme",), ("globex",)]
    assert _ask(store, "SELECT id, kind FROM resources") == [("db:shard-1", "database")]
    assert _ask(store, "SELECT count(*) FROM placements WHERE to_ts IS NULL") == [(2,)]
