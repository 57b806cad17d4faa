"""A platform that sends both `partywall_finished_total` and the histogram is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from collector.model import Frame, MeterKind
from tests.analyzer.ingest.door import NOW, SPOOL, FakeDoor, samples, series, sums

PLAIN = series(0)
SPARE = replace(series(1), histogram="latency of acme")


def drained(store: Store, *commits: Sequence[Frame], restart: bool = False) -> int | None:
    door = FakeDoor()
    ingest = Ingest(store, door=door)
    for number, frames in enumerate(commits):
        door.put(number, frames)
        ingest = Ingest(store, door=door) if restart else ingest
        ingest.drain(SPOOL, now=NOW)
    total = sums(store)["count"]
    return None if total is None else int(total)


@pytest.mark.parametrize("restart", [False, True])
def test_both_of_one_scrape_count_once(store, restart) -> None:
    first: list[Frame] = [PLAIN, SPARE, samples((0, 0, 100), (1, 0, 100))]
    later = [[samples((0, at, 100 + at), (1, at, 100 + at))] for at in (15, 30)]
    assert drained(store, first, *later, restart=restart) == 30


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_both_in_segments_of_their_own_count_once(store, order, restart) -> None:
    declared: list[Frame] = [PLAIN, SPARE, samples((0, 0, 100), (1, 0, 100))]
    later = [[samples((sid, at, 100 + at))] for at in (15, 30) for sid in order]
    assert drained(store, declared, *later, restart=restart) == 30


def test_the_histogram_alone_counts(store) -> None:
    assert drained(store, [SPARE, samples((1, 0, 100))], [samples((1, 15, 104))]) == 4


def test_another_familys_or_tenants_histogram_counts(store) -> None:
    other = replace(series(2, "globex"), histogram="latency of globex")
    first: list[Frame] = [PLAIN, other, samples((0, 0, 100), (2, 0, 50))]
    assert drained(store, first, [samples((0, 15, 104), (2, 15, 57))]) == 11


@pytest.mark.parametrize("kind", [MeterKind.CUMULATIVE, MeterKind.DELTA])
def test_a_counter_that_appears_later_starts_where_it_stands(store, kind) -> None:
    """The histogram's count has said what happened before; after that it is silent."""
    plain = replace(PLAIN, kind=kind)
    watching: list[Frame] = [SPARE, samples((1, 0, 0), (1, 90, 90))]
    both: list[Frame] = [plain, samples((0, 105, 105), (1, 105, 105))]
    last = 15 if kind is MeterKind.DELTA else 120
    assert drained(store, watching, both, [samples((0, 120, last), (1, 120, 120))]) == 105


def test_a_counter_that_pauses_is_not_replaced(store) -> None:
    first: list[Frame] = [PLAIN, SPARE, samples((0, 0, 0), (1, 0, 0))]
    alone = [samples((1, 15, 15), (1, 600, 600))]
    assert drained(store, first, alone, [samples((0, 615, 615), (1, 615, 615))]) == 615
