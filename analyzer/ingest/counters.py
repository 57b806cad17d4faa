"""Cumulative readings to increments, for all series at once. Pure: arrays in, arrays out.

Rules, all of them needed so that the sum of increments is what the platform did:

1. Readings of a series count in the order of their timestamps, however they arrived. One at or
   before the last known reading is dropped: the same instant again is a duplicate, an earlier one
   is late (a later reading already contains it). Neither can look like a reset.
2. The increment of a counter is reading minus the reading before, in integers: seconds are first
   rounded to microseconds, so that errors do not add up over time.
3. A reading below the one before is a reset: the counter began again at 0 and all of it counts.
   So is one whose counter is declared to have started at or after the reading before. A start that
   merely moves is not (some exporters let it jitter, and each sample would be a reset).
4. A stale marker says that the source went away. The counter rests: if the series returns at or
   above its last reading it continues there, below it is a reset. VictoriaMetrics does the same.
5. The first reading of a series never seen before counts in full only where `newborn` says so;
   otherwise it is where counting starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.model import GRAIN_S

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NEVER = -(1 << 62)
"""`last_ms` of a series that was never read."""

GRAIN_MS = GRAIN_S * 1000
CUMULATIVE, DELTA, GAUGE = 0, 1, 2
_STALE = np.uint64(0x7FF0000000000002)
_LARGEST = 9.0e18  # what an int64 holds, with room for rounding


class Readings(NamedTuple):
    """Parallel arrays, one entry a reading: series number, time, raw value, start (0 unknown)."""

    series: Ints
    ts_ms: Ints
    values: Floats
    start_ms: Ints

    def take(self, index: Ints | Mask) -> Readings:
        series, ts_ms, values, start_ms = self
        return Readings(series[index], ts_ms[index], values[index], start_ms[index])


class Memory(NamedTuple):
    """Per series: the last reading's time (`NEVER`), value (scaled integer) and start."""

    last_ms: Ints
    last: Ints
    start_ms: Ints


@dataclass(frozen=True, slots=True)
class Ordered:
    """Readings worth counting, by series and time. `integers` are the scaled values."""

    readings: Readings
    integers: Ints
    head: Mask  # the first of its series in this batch
    late: int
    duplicates: int
    invalid: int

    @property
    def heads(self) -> Ints:
        return np.flatnonzero(self.head)

    def first(self, memory: Memory) -> Ints:
        """Positions of the readings that are the first ever of their series."""
        heads = self.heads
        first: Ints = heads[memory.last_ms[self.readings.series[heads]] == NEVER]
        return first


@dataclass(frozen=True, slots=True)
class Increments:
    """What to add: `window` counts grains since 1970; `values` are for gauges only."""

    series: Ints
    window: Ints
    amounts: Ints
    values: Floats
    resets: int


def order(readings: Readings, memory: Memory, scale: Floats) -> Ordered:
    """Sort, and drop what must not count. `scale` is per series (1e6 for seconds, else 1)."""
    arrived = len(readings.series)
    stale = readings.values.view(np.uint64) == _STALE
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = readings.values * scale[readings.series]
        sound = (scaled >= 0) & (scaled < _LARGEST)
    invalid = arrived - int(np.count_nonzero(sound | stale))
    last_ms = memory.last_ms[readings.series]
    late = sound & (readings.ts_ms < last_ms)
    fresh = np.flatnonzero(sound & (readings.ts_ms > last_ms))
    fresh = fresh[_by_series_and_time(readings.series[fresh], readings.ts_ms[fresh])]
    kept = readings.take(fresh)
    again = np.zeros(len(fresh), dtype=bool)
    again[1:] = (kept.series[1:] == kept.series[:-1]) & (kept.ts_ms[1:] == kept.ts_ms[:-1])
    if again.any():
        fresh, kept = fresh[~again], kept.take(~again)
    head = np.ones(len(fresh), dtype=bool)
    head[1:] = kept.series[1:] != kept.series[:-1]
    lates = int(np.count_nonzero(late))
    return Ordered(
        kept,
        np.rint(scaled[fresh]).astype(np.int64),
        head,
        late=lates,
        duplicates=int(np.count_nonzero(sound)) - lates - len(fresh),
        invalid=invalid,
    )


def _by_series_and_time(series: Ints, ts_ms: Ints) -> Ints:
    """A stable order by (series, time): by one key where both fit, which is far faster."""
    if not len(series):
        return np.zeros(0, dtype=np.int64)
    since = ts_ms - ts_ms.min()
    if int(since.max()) < 1 << 38 and int(series.max()) < 1 << 25:
        return np.argsort((series << 38) | since, kind="stable")
    return np.lexsort((ts_ms, series))


def increments(
    ordered: Ordered, memory: Memory, kinds: Ints, newborn: Mask, silent: Mask
) -> Increments:
    """What each reading adds, and to which window: the one that contains its time less 1 ms.

    `kinds` is per series; `newborn` is per entry of `ordered.first(memory)`; `silent` readings (one
    entry each) are remembered and add nothing.
    """
    series, ts_ms, values, start_ms = ordered.readings
    before, before_ms, before_start = _before(ordered, memory)
    first = ordered.first(memory)
    declared = (start_ms > before_start) & (before_start > 0) & (start_ms >= before_ms)
    reset = (ordered.integers < before) | declared
    reset[first] = False
    kind = kinds[series]
    counter = kind == CUMULATIVE
    amounts = ordered.integers - np.where(reset | ~counter, 0, before)
    amounts[first[newborn]] = ordered.integers[first[newborn]]
    counts = np.ones(len(series), dtype=bool)
    counts[first[~newborn]] = False
    window = _window(ts_ms)
    counts = np.where(counter, counts, (kind == DELTA) | (window != _window(before_ms)))
    counts &= ~silent
    return Increments(
        series[counts],
        window[counts],
        amounts[counts],
        values[counts],
        resets=int(np.count_nonzero(reset & counter)),
    )


def _before(ordered: Ordered, memory: Memory) -> tuple[Ints, Ints, Ints]:
    """The reading before each reading: from the batch, or from memory for the first of a series."""
    heads = ordered.heads
    of_heads = ordered.readings.series[heads]
    columns = (
        (ordered.integers, memory.last),
        (ordered.readings.ts_ms, memory.last_ms),
        (ordered.readings.start_ms, memory.start_ms),
    )
    found = []
    for column, remembered in columns:
        before = np.empty_like(column)
        before[1:] = column[:-1]
        before[heads] = remembered[of_heads]
        found.append(before)
    return found[0], found[1], found[2]


def _window(ts_ms: Ints) -> Ints:
    return (ts_ms - 1) // GRAIN_MS


def last_of_each(ordered: Ordered) -> tuple[Ints, Memory]:
    """The series of the batch and what to remember of them."""
    tail = np.flatnonzero(np.append(ordered.head[1:], True)) if len(ordered.head) else ordered.heads
    readings = ordered.readings
    return readings.series[tail], Memory(
        readings.ts_ms[tail], ordered.integers[tail], readings.start_ms[tail]
    )
