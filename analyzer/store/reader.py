"""Named queries, and who runs them: a reader, and a transaction that also writes.

Queries live in `analyzer/sql/*.sql`, each under a line `-- name: its_name`; parameters are
`$named`. The SQL keeps to what DuckDB and DuckLake share (no keys, indexes, sequences, ON CONFLICT
or RETURNING), so that the same text can run on a lake.

Old usage lives in Parquet files beside the database (`analyzer.compaction`); the table `cold_files`
names those that count. The views `usage_10s`, `usage_1m` and `usage_1h` show hot rows and files as
one, through the session variable `cold` that every cursor is given here. A query that met a change
of the files is run again, so it sees a row once: hot or cold.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib import resources
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from analyzer.store.narrowing import narrowed
from analyzer.store.seal import Seal
from collector.model import USAGE_SCHEMA

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_OF_FILES = re.compile(r"\b(usage|cold)_(10s|1m|1h|spans)\b|query_table")
A = TypeVar("A")
COLD_GRAINS = ("10s", "1m", "1h")
"""Grains whose old rows move into Parquet; days are few and stay."""


@cache
def queries() -> Mapping[str, str]:
    """Every named query of `analyzer/sql`. Raises ValueError on a name used twice."""
    found: dict[str, str] = {}
    for file in sorted(resources.files("analyzer.sql").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            parts = _NAME.split(file.read_text("utf-8"))
            for name, text in zip(parts[1::2], parts[2::2], strict=True):
                if name in found:
                    raise ValueError(f"query {name} is defined twice ({file.name})")
                found[name] = text.strip()
    return found


def _of_files(name: str) -> bool:
    return _reads_files(queries()[name])


@cache
def _reads_files(text: str) -> bool:
    return bool(_OF_FILES.search(text))


class Cold:
    """Which Parquet files are part of the database, as committed. Safe for several threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.RLock()
        self._turn = 1
        self._files: dict[str, list[str]] = {}
        self.newest: Mapping[str, datetime] = {}
        """Of each grain that has files: the last window in them."""
        directory.mkdir(parents=True, exist_ok=True)
        self._empty = directory / "empty.parquet"  # what a view shows while a grain has no file
        if not self._empty.exists():
            pq.write_table(USAGE_SCHEMA.empty_table(), self._empty)

    @property
    def turn(self) -> int:
        """Changes whenever the files do."""
        return self._turn

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody looks while the files change."""
        with self._lock:
            self._turn += 1
            yield

    def load(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Take the files the manifest names."""
        found: dict[str, list[str]] = {}
        newest: dict[str, datetime] = {}
        for grain, file, high in cursor.execute(queries()["cold_files"]).fetchall():
            found.setdefault(grain, []).append(str(self.directory / file))
            newest[grain] = max(high, newest.get(grain, high))
        with self._lock:
            self._turn += 1
            self._files, self.newest = found, newest

    def show(self, cursor: duckdb.DuckDBPyConnection, seen: int) -> int:
        """Show a cursor that saw the turn `seen` the files of now. Returns the turn of now."""
        with self._lock:
            if seen != self._turn:
                named = [self._files.get(grain, [str(self._empty)]) for grain in COLD_GRAINS]
                _run(cursor, queries()["show_cold"], named)
            return self._turn


class Reader:
    """Runs named queries on one cursor. Parameters and results are plain values; `seal` opens
    what is stored encrypted."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, cold: Cold, seal: Seal) -> None:
        self._cursor = cursor
        self._cold = cold
        self._seen = 0
        self.seal = seal

    def rows(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a query, as tuples."""
        found: list[tuple[Any, ...]] = self._ask(name, params, lambda result: result.fetchall())
        return found

    def row(self, name: str, /, **params: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        found: tuple[Any, ...] | None = self._ask(name, params, lambda result: result.fetchone())
        return found

    def records(self, name: str, /, **params: Any) -> list[dict[str, Any]]:
        """All rows of a query, as dicts by column name."""
        names, rows = self._ask(name, params, lambda result: (_names(result), result.fetchall()))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def arrow(self, name: str, /, **params: Any) -> pa.Table:
        """The whole result as an Arrow table (zero copy into NumPy and Polars)."""
        return self._ask(name, params, lambda result: result.to_arrow_table())

    def batches(self, name: str, /, size: int, **params: Any) -> Iterator[pa.RecordBatch]:
        """The result in batches of `size` rows, never whole in memory. Of one moment, but not of
        this one if files change meanwhile: for those who hold the writer's lock, or check after.
        """
        self._show(name)
        result = self._run(name, params)
        yield from result.to_arrow_reader(size)

    def _ask(self, name: str, params: Mapping[str, Any], take: Callable[[Any], A]) -> A:
        while True:
            turn, text, given = self._prepared(name, params)
            try:
                answer = take(_run(self._cursor, text, given))
            except duckdb.IOException:
                if turn in (0, self._cold.turn):
                    raise
                continue
            if turn in (0, self._cold.turn):
                return answer

    def _prepared(self, name: str, params: Mapping[str, Any]) -> tuple[int, str, Mapping[str, Any]]:
        """The query as it is to be run, and in which turn of the files (0: they do not matter)."""
        if not _of_files(name):
            return 0, queries()[name], params
        while True:
            turn = self._cold.turn
            text, given = narrowed(queries()[name], params, self._cold.newest)
            if not _reads_files(text) or self._show(name) == turn:
                return turn, text, given

    def _run(self, name: str, params: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        return _run(self._cursor, *narrowed(queries()[name], params, self._cold.newest))

    def _show(self, name: str) -> int:
        """Show the cursor the files if the query reads them; 0 if it does not."""
        if not _of_files(name):
            return 0
        self._seen = self._cold.show(self._cursor, self._seen)
        return self._seen

    def frame(self, name: str, /, **params: Any) -> pl.DataFrame:
        """The whole result as a Polars frame."""
        return pl.DataFrame(pl.from_arrow(self.arrow(name, **params)))


class _NoPandas(threading.local, MetaPathFinder):
    """DuckDB looks for pandas at every parameter it is given. Where pandas is not installed,
    searching the whole path for it each time is more than half of a small query: this one ends the
    search at once, while a query of ours begins and for nobody else."""

    asking = False

    def find_spec(self, fullname: str, *_: object, **__: object) -> None:
        if self.asking and fullname == "pandas":
            raise ModuleNotFoundError("no pandas here", name=fullname)


_no_pandas = _NoPandas()
if find_spec("pandas") is None:
    sys.meta_path.insert(0, _no_pandas)


def _run(
    cursor: duckdb.DuckDBPyConnection, text: str, params: Mapping[str, Any] | Sequence[object]
) -> duckdb.DuckDBPyConnection:
    _no_pandas.asking = True
    try:
        return cursor.execute(text, params)
    finally:
        _no_pandas.asking = False


def _names(result: duckdb.DuckDBPyConnection) -> list[str]:
    return [column[0] for column in result.description or ()]


class Transaction(Reader):
    """A reader that may also write. Made by `Store.transaction`; commits when that block ends."""

    changes_files = False
    """Set by who writes to `cold_files`: readers must not miss it."""

    def execute(self, name: str, /, **params: Any) -> int:
        """Run a statement. Returns how many rows it wrote or removed."""
        self._show(name)
        return _changed(self._run(name, params))

    def load(self, name: str, batch: pa.Table, /, **params: Any) -> int:
        """`execute` for a statement that reads the in-memory table `batch`."""
        self._show(name)
        self._cursor.register("batch", batch)
        try:
            return _changed(self._run(name, params))
        finally:
            self._cursor.unregister("batch")

    def migrate(self, name: str, text: str, /) -> None:
        """Run a migration and note that it ran."""
        self._cold.show(self._cursor, 0)  # views are bound when they are made
        self._cursor.execute(text)
        self._cursor.execute("INSERT INTO migrations VALUES (?, current_localtimestamp())", [name])


def _changed(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.fetchone() if cursor.description else None
    return row[0] if row and isinstance(row[0], int) else 0
