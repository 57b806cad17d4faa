"""Forget one tenant, provably: afterwards no file under the data directory contains its id.

Deleting rows is not enough, since a database file keeps the bytes of what was deleted. So the whole
database is copied through a filter into a new file that takes the old one's place, and each Parquet
file that names the tenant is written anew. What is summed of the tenant stays, under a name all
erased tenants share, so that totals of closed periods and of shared resources stay true; its place
in the registry, its habits and every mention by id or by name go. Rendered reports that named it
are removed: they are made again from the statement when somebody asks.

What still arrives for it is dropped by the drain, which knows it by a salted digest only.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analyzer.cost.statement import sha256
from analyzer.store.database import Store
from analyzer.store.forgotten import ERASED, digest
from analyzer.store.outside import holding
from analyzer.store.reader import Reader
from analyzer.store.transcript import transcribe
from analyzer.upkeep.compaction import ROW_GROUP, Written, write
from collector.model import Rejected, Rejection

_OF_THE_TENANT = {"tenants": "id", "expected": "tenant", "baselines": "tenant"}
"""Tables whose rows of a tenant mean nothing without it, and the column that says whose they are.
"""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done. `left` are files that still hold the id, by name; they should be none."""

    id: str
    cells: int
    files: int
    left: tuple[str, ...] = ()


def erase(store: Store, tenant: str, *, now: datetime, by: str, data: Path) -> Erasure:
    """Forget a tenant everywhere under `data`. Nothing else is written meanwhile.

    Raises Rejected(NOT_FOUND) for an id nobody ever used, TimeoutError when queries do not end.
    """
    path = data / f"erasing-{secrets.token_hex(8)}.duckdb"
    with store.alone, store.still():
        with store.reader() as reader:
            scrub = _scrub(reader, tenant)
            weeks = [row[0] for row in reader.rows("weeks_naming", tenant=tenant)]
            anew = _cold_anew(store, reader, scrub)
            ident = f"era-{secrets.token_hex(8)}"
            try:
                _copy(reader, path, scrub, anew, ident=ident, now=now, by=by)
            except BaseException:
                for one in (path, *(written.path for written in anew.values())):
                    one.unlink(missing_ok=True)
                raise
        store.replace(path)
        for old in anew:
            (store.cold.directory / old).unlink(missing_ok=True)
        for week in weeks:
            shutil.rmtree(data / "reports" / week, ignore_errors=True)
        for copies in (data / "state", data / "spool" / "drained"):
            shutil.rmtree(copies, ignore_errors=True)
    return Erasure(ident, scrub.cells, len(anew), tuple(holding(data, tenant)))


def _scrub(reader: Reader, tenant: str) -> _Scrub:
    row = reader.row("tenant", id=tenant)
    if row is None or tenant.startswith("__"):
        raise Rejected(Rejection.NOT_FOUND, f"there is no tenant {tenant[:80]}", field="tenant")
    series = {row[0] for row in reader.rows("series_of", tenant=tenant)}
    return _Scrub(tenant, str(row[1] or ""), series)


def _copy(
    reader: Reader,
    path: Path,
    scrub: _Scrub,
    anew: dict[str, Written],
    *,
    ident: str,
    now: datetime,
    by: str,
) -> None:
    """The whole database without the tenant, closed, at `path`."""
    fresh = Store.open(path)
    try:
        transcribe(reader, fresh, scrub.table)
        _enter(fresh, scrub, anew, ident=ident, now=now, by=by)
        fresh.checkpoint()
    finally:
        fresh.close()


class _Scrub:
    """Takes an id, and the name it goes by, out of text."""

    def __init__(self, tenant: str, name: str, series: set[int]) -> None:
        self.tenant = tenant
        self.cells = 0
        self._series = pa.array(sorted(series), pa.int64())
        names = {tenant, json.dumps(tenant)[1:-1]}
        if len(name) > 2 and not name.startswith("__"):
            names |= {name, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]}
        each = "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))
        self._text = re.compile(rf"(?<![\w.\-])(?:{each})(?![\w\-]|\.\w)")
        self._hints = sorted(names)

    def table(self, name: str, batch: pa.Table) -> pa.Table:
        """A batch of a table without the tenant."""
        if name in _OF_THE_TENANT:
            own = pc.equal(batch.column(_OF_THE_TENANT[name]), self.tenant)
            self.cells += pc.sum(own).as_py() or 0
            batch = batch.filter(pc.invert(own))
        if name == "series_sids":  # its samples become samples of nobody
            batch = batch.filter(pc.invert(pc.is_in(batch.column("ix"), self._series)))
        changed = self._text_columns(batch)
        if name == "statements" and changed is not batch:
            digests = [sha256(content) for content in changed.column("content").to_pylist()]
            place = changed.column_names.index("sha256")
            changed = changed.set_column(place, "sha256", pa.array(digests, pa.string()))
        return changed

    def _text_columns(self, batch: pa.Table) -> pa.Table:
        for place, field in enumerate(batch.schema):
            if pa.types.is_string(field.type):
                batch = self._column(batch, place, field, self.text)
            elif pa.types.is_list(field.type) and pa.types.is_string(field.type.value_type):
                batch = self._column(batch, place, field, self._texts)
        return batch

    def _column(
        self, batch: pa.Table, place: int, field: pa.Field, change: Callable[[object], object]
    ) -> pa.Table:
        column = pl.Series(batch.column(place))
        text = column.list.join("\n") if column.dtype == pl.List(pl.String) else column
        hit = pl.lit(value=False)
        for hint in self._hints:
            hit |= pl.lit(text).str.contains(hint, literal=True).fill_null(value=False)
        there = pl.select(hit).to_series()
        if not there.any():
            return batch
        values = column.to_list()
        for at in there.arg_true().to_list():
            values[at] = change(values[at])
        return batch.set_column(place, field.name, pa.array(values, field.type))

    def text(self, value: object) -> object:
        """A text without the tenant."""
        if not isinstance(value, str):
            return value
        found, count = self._text.subn(ERASED, value)
        self.cells += count
        return found

    def _texts(self, values: object) -> object:
        return [self.text(value) for value in values] if isinstance(values, list) else values


def _cold_anew(store: Store, reader: Reader, scrub: _Scrub) -> dict[str, Written]:
    """Old file name -> its contents under a new name without the tenant."""
    directory = store.cold.directory
    named = [row[1] for row in reader.rows("cold_files")]
    if not named:
        return {}
    files = [str(directory / name) for name in named]
    hit = [r[0] for r in reader.rows("cold_files_of_tenant", files=files, tenant=scrub.tenant)]
    return {
        name: write(directory, name.rpartition("-")[0], _scrubbed(directory / name, scrub))
        for name in hit
    }


def _scrubbed(path: Path, scrub: _Scrub) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROW_GROUP):
            yield from scrub.table("cold", pa.Table.from_batches([batch])).to_batches()


def _enter(
    fresh: Store,
    scrub: _Scrub,
    anew: dict[str, Written],
    *,
    ident: str,
    now: datetime,
    by: str,
) -> None:
    """Name the new files, and write down that somebody was forgotten."""
    salt = secrets.token_hex(16)
    with fresh.transaction() as tx:
        tx.changes_files = True
        for old, written in anew.items():
            tx.execute(
                "rename_cold_file",
                old=old,
                file=written.path.name,
                bytes=written.bytes,
                sha256=written.sha256,
            )
        tx.execute(
            "add_erasure",
            id=ident,
            at=now.astimezone(UTC).replace(tzinfo=None),
            salt=salt,
            digest=digest(salt, scrub.tenant),
            by=by,
            cells=scrub.cells,
            files=len(anew),
        )
