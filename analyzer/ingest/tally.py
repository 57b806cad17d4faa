"""What a batch of samples adds: by compiled loops where they fit, else step by step.

Both ways take frames and leave usage rows behind, the series' memory moved on, and counts of what
was dropped. They agree to the last bit (tests hold them to it), in rows of whatever order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pyarrow as pa

from analyzer.ingest.book import WAITING, SeriesBook
from analyzer.ingest.counters import (
    GRAIN_MS,
    NEVER,
    Ints,
    Memory,
    Readings,
    increments,
    last_of_each,
    order,
)
from analyzer.ingest.memory import Generation
from analyzer.ingest.newborn import newborn, watch
from analyzer.ingest.once import counted_before
from analyzer.ingest.pivot import WIDTH, Sums, summed_rows, usage_rows
from collector.loops import compiled
from collector.model import Samples

COUNT = "analyzer.ingest.loops.count"

_SPARSE = 4
"""A batch of fewer samples than a fourth of all series is not worth arrays over all series."""

_DENSE = 8_000_000
"""Places in windows a batch may span for the loops: four bytes each."""


@dataclass(frozen=True, slots=True)
class Tally:
    """`changed` are the series that moved on; `watched` resources not seen before, and since when;
    the times are of the oldest and newest reading that counted, None without any.
    """

    rows: pa.Table
    changed: Ints
    watched: dict[str, int]
    oldest_ms: int | None = None
    newest_ms: int | None = None
    late: int = 0
    duplicates: int = 0
    invalid: int = 0
    unknown: int = 0
    resets: int = 0


def tally(frames: Sequence[Samples], book: SeriesBook, generation: Generation) -> Tally:
    """Count these frames, and remember where each series stands."""
    loops = compiled(COUNT)
    found = None
    if loops is not None and _SPARSE * sum(len(f.sids) for f in frames) >= len(book):
        found = _Pass(loops, frames, book, generation).run()
    return found or step_by_step(frames, book, generation)


def step_by_step(frames: Sequence[Samples], book: SeriesBook, generation: Generation) -> Tally:
    """The form in NumPy: any order, any span of time."""
    readings, unknown = readings_of(frames, generation)
    ordered = order(readings, book.memory, book.scale.array)
    kept = ordered.readings
    watched = watch(kept, book)
    _begin(generation, kept)
    first = kept.take(ordered.first(book.memory))
    counts = newborn(first, book, generation_ms=generation.first_ms or 0)
    silent = counted_before(kept, book)
    found = increments(ordered, book.memory, book.kind.array, counts, silent)
    changed, memory = last_of_each(ordered)
    book.remember(changed, memory)
    return Tally(
        usage_rows(found, book),
        changed,
        watched,
        int(kept.ts_ms.min()) if len(kept.ts_ms) else None,
        int(kept.ts_ms.max()) if len(kept.ts_ms) else None,
        late=ordered.late,
        duplicates=ordered.duplicates,
        invalid=ordered.invalid,
        unknown=unknown,
        resets=found.resets,
    )


def _begin(generation: Generation, readings: Readings) -> None:
    if generation.first_ms is None and len(readings.series):
        generation.first_ms = int(readings.ts_ms.min())


def readings_of(frames: Sequence[Samples], generation: Generation) -> tuple[Readings, int]:
    """All samples by series number, and how many had a sid nobody declared."""
    sids = _joined([frame.sids for frame in frames], np.int64)
    declared = generation.ix.array
    inside = sids < len(declared)
    number = np.full(len(sids), -1, dtype=np.int64)
    number[inside] = declared[sids[inside]]
    starts = [np.zeros(len(f.sids), np.int64) if f.start_ms is None else f.start_ms for f in frames]
    readings = Readings(
        number,
        _joined([frame.ts_ms for frame in frames], np.int64),
        _joined([frame.values for frame in frames], np.float64),
        _joined(starts, np.int64),
    )
    known = number >= 0
    unknown = len(number) - int(np.count_nonzero(known))
    return (readings.take(known) if unknown else readings), unknown


def _joined(arrays: Sequence[np.ndarray], dtype: type[np.generic]) -> np.ndarray:
    if not arrays:
        return np.zeros(0, dtype=dtype)
    return np.concatenate(arrays).astype(dtype, copy=False)


class _Pass:
    """One batch on its way through the loops."""

    def __init__(
        self,
        loops: ModuleType,
        frames: Sequence[Samples],
        book: SeriesBook,
        generation: Generation,
    ) -> None:
        self._loops = loops
        self._book = book
        self._generation = generation
        self._frames = [_plain(frame) for frame in frames if len(frame.sids)]
        self._counts = np.zeros(loops.COUNTS, np.int64)
        self._heads = np.full((len(book), 3), NEVER, np.int64)
        self._head_value = np.zeros(len(book))
        self._places = len(book.row_key.array)
        self._row_of = book.row_of(np.arange(len(book)))

    def run(self) -> Tally | None:
        """The tally, or None when this batch is not for the loops; then nothing has changed."""
        if not self._frames:
            return None
        low = min(int(ts_ms.min()) for _, ts_ms, _, _ in self._frames)
        high = max(int(ts_ms.max()) for _, ts_ms, _, _ in self._frames)
        first, last = (low - 1) // GRAIN_MS, (high - 1) // GRAIN_MS
        size = (last - first + 1) * self._places
        if not 0 < size <= _DENSE or not self._look(first, size):
            return None
        return self._add(first)

    def _look(self, first_window: int, size: int) -> bool:
        book = self._book
        self._rank = np.full(size, -1, np.int32)
        self._codes = np.empty(min(size, sum(len(f[0]) for f in self._frames)), np.int64)
        return all(
            self._loops.look(
                *frame, self._generation.ix.array, book.scale.array, book.last_ms.array,
                self._row_of, first_window, self._places, GRAIN_MS, self._heads, self._head_value,
                self._rank, self._codes, self._counts,
            )
            for frame in self._frames
        )  # fmt: skip

    def _add(self, first_window: int) -> Tally:
        book, loops = self._book, self._loops
        heads = self._first_readings()
        watched = watch(heads, book)
        _begin(self._generation, heads)
        flags = self._flags(heads)
        count = int(self._counts[loops.ROWS])
        sums = Sums(
            np.zeros((WIDTH, count), np.int64), np.zeros((WIDTH, count), np.bool_), np.zeros(count)
        )
        for frame in self._frames:
            loops.add(
                *frame, self._generation.ix.array, book.scale.array, book.last_ms.array,
                book.last.array, book.start_ms.array, book.kind.array, flags, book.slot.array,
                book.minus.array, self._row_of, first_window, self._places, GRAIN_MS, WAITING,
                self._rank, sums.amounts, sums.known, sums.waiting, self._counts,
            )  # fmt: skip
        changed, memory = heads.series, book.memory
        book.remember(changed, Memory(*(column[changed] for column in memory)))
        codes = self._codes[:count]
        rows = summed_rows(codes // self._places + first_window, codes % self._places, sums, book)
        late, duplicates, invalid, unknown, _, resets = self._counts.tolist()
        return Tally(
            rows,
            changed,
            watched,
            int(heads.ts_ms.min()) if len(changed) else None,
            int(self._heads[changed, loops.NEWEST].max()) if len(changed) else None,
            late=late,
            duplicates=duplicates,
            invalid=invalid,
            unknown=unknown,
            resets=resets,
        )

    def _first_readings(self) -> Readings:
        """The first reading in this batch of each series, by series."""
        series = np.flatnonzero(self._heads[:, self._loops.NEWEST] != NEVER)
        heads = self._heads[series]
        return Readings(series, heads[:, 0], self._head_value[series], heads[:, 1])

    def _flags(self, heads: Readings) -> np.ndarray:
        """Per series: what its first reading ever means, and whether it is counted elsewhere."""
        book, loops = self._book, self._loops
        flags = np.zeros(len(book), np.uint8)
        first = heads.take(book.last_ms.array[heads.series] == NEVER)
        full = newborn(first, book, generation_ms=self._generation.first_ms or 0)
        flags[first.series[full]] |= loops.FULL
        again = heads.series[counted_before(heads, book)]
        spare = book.spare.array[again]
        flags[again[spare]] |= loops.SILENT
        flags[again[~spare]] |= loops.SILENT_FIRST
        return flags


def _plain(frame: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Arrays as the loops take them: aligned, and starts of length 0 where there are none."""
    starts = np.zeros(0, np.int64) if frame.start_ms is None else frame.start_ms
    return (
        np.array(frame.sids, np.uint32),
        np.array(frame.ts_ms, np.int64),
        np.array(frame.values, np.float64),
        np.array(starts, np.int64),
    )
