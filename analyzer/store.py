"""The only door to DuckDB: one file, one owner, named queries, one writer at a time.

Queries live in `analyzer/sql/*.sql`, each under a line `-- name: its_name`; parameters are
`$named`. Migrations live in `analyzer/sql/migrations/NNNN_*.sql` and run once, in order, at open.
The SQL keeps to what DuckDB and DuckLake share (no keys, indexes, sequences, ON CONFLICT or
RETURNING), so that the same text can run on a lake.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from analyzer.seal import Seal

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


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


class Reader:
    """Runs named queries on one cursor. Parameters and results are plain values; `seal` opens
    what is stored encrypted."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, seal: Seal) -> None:
        self._cursor = cursor
        self.seal = seal

    def rows(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a query, as tuples."""
        return self._cursor.execute(queries()[name], params).fetchall()

    def row(self, name: str, /, **params: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        return self._cursor.execute(queries()[name], params).fetchone()

    def records(self, name: str, /, **params: Any) -> list[dict[str, Any]]:
        """All rows of a query, as dicts by column name."""
        result = self._cursor.execute(queries()[name], params)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def arrow(self, name: str, /, **params: Any) -> pa.Table:
        """The whole result as an Arrow table (zero copy into NumPy and Polars)."""
        return self._cursor.execute(queries()[name], params).to_arrow_table()

    def frame(self, name: str, /, **params: Any) -> pl.DataFrame:
        """The whole result as a Polars frame."""
        return pl.DataFrame(pl.from_arrow(self.arrow(name, **params)))


class Transaction(Reader):
    """A reader that may also write. Made by `Store.transaction`; commits when that block ends."""

    def execute(self, name: str, /, **params: Any) -> int:
        """Run a statement. Returns how many rows it wrote or removed."""
        return _changed(self._cursor.execute(queries()[name], params))

    def load(self, name: str, batch: pa.Table, /, **params: Any) -> int:
        """`execute` for a statement that reads the in-memory table `batch`."""
        self._cursor.register("batch", batch)
        try:
            return _changed(self._cursor.execute(queries()[name], params))
        finally:
            self._cursor.unregister("batch")

    def migrate(self, name: str, text: str, /) -> None:
        """Run a migration and note that it ran."""
        self._cursor.execute(text)
        self._cursor.execute("INSERT INTO migrations VALUES (?, current_localtimestamp())", [name])


def _changed(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.fetchone() if cursor.description else None
    return row[0] if row and isinstance(row[0], int) else 0


class StoreBusyError(Exception):
    """Another process owns the file; DuckDB lets nobody else even read it."""


class Store:
    """Owns the database. Any number of threads may read; `transaction` lets one write at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seal: Seal | None = None) -> None:
        self._connection = connection
        self._seal = seal or Seal()
        self._writer = threading.RLock()
        self._writing = False

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        memory_limit: str = "2GB",
        threads: int = 2,
        keys: Sequence[str] = (),
    ) -> Store:
        """Open or create the file (None: in memory) and migrate it.

        Secrets are sealed with `keys`, or with those of `secrets.key` beside the file. Raises
        StoreBusyError when another process owns the file.
        """
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            # A checkpoint inside a commit is the tail of the latency: we checkpoint on purpose.
            "checkpoint_threshold": "512MB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            connection = duckdb.connect(str(path) if path else ":memory:", config=config)
        except duckdb.IOException as owned:
            raise StoreBusyError(str(owned).splitlines()[0]) from owned
        connection.execute("SET TimeZone = 'UTC'")  # known only once connected
        store = cls(connection, Seal(path.with_name("secrets.key") if path else None, keys))
        store._migrate()
        return store

    def _migrate(self) -> None:
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (id VARCHAR, applied_at TIMESTAMP)"
        )
        done = {row[0] for row in self._connection.execute("SELECT id FROM migrations").fetchall()}
        folder = resources.files("analyzer.sql") / "migrations"
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if file.name.endswith(".sql") and file.name not in done:
                with self.transaction() as tx:
                    tx.migrate(file.name, file.read_text("utf-8"))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One writer at a time; everything in the block is committed, or none of it.

        Raises RuntimeError inside another transaction of the same thread: it could be committed
        while that one is rolled back.
        """
        with self._writer:
            if self._writing:
                raise RuntimeError("a transaction inside a transaction: pass the outer one on")
            self._writing = True
            cursor = self._connection.cursor()
            try:
                cursor.execute("BEGIN")
                yield Transaction(cursor, self._seal)
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):  # DuckDB may have ended it already
                    cursor.execute("ROLLBACK")
                raise
            finally:
                self._writing = False
                cursor.close()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A cursor of its own, for one thread; readers never wait for the writer."""
        cursor = self._connection.cursor()
        try:
            yield Reader(cursor, self._seal)
        finally:
            cursor.close()

    def rows(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """`Reader.rows` on a cursor of its own."""
        with self.reader() as reader:
            return reader.rows(name, **params)

    def records(self, name: str, /, **params: Any) -> list[dict[str, Any]]:
        """`Reader.records` on a cursor of its own."""
        with self.reader() as reader:
            return reader.records(name, **params)

    def frame(self, name: str, /, **params: Any) -> pl.DataFrame:
        """`Reader.frame` on a cursor of its own."""
        with self.reader() as reader:
            return reader.frame(name, **params)

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file."""
        with self._writer:
            self._connection.execute("CHECKPOINT")

    def close(self) -> None:
        """Release the file."""
        with self._writer:
            self._connection.close()
