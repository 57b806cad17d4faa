"""Old rows into Parquet: sorted, delta-coded, compressed; a third of what the hot tables need.

A unit of time (three hours of 10 s windows, a day of minutes, ten days of hours) moves as a whole:

    read sorted -> write a file of a name never used before -> fsync file and directory
    -> one transaction: the file holds just the rows that are hot now? then name it in the
       manifest and delete them

A crash before the commit leaves a file nobody names; `sweep` removes it a day later. Late rows of a
unit that has moved stay hot until the next run, which adds a small file; several small files of a
unit are merged into one. Nothing here is needed for an answer: queries see hot rows and files as
one (`analyzer.store`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analyzer.store.database import Store
from collector.model import USAGE_SCHEMA

log = logging.getLogger("partywall.compaction")

ROW_GROUP = 30_720
"""Rows found or passed over together: one tenant is in one group or two of a file."""

MERGE_AT = 4
"""So many files of one unit become one."""

ORPHAN_S = 86_400.0
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the store keeps UTC without zone
_NAMES = [name for name in USAGE_SCHEMA.names if name in ("tenant", "resource", "family")]
_WHOLE = [f.name for f in USAGE_SCHEMA if pa.types.is_integer(f.type) or f.name == "ts"]


@dataclass(frozen=True, slots=True)
class CompactionSettings:
    """`[compaction]`: how long rows of each grain stay hot before they move into files. Every
    `state_h` hours all tables are saved for `partywall rebuild` (0: never).
    """

    ten_seconds_h: int = 2
    minutes_d: int = 1
    hours_d: int = 10
    state_h: int = 1

    def problems(self) -> list[str]:
        """Everything wrong, as "key: what, remedy"."""
        found = [
            f"compaction.{name}: {value} is too short, use 1 or more"
            for name, value in (
                ("ten_seconds_h", self.ten_seconds_h),
                ("minutes_d", self.minutes_d),
                ("hours_d", self.hours_d),
            )
            if value < 1
        ]
        if not 0 <= self.state_h <= 24:
            found.append(f"compaction.state_h: {self.state_h} is out of range, use 0 to 24")
        return found


@dataclass(frozen=True, slots=True)
class _Grain:
    name: str
    unit: timedelta

    @property
    def hot(self) -> str:
        return f"hot_{self.name}"

    @property
    def all(self) -> str:
        return f"usage_{self.name}"


TENS = _Grain("10s", timedelta(hours=3))
MINUTES = _Grain("1m", timedelta(days=1))
HOURS = _Grain("1h", timedelta(days=10))


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a run did. `bytes` is the size of the files written."""

    files: int = 0
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: Compacted) -> Compacted:
        return Compacted(self.files + other.files, self.rows + other.rows, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Written:
    """A file on disk that no manifest names yet."""

    path: Path
    rows: int
    bytes: int
    sha256: str


def compact(store: Store, *, now: datetime, settings: CompactionSettings) -> Compacted:
    """Move every unit that is wholly older than its grain stays hot. One run at a time."""
    at = now.astimezone(UTC).replace(tzinfo=None)
    watermark: datetime | None = store.rows("watermark")[0][0]
    if watermark is None:
        return Compacted()
    gone = dict(store.rows("retained"))
    done = Compacted()
    for grain, keep in (
        (TENS, timedelta(hours=settings.ten_seconds_h)),
        (MINUTES, timedelta(days=settings.minutes_d)),
        (HOURS, timedelta(days=settings.hours_d)),
    ):
        until = _floor(min(at - keep, watermark), grain.unit)
        since = gone.get(grain.name, _EPOCH)  # older rows are about to be added and consumed
        for unit in _units(store, grain, since, until):
            with store.files:
                done += _move(store, grain, unit, at)
    return done


def _units(store: Store, grain: _Grain, since: datetime, until: datetime) -> list[datetime]:
    found = store.rows(
        "cold_units",
        hot=grain.hot,
        unit_s=grain.unit.total_seconds(),
        since=since,
        until=until,
    )
    return [row[0] for row in found]


def _move(store: Store, grain: _Grain, unit: datetime, now: datetime) -> Compacted:
    old = [row[0] for row in store.rows("cold_files_of_unit", grain=grain.name, unit=unit)]
    merge = len(old) + 1 >= MERGE_AT
    table, query = (grain.all, "cold_merged") if merge else (grain.hot, "cold_rows")
    span = {"low": unit, "high": unit + grain.unit}
    with store.reader() as reader:
        rows = reader.batches(query, ROW_GROUP, table=table, **span)
        written = write(store.cold.directory, f"{grain.name}-{unit:%Y%m%dT%H%M%S}", rows)
    try:
        moved = _hand_over(store, grain, unit, written, now, old if merge else [])
    except BaseException:
        written.path.unlink(missing_ok=True)
        raise
    if not moved:  # late rows came in between: they move with the next run
        written.path.unlink(missing_ok=True)
        return Compacted()
    return Compacted(1, written.rows, written.bytes)


def _hand_over(
    store: Store,
    grain: _Grain,
    unit: datetime,
    written: Written,
    now: datetime,
    replaced: list[str],
) -> bool:
    """Name the file and delete its rows in one transaction, if it holds just these rows."""
    table, check = (grain.all, "cold_sums") if replaced else (grain.hot, "cold_print")
    span = {"low": unit, "high": unit + grain.unit}
    files = [str(written.path)]
    with store.transaction() as tx:
        if tx.row(check, table=table, **span) != tx.row(check + "_of_file", files=files, **span):
            log.info("compaction: rows came while %s was written", written.path.name)
            return False
        tx.changes_files = True
        if replaced:
            tx.execute("drop_cold_files", grain=grain.name, files=replaced)
        tx.execute(f"cooled_{grain.name}", **span)
        if written.rows:
            _, _, low, high = tx.rows("cold_print_of_file", files=files, **span)[0]
            tx.execute(
                "add_cold_file",
                grain=grain.name,
                file=written.path.name,
                unit=unit,
                low=low,
                high=high,
                rows=written.rows,
                bytes=written.bytes,
                sha256=written.sha256,
                now=now,
            )
    return True


def write(directory: Path, name: str, batches: Iterator[pa.RecordBatch]) -> Written:
    """A Parquet file of usage rows, on disk when this returns. `name` is made unique."""
    path = directory / f"{name}-{secrets.token_hex(8)}.parquet"
    rows = 0
    try:
        with pq.ParquetWriter(
            path,
            USAGE_SCHEMA,
            compression="zstd",
            compression_level=3,
            use_dictionary=[*_NAMES, "waiting"],
            column_encoding=dict.fromkeys(_WHOLE, "DELTA_BINARY_PACKED"),
            data_page_size=1 << 20,
        ) as parquet:
            for batch in batches:
                rows += batch.num_rows
                table = pa.Table.from_batches([batch]).select(USAGE_SCHEMA.names)
                parquet.write_table(table.cast(USAGE_SCHEMA), row_group_size=ROW_GROUP)
        _sync(path)
        _sync(directory)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Written(path, rows, path.stat().st_size, fingerprint(path))


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(store: Store, *, now: datetime) -> int:
    """Remove files no manifest names, a day after they were written or last named. Returns how
    many. The touch of files in use keeps those a saved state still names."""
    gone = 0
    with store.files:
        with store.transaction() as tx:  # no hand-over meanwhile
            named = {row[1] for row in tx.rows("cold_files")} | {"empty.parquet"}
        for path in store.cold.directory.glob("*.parquet"):
            if path.name in named:
                os.utime(path, (now.timestamp(), now.timestamp()))
            elif now.timestamp() - path.stat().st_mtime > ORPHAN_S:
                path.unlink(missing_ok=True)
                gone += 1
    return gone


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _floor(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % width
