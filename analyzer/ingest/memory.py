"""The drain's memory in the store: read once at start, appended to in every drain's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa

from analyzer.ingest.book import Grown, SeriesBook
from analyzer.ingest.bounds import BoundsBook
from analyzer.ingest.counters import Ints, Memory
from analyzer.ingest.gaps import Gaps
from analyzer.registry import Key
from analyzer.store.forgotten import Forgotten
from analyzer.store.reader import Reader, Transaction
from collector.model import Column, Family, MeterKind, ResourceId, Series, TenantId

_GENERATIONS = 4  # kept in memory; each may name a million series
_FOLD_AT = 200_000  # appended states, and four times the number of series: then fold


@dataclass(slots=True)
class Generation:
    """What one spool generation means by a sid (`ix`, -1 unknown); when its first sample was."""

    ix: Grown = field(default_factory=lambda: Grown(np.int64, -1))
    first_ms: int | None = None

    def put(self, sids: Sequence[int], numbers: Sequence[int]) -> None:
        """These sids mean the series of these numbers."""
        if sids:
            self.ix.extend(max(sids) + 1)
            self.ix.array[np.array(sids)] = numbers


class DrainMemory:
    """Everything a drain has to know of earlier ones. Thrown away when a transaction fails."""

    def __init__(self, reader: Reader, epoch: int = 0) -> None:
        self.epoch = epoch  # of the store it was read from
        self.forgotten = Forgotten((row[0], row[1]) for row in reader.rows("erasures"))
        known = dict(reader.rows("latency_bounds"))
        self.book = SeriesBook(BoundsBook(known))
        self.generations: dict[str, Generation] = {}
        self.gaps = Gaps(reader.rows("delta_gaps"))
        self._load_series(reader)
        self._load_states(reader)
        for ident, first_ms in reader.rows("generations"):
            self.generation(ident).first_ms = first_ms
        for generation, rows in groupby(reader.rows("series_sids"), itemgetter(0)):
            _, sids, numbers = zip(*rows, strict=True)
            self.generation(generation).put(sids, numbers)
        self._saved_series = len(self.book)
        self.registered_keys = len(self.book.keys)  # of the book, in its order
        self.registered: set[Key] = set()  # of native rows

    def generation(self, ident: str) -> Generation:
        """What a generation means. They are drained in order, so old ones are let go."""
        found = self.generations.get(ident)
        if found is None:
            found = self.generations[ident] = Generation()
            for old in sorted(self.generations)[:-_GENERATIONS]:
                del self.generations[old]
        return found

    def _load_series(self, reader: Reader) -> None:
        for row in reader.rows("series"):
            self.book.add(_series(*row), row[1])
        self.book.settle()
        since = dict(reader.rows("watched"))
        for number, resource in enumerate(self.book.resources):
            self.book.since_ms.array[number] = since.get(resource, self.book.since_ms.array[number])

    def _load_states(self, reader: Reader) -> None:
        states = reader.arrow("counter_states")
        ix, last_ms, last, start = (column.to_numpy() for column in states.columns)
        self.book.remember(ix, Memory(last_ms, last, start))
        self._appended, self._seq = reader.rows("counter_states_size")[0]

    def save_series(self, tx: Transaction) -> list[Series]:
        """Write what was declared since the last save, and return it."""
        fresh = self.book.series[self._saved_series :]
        if fresh:
            tx.load("add_series", _series_table(fresh, self._saved_series))
            self._saved_series = len(self.book)
        return fresh

    def save_gaps(self, tx: Transaction) -> None:
        """Write the gaps anew where they have changed: they are few."""
        if self.gaps.changed:
            tx.execute("drop_delta_gaps")
            tx.load("add_delta_gaps", self.gaps.table())
            self.gaps.changed = False

    def save_states(self, tx: Transaction, changed: Ints) -> None:
        """Append what changed, or fold: cost stays linear in what changes."""
        self._seq += 1
        if self._appended + len(changed) > _FOLD_AT + 4 * len(self.book):
            tx.execute("drop_counter_states")
            changed = np.arange(len(self.book), dtype=np.int64)
            self._appended = 0
        if len(changed):
            tx.load("add_counter_states", _state_table(self.book, changed), seq=self._seq)
            self._appended += len(changed)


def _series(
    _ix: int,
    identity: int,
    tenant: str,
    resource: str,
    family: str,
    feeds: str,
    kind: str,
    bound: float | None,
    histogram: str | None,
) -> Series:
    return Series(
        sid=0,
        identity=f"{identity:016x}",
        tenant=TenantId(tenant),
        resource=ResourceId(resource),
        family=Family(family),
        column=Column(feeds),
        kind=MeterKind(kind),
        bound=bound,
        histogram=histogram,
    )


def _series_table(series: Iterable[Series], first: int) -> pa.Table:
    rows = list(series)
    return pa.table(
        {
            "ix": np.arange(first, first + len(rows), dtype=np.int64),
            "identity": pa.array([int(s.identity, 16) for s in rows], pa.uint64()),
            "tenant": pa.array([s.tenant for s in rows], pa.string()),
            "resource": pa.array([s.resource for s in rows], pa.string()),
            "family": pa.array([s.family.value for s in rows], pa.string()),
            "feeds": pa.array([s.column.value for s in rows], pa.string()),
            "kind": pa.array([s.kind.value for s in rows], pa.string()),
            "bound": pa.array([s.bound for s in rows], pa.float64()),
            "histogram": pa.array([s.histogram for s in rows], pa.string()),
        }
    )


def _state_table(book: SeriesBook, changed: Ints) -> pa.Table:
    last_ms, last, start_ms = book.memory
    return pa.table(
        {
            "ix": changed,
            "last_ms": last_ms[changed],
            "last_value": last[changed],
            "start_ms": start_ms[changed],
        }
    )
