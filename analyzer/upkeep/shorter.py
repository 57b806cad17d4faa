"""Tenants and plans whose usage is kept shorter than others' ([[keep]]).

Hot rows are deleted; Parquet files that are wholly older are written anew without them. Sums of the
coarser grains stay and are never redone from what is gone (`kept_shorter`); late rows of such a
tenant are added to them, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analyzer.store.database import Store
from analyzer.store.reader import Reader, Transaction
from analyzer.upkeep.compaction import ROW_GROUP, Written, write
from analyzer.usage.rollup import DAY, HOUR, MINUTE, Grain

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the store keeps UTC without zone


@dataclass(frozen=True, slots=True)
class KeepSettings:
    """A `[[keep]]`: a `tenant` or all of a `plan`; how long each grain is kept, 0: as others."""

    tenant: str = ""
    plan: str = ""
    ten_seconds_h: int = 0
    minutes_d: int = 0
    hours_d: int = 0

    def problems(self, place: str) -> list[str]:
        """Everything wrong, as "key: what, remedy"."""
        found = []
        if bool(self.tenant) == bool(self.plan):
            found.append(f"{place}.tenant: name either a tenant or a plan")
        for name, value, least in (
            ("ten_seconds_h", self.ten_seconds_h, 2),
            ("minutes_d", self.minutes_d, 2),
            ("hours_d", self.hours_d, 15),
        ):
            if value and value < least:
                found.append(f"{place}.{name}: {value} is too short, use {least} or more, or 0")
        return found


def retain_shorter(store: Store, *, now: datetime, keeps: Sequence[KeepSettings]) -> int:
    """Give up what these keep shorter. Returns the hot rows removed and the files written anew."""
    at = now.astimezone(UTC).replace(tzinfo=None)
    removed = 0
    for keep in keeps:
        named = [row[0] for row in store.rows("tenants_of_plan", plan=keep.plan)]
        tenants = [keep.tenant] if keep.tenant else named
        for grain, kept in (
            (MINUTE, timedelta(hours=keep.ten_seconds_h)),
            (HOUR, timedelta(days=keep.minutes_d)),
            (DAY, timedelta(days=keep.hours_d)),
        ):
            if kept and tenants:
                removed += _give_up(store, grain, tenants, at - kept, at)
    return removed


def _give_up(
    store: Store, grain: Grain, tenants: Sequence[str], until: datetime, now: datetime
) -> int:
    with store.files:  # no compaction meanwhile
        with store.reader() as reader:
            until = _edge(reader, grain, until)
            known = dict(reader.rows("kept_shorter", grain=grain.source))
            due = [one for one in tenants if known.get(one, _EPOCH) < until]
            files = _files(reader, store, grain, due, until) if due else []
        if not due:
            return 0
        anew = {row: _without(store.cold.directory / row[1], due) for row in files}
        with store.transaction() as tx:
            removed = tx.execute(f"retire_tenants_{grain.source}", until=until, tenants=due)
            _swap(tx, anew, now)
            tx.execute("forget_kept_shorter", grain=grain.source, tenants=due)
            tx.execute("add_kept_shorter", grain=grain.source, tenants=due, until=until)
    return removed + len(anew)


def _edge(reader: Reader, grain: Grain, until: datetime) -> datetime:
    """Where a coarser window begins, before what is still to be rolled up and between files."""
    oldest: datetime | None = reader.rows("oldest_dirty", grain=grain.name)[0][0]
    until = _floor(min(until, oldest or until), grain.coarser_unit)
    unit: datetime | None = reader.rows("straddling_unit", grain=grain.source, until=until)[0][0]
    return _floor(min(until, unit or until), grain.coarser_unit)


_Row = tuple[str, str, datetime, datetime, datetime]


def _files(
    reader: Reader, store: Store, grain: Grain, tenants: Sequence[str], until: datetime
) -> list[_Row]:
    """Files wholly before `until` that hold rows of these tenants: rows of the manifest."""
    rows: list[_Row] = [
        (row[0], row[1], row[2], row[3], row[4])
        for row in reader.rows("cold_manifest")
        if row[0] == grain.source and row[4] < until
    ]
    if not rows:
        return []
    paths = [str(store.cold.directory / row[1]) for row in rows]
    hit = {r[0] for r in reader.rows("cold_files_of_tenants", files=paths, tenants=list(tenants))}
    return [row for row in rows if row[1] in hit]


def _without(path: Path, tenants: Sequence[str]) -> Written:
    return write(path.parent, path.stem.rpartition("-")[0], _others(path, tenants))


def _others(path: Path, tenants: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROW_GROUP):
            own = pc.is_in(batch.column("tenant"), pa.array(tenants, pa.string()))
            yield batch.filter(pc.invert(own))


def _swap(tx: Transaction, anew: dict[_Row, Written], now: datetime) -> None:
    tx.changes_files = bool(anew)
    for (grain, file, unit, low, high), written in anew.items():
        tx.execute("drop_cold_files", grain=grain, files=[file])
        if written.rows:
            tx.execute(
                "add_cold_file",
                grain=grain,
                file=written.path.name,
                unit=unit,
                low=low,
                high=high,
                rows=written.rows,
                bytes=written.bytes,
                sha256=written.sha256,
                now=now,
            )


def _floor(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % width
