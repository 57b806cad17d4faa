"""Deltas that come late: counted once, where the time they speak of has not been counted yet.

A cumulative reading that comes late is contained in a later one; a delta is not, and dropping it
loses what it counted (gateways with several workers send out of order). A point says which time it
covers, from its start to its time. So where a point begins after the end of the one before, the
stretch between is noted as a gap; a late point that lies in a gap is counted and takes its part of
it away. A late point outside every gap has come before, or says no start: it is dropped as ever.

    points     ──(1]──(2]────────(4]──        gap of (3]
    then (3]             ──(3]──              lies in the gap: counted, the gap is closed
    then (3] again                            lies in no gap: a repetition

Not seen: what came before the first point ever of a series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from analyzer.ingest.book import SeriesBook
from analyzer.ingest.counters import DELTA, GRAIN_MS, NEVER, Increments, Ints, Readings
from analyzer.ingest.once import counted_before

SHORTEST_MS = 500
"""Clocks and collection overlap a little; that is no gap."""

KEPT_MS = 6 * 3_600_000
"""Senders do not hold points back for longer."""

MOST = 100_000

_LARGEST = 9.0e18

Stretch = tuple[int, int]
"""From (exclusive) and to (inclusive), Unix milliseconds."""


class Gaps:
    """The gaps of all series. `changed`: not yet as the store has them."""

    def __init__(self, known: Iterable[tuple[int, int, int]] = ()) -> None:
        self._of: dict[int, list[Stretch]] = defaultdict(list)
        self._size = 0
        self.changed = False
        for ix, since_ms, until_ms in known:
            self._add(ix, (since_ms, until_ms))

    def __len__(self) -> int:
        return self._size

    def take(self, readings: Readings, book: SeriesBook) -> Increments | None:
        """What late deltas of a batch add, before the batch itself is counted; None: nothing.

        Notes the gaps the batch leaves.
        """
        deltas = readings.take(_usable(readings, book))
        if not len(deltas.series):
            return None
        deltas = deltas.take(np.lexsort((deltas.ts_ms, deltas.series)))
        last_ms = book.last_ms.array[deltas.series]
        late = deltas.ts_ms <= last_ms
        filled = self._fill(deltas.take(late)) if self._size and late.any() else None
        self._note(deltas.take(~late), book)
        self._expire(int(deltas.ts_ms.max()) - KEPT_MS)
        return None if filled is None or not len(filled.series) else _counted(filled, book)

    def table(self) -> pa.Table:
        """All gaps, as the store keeps them."""
        rows = [(ix, *gap) for ix, gaps in self._of.items() for gap in gaps]
        names = ("ix", "since_ms", "until_ms")
        columns = {n: pa.array([r[i] for r in rows], pa.int64()) for i, n in enumerate(names)}
        return pa.table(columns)

    def _fill(self, late: Readings) -> Readings:
        """Those that lie in a gap; each closes its part of it."""
        found = []
        for at in np.flatnonzero(np.isin(late.series, list(self._of))).tolist():
            covers = (int(late.start_ms[at]), int(late.ts_ms[at]))
            if self._close(int(late.series[at]), covers):
                found.append(at)
        return late.take(np.array(found, np.int64))

    def _close(self, ix: int, covers: Stretch) -> bool:
        for gap in self._of[ix]:
            if gap[0] <= covers[0] and covers[1] <= gap[1]:
                self._of[ix].remove(gap)
                self._size -= 1
                for rest in ((gap[0], covers[0]), (covers[1], gap[1])):
                    if rest[1] > rest[0]:
                        self._add(ix, rest)
                if not self._of[ix]:
                    del self._of[ix]
                self.changed = True
                return True
        return False

    def _note(self, fresh: Readings, book: SeriesBook) -> None:
        """Gaps before these points, which are in order."""
        if not len(fresh.series):
            return
        before = book.last_ms.array[fresh.series].copy()
        same = fresh.series[1:] == fresh.series[:-1]
        before[1:][same] = fresh.ts_ms[:-1][same]
        opened = (before != NEVER) & (fresh.start_ms - before >= SHORTEST_MS)
        for at in np.flatnonzero(opened).tolist():
            if self._size >= MOST:
                return
            self._add(int(fresh.series[at]), (int(before[at]), int(fresh.start_ms[at])))
            self.changed = True

    def _add(self, ix: int, gap: Stretch) -> None:
        self._of[ix].append(gap)
        self._size += 1

    def _expire(self, before_ms: int) -> None:
        for ix in [ix for ix, gaps in self._of.items() if any(g[1] < before_ms for g in gaps)]:
            kept = [gap for gap in self._of[ix] if gap[1] >= before_ms]
            self._size -= len(self._of[ix]) - len(kept)
            self._of[ix] = kept
            if not kept:
                del self._of[ix]
            self.changed = True


def _usable(readings: Readings, book: SeriesBook) -> np.ndarray:
    """Deltas that say when they began, and hold a number we can count."""
    mine: np.ndarray = (book.kind.array[readings.series] == DELTA) & (readings.start_ms > 0)
    mine &= readings.start_ms < readings.ts_ms
    with np.errstate(invalid="ignore"):
        return mine & (readings.values >= 0) & (readings.values < _LARGEST / 1e6)


def _counted(found: Readings, book: SeriesBook) -> Increments | None:
    found = found.take(~counted_before(found, book))
    if not len(found.series):
        return None
    amounts: Ints = np.rint(found.values * book.scale.array[found.series]).astype(np.int64)
    window = (found.ts_ms - 1) // GRAIN_MS
    return Increments(found.series, window, amounts, found.values, resets=0)
