"""The compiled pass over readings leaves behind what the step-by-step form does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.ingest.book import SeriesBook
from analyzer.ingest.bounds import BoundsBook
from analyzer.ingest.memory import Generation
from analyzer.ingest.tally import COUNT, Tally, _Pass, step_by_step
from collector import loops
from collector.model import Column, MeterKind, Samples, Series
from tests.analyzer.ingest.door import STALE, START_MS, samples, series


@pytest.fixture(scope="module")
def compiled() -> Iterator[ModuleType]:
    """The loops, in these tests only."""
    assert loops.load(COUNT)
    found = loops.compiled(COUNT)
    assert found is not None
    yield found
    loops._loaded.clear()


BUCKETS = [0.1, 0.5, float("inf")]
CAST: list[Series] = [
    series(0, column=Column.COUNT),
    series(1, column=Column.BUSY),
    series(2, column=Column.WAITING, kind=MeterKind.GAUGE),
    series(3, column=Column.ERRORS, kind=MeterKind.DELTA),
    *(series(4 + k, column=Column.LATENCY_BUCKET, bound=b) for k, b in enumerate(BUCKETS)),
    series(7, "globex", column=Column.COUNT),
    series(8, "globex", column=Column.WAITING, kind=MeterKind.GAUGE, resource="db:shard-2"),
]
SPARE = Series(
    9, f"{9 + 0xABC000:016x}", CAST[0].tenant, CAST[0].resource, CAST[0].family, Column.COUNT,
    MeterKind.CUMULATIVE, None, "latency acme",
)  # fmt: skip


class Side:
    """A book of its own for one of the two forms."""

    def __init__(self) -> None:
        self.book = SeriesBook(BoundsBook({}))
        self.generation = Generation()

    def declare(self, cast: list[Series]) -> None:
        self.generation.put([one.sid for one in cast], [self.book.declare(one) for one in cast])
        self.book.settle()

    def state(self) -> list[object]:
        book = self.book
        arrays = (*book.memory, book.counted.array, book.spared.array, book.since_ms.array)
        return [self.generation.first_ms, *(array.tolist() for array in arrays)]


def told(tally: Tally) -> dict[str, object]:
    said = {f.name: getattr(tally, f.name) for f in fields(tally)}
    rows = tally.rows.to_pylist()
    said["rows"] = sorted(rows, key=repr)
    said["changed"] = tally.changed.tolist()
    return said


def agree(compiled: ModuleType, batches: list[tuple[list[Series], list[Samples]]]) -> int:
    """Both forms over these batches; returns how many the loops took."""
    fast, plain = Side(), Side()
    taken = 0
    for cast, frames in batches:
        fast.declare(cast)
        plain.declare(cast)
        found = _Pass(compiled, frames, fast.book, fast.generation).run()
        taken += found is not None
        by_loops = found or step_by_step(frames, fast.book, fast.generation)
        assert told(by_loops) == told(step_by_step(frames, plain.book, plain.generation))
        assert fast.state() == plain.state()
    return taken


VALUES = [0.0, 0.25, 1.0, 2.5, 7.0, 1e6, 9.1e18, -1.0, float("nan"), float("inf"), STALE]


def frame(rng: random.Random, clock: float, *, orderly: bool) -> Samples:
    """Readings of anybody, most of them sound; `orderly` ones never step back in time."""
    readings, starts = [], []
    for _ in range(rng.randint(1, 25)):
        clock += rng.choice([0, 0, 0.5, 4, 11]) if orderly else rng.uniform(-30, 40)
        value = rng.choice(VALUES) if rng.random() < 0.3 else float(rng.randint(0, 50))
        readings.append((rng.choice([*range(10), 10, 4_000_000]), clock, value))
        starts.append(rng.choice([-900.0, clock, clock - 5, clock - 300]))
    return samples(*readings, starts_s=starts if rng.random() < 0.5 else None)


@settings(max_examples=60, deadline=None)
@given(rng=st.randoms(use_true_random=False), orderly=st.booleans())
def test_any_batches(compiled: ModuleType, rng: random.Random, orderly: bool) -> None:
    batches: list[tuple[list[Series], list[Samples]]] = []
    cast = [*CAST, SPARE]
    rng.shuffle(cast)
    for number in range(rng.randint(1, 5)):
        clock = 70.0 * number
        some = [frame(rng, clock, orderly=orderly) for _ in range(rng.randint(0, 3))]
        batches.append((cast[number * 4 : number * 4 + 4] if number < 2 else cast, some))
    agree(compiled, batches)


def test_an_orderly_batch_is_taken_by_the_loops(compiled: ModuleType) -> None:
    steps = [
        samples(*[(s, 10.0 * k, 3.0 * k + s) for s in range(9)], starts_s=[-900.0] * 9)
        for k in range(20)
    ]
    assert agree(compiled, [(CAST, steps[:1]), ([], steps[1:9]), ([], steps[9:])]) == 3


def test_what_is_out_of_order_or_far_apart_is_left_to_the_other_form(
    compiled: ModuleType,
) -> None:
    start = (CAST, [samples((0, 0, 1.0), (7, 0, 1.0))])
    backwards: tuple[list[Series], list[Samples]] = ([], [samples((0, 20, 9.0), (0, 10, 4.0))])
    far: tuple[list[Series], list[Samples]] = ([], [samples((0, 30, 10.0), (7, 1e9, 10.0))])
    assert agree(compiled, [start, backwards, far]) == 1


def test_the_largest_and_oddest_numbers(compiled: ModuleType) -> None:
    one = Samples(
        np.array([0, 1, 2, 0, 1], np.uint32),
        np.full(5, START_MS) + np.array([0, 0, 0, 10_000, 10_000]),
        np.array([8.9e18, 8.9e12, 0.5, 8.99e18, 8.99e12]),
        None,
    )
    assert agree(compiled, [(CAST, [one])]) == 1
