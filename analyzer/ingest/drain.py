"""Segments into the store, one transaction for several, each segment exactly once.

The id of a segment, its rows and the counter state after it are written together. A crash before
the commit leaves the file to be drained again from the old state; a crash between commit and
discard leaves a file whose id is known: it is discarded unread. `kill -9` at any moment therefore
shows neither a reset nor a double.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc

from analyzer import registry
from analyzer.ingest.counters import DELTA, Increments
from analyzer.ingest.memory import DrainMemory
from analyzer.ingest.native import native_rows
from analyzer.ingest.pivot import usage_rows
from analyzer.ingest.tally import Tally, readings_of, tally
from analyzer.registry import Key
from analyzer.store.database import Store
from analyzer.store.reader import Transaction
from collector import spool
from collector.model import USAGE_SCHEMA, Frame, Samples, SegmentId, Series, UsageRows

log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the store keeps UTC without zone


class SpoolDoor(Protocol):
    """How segments are read: `collector.spool`, or a fake of it."""

    def sealed(self, directory: Path) -> list[Path]: ...
    def segment_id(self, path: Path) -> SegmentId: ...
    def read_segment(self, path: Path) -> Iterator[Frame]: ...
    def discard(self, path: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """How much goes into one transaction.

    At full speed a dozen samples are a row, and 122,880 rows fill one of DuckDB's row groups: those
    go straight to the file, what is left over takes the way through the log.
    """

    samples_per_commit: int = 1_475_000
    segments_per_commit: int = 64


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain did. `rows` were written; `newest` is the end of the newest sample or window,
    `oldest` the beginning of the oldest.

    Dropped and counted: `late` (a later reading of the series was known), `duplicates`, `invalid`
    (negative, not finite, no window), `unknown` (a sid nobody declared), `repeated` (native rows
    whose batch id was seen before). `damaged` segments are set aside.
    """

    segments: int = 0
    samples: int = 0
    rows: int = 0
    late: int = 0
    duplicates: int = 0
    resets: int = 0
    invalid: int = 0
    unknown: int = 0
    repeated: int = 0
    damaged: int = 0
    newest: datetime | None = None
    oldest: datetime | None = None

    def __add__(self, other: Drained) -> Drained:
        counts = {
            f.name: getattr(self, f.name) + getattr(other, f.name)
            for f in fields(self)
            if f.name not in ("newest", "oldest")
        }
        newest = max((d.newest for d in (self, other) if d.newest), default=None)
        oldest = min((d.oldest for d in (self, other) if d.oldest), default=None)
        return Drained(**counts, newest=newest, oldest=oldest)


@dataclass(slots=True)
class _Segment:
    """One segment, read."""

    id: SegmentId
    path: Path
    frames: list[Frame]
    damaged: bool = False

    @property
    def samples(self) -> int:
        return sum(len(f.sids) for f in self.frames if isinstance(f, Samples))

    @property
    def weight(self) -> int:
        """Its size in samples; a finished row weighs as much as the dozen it was made of."""
        rows = sum(len(f.table) for f in self.frames if isinstance(f, UsageRows))
        return self.samples + 12 * rows


@dataclass(frozen=True, slots=True)
class _Native:
    """The native rows of a commit."""

    tables: list[pa.Table]
    batches: list[str]
    invalid: int
    repeated: int


class Ingest:
    """Drains a spool directory into the store. One per store; not for several threads at once."""

    def __init__(
        self,
        store: Store,
        settings: IngestSettings | None = None,
        *,
        door: SpoolDoor | None = None,
        keep: Path | None = None,
    ) -> None:
        """`keep`: where drained segments wait until a saved state covers them; None: nowhere."""
        self._store = store
        self._settings = settings or IngestSettings()
        self._door = door or cast(SpoolDoor, spool)
        self._keep = keep
        self._memory: DrainMemory | None = None
        self._told = Drained()

    def drain(self, spool_dir: Path, *, now: datetime) -> Drained:
        """Everything sealed, oldest first. Raises OSError when a segment cannot be read; what it
        had committed by then is told by the next drain.
        """
        for generation, segments in self._commits(self._undrained(spool_dir)):
            self._told += self._commit(generation, segments, now)
        total, self._told = self._told, Drained()
        return total

    def _undrained(self, spool_dir: Path) -> list[Path]:
        paths = self._door.sealed(spool_dir)
        with self._store.reader() as reader:
            ids = [self._door.segment_id(path) for path in paths]
            done = {row[0] for row in reader.rows("drained_segments", ids=ids)} if ids else set()
        for path in paths:
            if self._door.segment_id(path) in done:
                self._let_go(path)
        return [path for path in paths if self._door.segment_id(path) not in done]

    def _commits(self, paths: Iterable[Path]) -> Iterator[tuple[str, list[_Segment]]]:
        """Bounded runs of segments of one generation."""
        by_generation = groupby(
            paths, lambda path: spool.generation_of(self._door.segment_id(path))
        )
        for generation, group in by_generation:
            run: list[_Segment] = []
            weight = 0
            for path in group:
                run.append(self._read(path))
                weight += run[-1].weight
                full = weight >= self._settings.samples_per_commit
                if full or len(run) >= self._settings.segments_per_commit:
                    yield generation, run
                    run, weight = [], 0
            if run:
                yield generation, run

    def _read(self, path: Path) -> _Segment:
        segment = _Segment(self._door.segment_id(path), path, [])
        try:
            segment.frames.extend(self._door.read_segment(path))
        except (ValueError, KeyError, TypeError) as error:
            log.warning("ingest: %s is not readable (%s), set aside", path.name, error)
            segment.damaged = True
        return segment

    def _commit(self, generation: str, segments: Sequence[_Segment], now: datetime) -> Drained:
        try:
            with self._store.on_one_thread(), self._store.transaction() as tx:
                if self._memory is None or self._memory.epoch != self._store.epoch:
                    self._memory = DrainMemory(tx, self._store.epoch)
                drained = _Commit(tx, self._memory, generation, segments, now).run()
        except BaseException:
            self._memory = None  # it may be ahead of the store now: read it again next time
            raise
        for segment in segments:
            self._leave(segment)
        return drained

    def _leave(self, segment: _Segment) -> None:
        if segment.damaged and segment.path.exists():
            segment.path.replace(segment.path.with_suffix(".damaged"))
        else:
            self._let_go(segment.path)

    def _let_go(self, path: Path) -> None:
        """What is in the store is still wanted should the store have to be made anew."""
        if self._keep is None:
            self._door.discard(path)
            return
        self._keep.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            path.replace(self._keep / path.name)


class _Commit:
    """One transaction's work."""

    def __init__(
        self,
        tx: Transaction,
        memory: DrainMemory,
        generation: str,
        segments: Sequence[_Segment],
        now: datetime,
    ) -> None:
        self._tx = tx
        self._memory = memory
        self._book = memory.book
        self._generation = memory.generation(generation)
        self._generation_id = generation
        self._segments = segments
        self._filled: list[Increments] = []
        self._now = now.astimezone(UTC).replace(tzinfo=None)

    def run(self) -> Drained:
        """Declare, count, write. The order matters only in that the state is saved last."""
        self._declare()
        samples = [frame for frame in self._frames() if isinstance(frame, Samples)]
        filled = self._late_deltas(samples)
        counted = tally(samples, self._book, self._generation)
        self._save(counted)
        native = self._native()
        rows = pa.concat_tables([counted.rows, *filled, *native.tables])
        newest = _newest(counted, native.tables)
        self._write(rows, native, newest)
        self._register(counted, native.tables)
        return Drained(
            segments=len(self._segments),
            samples=sum(segment.samples for segment in self._segments),
            rows=len(rows),
            late=counted.late - sum(len(one.series) for one in self._filled),
            duplicates=counted.duplicates,
            resets=counted.resets,
            invalid=counted.invalid + native.invalid,
            unknown=counted.unknown,
            repeated=native.repeated,
            damaged=sum(segment.damaged for segment in self._segments),
            newest=None if newest is None else newest.replace(tzinfo=UTC),
            oldest=_first(rows),
        )

    def _late_deltas(self, samples: Sequence[Samples]) -> list[pa.Table]:
        """Rows of deltas that lie in a gap; looked for before the batch moves its series on."""
        if not (self._book.kind.array == DELTA).any():
            return []
        readings, _ = readings_of(samples, self._generation)
        found = self._memory.gaps.take(readings, self._book)
        if found is None:
            return []
        self._filled.append(found)
        return [usage_rows(found, self._book)]

    def _frames(self) -> Iterator[Frame]:
        for segment in self._segments:
            yield from segment.frames

    def _declare(self) -> None:
        sids, numbers = [], []
        for frame in self._frames():
            if isinstance(frame, Series) and not self._memory.forgotten.knows(frame.tenant):
                sids.append(frame.sid)
                numbers.append(self._book.declare(frame))
        self._generation.put(sids, numbers)
        self._book.settle()
        if sids:
            generation = pa.array([self._generation_id] * len(sids), pa.string())
            table = pa.table({"generation": generation, "sid": sids, "ix": numbers})
            self._tx.load("add_series_sids", table)

    def _save(self, counted: Tally) -> None:
        self._memory.save_series(self._tx)
        self._memory.save_states(self._tx, counted.changed)
        self._memory.save_gaps(self._tx)
        if watched := counted.watched:
            table = pa.table({"resource": list(watched), "since_ms": list(watched.values())})
            self._tx.load("add_watched", table)
        self._tx.execute("drop_generation", id=self._generation_id)
        first_ms = self._generation.first_ms
        self._tx.execute("add_generation", id=self._generation_id, first_ms=first_ms, now=self._now)

    def _native(self) -> _Native:
        frames = [frame for frame in self._frames() if isinstance(frame, UsageRows)]
        named = [frame.batch_id for frame in frames if frame.batch_id]
        seen = {r[0] for r in self._tx.rows("known_batches", ids=named)} if named else set()
        tables: list[pa.Table] = []
        fresh: list[str] = []
        invalid = repeated = 0
        for frame in frames:
            if frame.batch_id in seen:
                repeated += len(frame.table)
                continue
            if frame.batch_id:
                seen.add(frame.batch_id)
                fresh.append(frame.batch_id)
            table, dropped = native_rows(
                self._memory.forgotten.without(frame.table), self._book.bounds
            )
            tables.append(table)
            invalid += dropped
        return _Native(tables, fresh, invalid, repeated)

    def _write(self, rows: pa.Table, native: _Native, newest: datetime | None) -> None:
        fresh = self._book.bounds.fresh
        if fresh:
            lists = pa.array([list(bounds) for bounds in fresh.values()], pa.list_(pa.float64()))
            self._tx.load("add_latency_bounds", pa.table({"id": list(fresh), "bounds": lists}))
            fresh.clear()
        if native.batches:
            self._tx.load("add_batches", pa.table({"id": native.batches}), now=self._now)
        if len(rows):
            self._tx.load("add_usage", rows)
            self._tx.load("mark_dirty", pa.table({"ts": _minutes(rows)}))
        self._tx.load("add_segments", self._ledger(len(rows), newest), now=self._now)

    def _ledger(self, rows: int, newest: datetime | None) -> pa.Table:
        """One line a segment; rows and newest are the commit's, on its last segment."""
        count = len(self._segments)
        times = pa.array([None] * (count - 1) + [newest], pa.timestamp("us"))
        return pa.table(
            {
                "id": [segment.id for segment in self._segments],
                "frames": [len(segment.frames) for segment in self._segments],
                "samples": [segment.samples for segment in self._segments],
                "rows": [0] * (count - 1) + [rows],
                "newest": times,
            }
        )

    def _register(self, counted: Tally, tables: Sequence[pa.Table]) -> None:
        """Tenants, resources and placements nobody told us of."""
        memory = self._memory
        native: set[Key] = set()
        for table in tables:
            names = table.select(["tenant", "resource", "family"])
            for row in names.group_by(names.column_names).aggregate([]).to_pylist():
                native.add(Key(row["tenant"], row["resource"], row["family"]))
        fresh = (native - memory.registered).union(self._book.keys[memory.registered_keys :])
        if fresh:
            since = _oldest(counted, tables) or self._now
            registry.observe(self._tx, fresh, since=since, now=self._now)
        memory.registered |= native
        memory.registered_keys = len(self._book.keys)


def _minutes(rows: pa.Table) -> pa.Array:
    return pc.unique(pc.floor_temporal(rows.column("ts"), unit="minute"))


def _first(rows: pa.Table) -> datetime | None:
    """Where the earliest row written begins: increments are spread back to the reading before."""
    first: datetime | None = pc.min(rows.column("ts")).as_py()
    return None if first is None else first.replace(tzinfo=UTC)


def _newest(counted: Tally, tables: Sequence[pa.Table]) -> datetime | None:
    ends = []
    if counted.newest_ms is not None:
        ends.append(_moment(counted.newest_ms * 1000))
    for table in tables:
        if len(table):
            ts = table.column("ts").cast(pa.int64())
            width = pc.multiply(table.column("window_s").cast(pa.int64()), 1_000_000)
            ends.append(_moment(pc.max(pc.add(ts, width)).as_py()))
    return max(ends, default=None)


def _oldest(counted: Tally, tables: Sequence[pa.Table]) -> datetime | None:
    begins = [pc.min(table.column("ts")).as_py() for table in tables if len(table)]
    if counted.oldest_ms is not None:
        begins.append(_moment(counted.oldest_ms * 1000))
    return min(begins, default=None)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


__all__ = ["USAGE_SCHEMA", "Drained", "Ingest", "IngestSettings", "SpoolDoor"]
