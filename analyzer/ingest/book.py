"""The series book: what every series feeds, and where its counter stood.

Each series has a number `ix` for ever. Columns are NumPy arrays over `ix` with room to grow, so
that a batch is translated by indexing. A usage row's place is a `row`: (tenant, resource, family)
and the id of its latency bounds.

Buckets arrive cumulative. The increment D of "up to k" is +D in bucket k and -D in the bucket of
the next bound: after summing, each bucket holds its own count, in whatever order and in however
many pieces the buckets of a histogram arrive.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.ingest.bounds import DEFAULT, BoundsBook
from analyzer.ingest.counters import CUMULATIVE, DELTA, GAUGE, NEVER, Ints, Mask, Memory
from analyzer.registry import Key
from collector.model import Column, MeterKind, Series

COLUMNS: tuple[tuple[Column, str], ...] = (
    (Column.ARRIVED, "arrived"),
    (Column.COUNT, "count"),
    (Column.ERRORS, "errors"),
    (Column.BUSY, "busy_us"),
    (Column.LATENCY_SUM, "latency_sum_us"),
    (Column.WAIT, "wait_us"),
    (Column.VOLUME, "volume"),
    (Column.THROTTLED, "throttled"),
    (Column.BLOCKED, "blocked_us"),
    (Column.BLOCKING, "blocking_us"),
    (Column.WAITING, "waiting"),
)
"""Meter columns and where they are stored; after them come the buckets."""

WAITING = len(COLUMNS) - 1
FIRST_BUCKET = len(COLUMNS)
NO_BOUNDS = -1

_SLOTS = {column: slot for slot, (column, _) in enumerate(COLUMNS)}
_KINDS = {MeterKind.CUMULATIVE: CUMULATIVE, MeterKind.DELTA: DELTA, MeterKind.GAUGE: GAUGE}
_SECONDS = {
    Column.BUSY, Column.LATENCY_SUM, Column.WAIT, Column.BLOCKED, Column.BLOCKING,
}  # fmt: skip


class Grown:
    """An array that doubles its room as it grows. What is added waits in a list until it is read:
    a million series are declared in one go.
    """

    def __init__(self, dtype: type[np.generic], fill: float) -> None:
        self._room = np.full(1024, fill, dtype=dtype)
        self._fill = fill
        self._size = 0
        self._added: list[float] = []
        self.add = self._added.append

    def extend(self, size: int) -> None:
        """Have at least `size` entries; new ones hold the fill."""
        self._settle()
        self._reserve(size)
        self._size = max(self._size, size)

    def _settle(self) -> None:
        if added := len(self._added):
            self._reserve(self._size + added)
            self._room[self._size : self._size + added] = self._added
            self._size += added
            self._added.clear()

    def _reserve(self, size: int) -> None:
        while len(self._room) < size:
            self._room = np.concatenate([self._room, np.full_like(self._room, self._fill)])

    @property
    def array(self) -> npt.NDArray[Any]:
        if self._added:
            self._settle()
        return self._room[: self._size]


class SeriesBook:
    """Every series ever declared. `ix` counts up in order of declaration."""

    def __init__(self, bounds: BoundsBook) -> None:
        self.bounds = bounds
        self.series: list[Series] = []
        self.by_identity: dict[int, int] = {}
        self.row_key = Grown(np.int64, 0)
        self.row_bounds = Grown(np.int64, NO_BOUNDS)
        self.keys: list[Key] = []
        self.resources: list[str] = []
        self._rows: dict[tuple[int, int], int] = {}
        self._keys: dict[Key, int] = {}
        self._resources: dict[str, int] = {}
        self._histograms: dict[tuple[int, str], list[int]] = defaultdict(list)
        self._unsettled: set[tuple[int, str]] = set()
        self.key_of = Grown(np.int64, 0)
        self.resource_of = Grown(np.int64, 0)
        self.kind = Grown(np.int64, 0)
        self.scale = Grown(np.float64, 1)
        self.slot = Grown(np.int64, 0)  # where an increment is added
        self.minus = Grown(np.int64, -1)  # where it is taken away again; -1 nowhere
        self.bucket_row = Grown(np.int64, -1)
        self.home = Grown(np.int64, -1)  # per key: the row of its meters
        self.since_ms = Grown(np.int64, NEVER)  # per resource: when it was first read
        self.twin = Grown(np.int64, 0)  # equal for series that feed the same number
        self._twins: dict[tuple[int, int, float], int] = {}
        self.spare = Grown(np.bool_, fill=False)  # a histogram's own count
        self.plain = Grown(np.bool_, fill=False)  # any other count
        self.counted = Grown(np.bool_, fill=False)  # per key: a plain count was read, ever
        self.spared = Grown(np.bool_, fill=False)  # per key: a spare count was read, ever
        self.last_ms = Grown(np.int64, NEVER)
        self.last = Grown(np.int64, 0)
        self.start_ms = Grown(np.int64, 0)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def memory(self) -> Memory:
        return Memory(self.last_ms.array, self.last.array, self.start_ms.array)

    def declare(self, series: Series) -> int:
        """The number of a series. One that now feeds something else goes on from where it stood."""
        identity = int(series.identity, 16)
        known = self.by_identity.get(identity)
        if known is not None and _same(self.series[known], series):
            return known
        ix = self.add(series, identity)
        if known is not None:
            for column in (self.last_ms, self.last, self.start_ms):
                column.extend(ix + 1)
                column.array[ix] = column.array[known]
        return ix

    def add(self, series: Series, identity: int) -> int:
        """Append without looking; `settle` before the arrays are used."""
        ix = len(self.series)
        key = self._key(Key(series.tenant, series.resource, series.family))
        self.series.append(series)
        self.by_identity[identity] = ix
        self.key_of.add(key)
        self.resource_of.add(self._resource(series.resource))
        slot = _SLOTS.get(series.column, FIRST_BUCKET)
        self.kind.add(_KINDS[series.kind])
        self.scale.add(1e6 if series.column in _SECONDS else 1.0)
        self.slot.add(slot)
        counts = series.column is Column.COUNT
        self.spare.add(counts and series.histogram is not None)
        self.plain.add(counts and series.histogram is None)
        twin = (key, slot, series.bound or 0.0)
        self.twin.add(self._twins.setdefault(twin, len(self._twins)))
        if series.column is Column.LATENCY_BUCKET:
            name = (key, series.histogram or "")
            self._histograms[name].append(ix)
            self._unsettled.add(name)
        return ix

    def settle(self) -> None:
        """Give every series its place, and lay out each histogram that got a new bound."""
        for column in (self.minus, self.bucket_row, self.last_ms, self.last, self.start_ms):
            column.extend(len(self))
        for name in sorted(self._unsettled):
            self._lay_out(name[0], self._histograms[name])
        self._unsettled.clear()

    def _lay_out(self, key: int, members: list[int]) -> None:
        bound_of = {ix: self._bound(ix) for ix in members}
        rising = sorted(set(bound_of.values()))
        ident = self.bounds.ident([b for b in rising if b != np.inf])
        slots = [self.bounds.slot(ident, bound) + FIRST_BUCKET for bound in rising]
        following = dict(zip(rising, [*slots[1:], -1], strict=True))
        own = dict(zip(rising, slots, strict=True))
        row = self._row(key, ident)
        for ix, bound in bound_of.items():
            self.slot.array[ix] = own[bound]
            self.minus.array[ix] = following[bound]
            self.bucket_row.array[ix] = row
        self.home.array[key] = row

    def _bound(self, ix: int) -> float:
        bound = self.series[ix].bound
        return np.inf if bound is None or not np.isfinite(bound) else bound

    def _key(self, key: Key) -> int:
        number = self._keys.get(key)
        if number is None:
            number = self._keys[key] = len(self.keys)
            self.keys.append(key)
            self.counted.add(0)
            self.spared.add(0)
            self.home.add(self._row(number, NO_BOUNDS))
        return number

    def _row(self, key: int, bounds: int) -> int:
        if (key, bounds) not in self._rows:
            self._rows[key, bounds] = len(self._rows)
            self.row_key.add(key)
            self.row_bounds.add(bounds)
        return self._rows[key, bounds]

    def _resource(self, resource: str) -> int:
        if resource not in self._resources:
            self._resources[resource] = len(self.resources)
            self.resources.append(resource)
            self.since_ms.add(NEVER)
        return self._resources[resource]

    def row_of(self, series: Ints) -> Ints:
        """The row each series feeds."""
        buckets = self.bucket_row.array[series]
        return np.where(buckets >= 0, buckets, self.home.array[self.key_of.array[series]])

    def has_twin(self, series: Ints) -> Mask:
        """Whether another series that was read before feeds the same number."""
        read = self.last_ms.array != NEVER
        return np.isin(self.twin.array[series], self.twin.array[read])

    def remember(self, series: Ints, memory: Memory) -> None:
        """Take over what `counters.last_of_each` says."""
        self.last_ms.array[series] = memory.last_ms
        self.last.array[series] = memory.last
        self.start_ms.array[series] = memory.start_ms
        keys = self.key_of.array[series]
        self.counted.array[keys[self.plain.array[series]]] = True
        self.spared.array[keys[self.spare.array[series]]] = True


def _same(one: Series, other: Series) -> bool:
    """Whether two declarations feed the same number (sid and identity aside)."""
    return (
        one.tenant == other.tenant
        and one.resource == other.resource
        and one.family == other.family
        and one.column == other.column
        and one.kind == other.kind
        and one.bound == other.bound
        and one.histogram == other.histogram
    )


__all__ = ["COLUMNS", "DEFAULT", "FIRST_BUCKET", "NO_BOUNDS", "WAITING", "SeriesBook"]
