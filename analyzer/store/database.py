"""The only door to DuckDB: one file, one owner, named queries, one writer at a time.

Migrations live in `analyzer/sql/migrations/NNNN_*.sql` and run once, in order, at open. What runs
the queries stands in `analyzer.store.reader`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from analyzer.store.reader import Cold, Reader, Transaction
from analyzer.store.seal import Seal

BLOCK = 65_536
"""Bytes of a block in new files: every table holds two at least. The smallest in which integers are
still bit-packed; with DuckDB's default of 262,144 a small database is four times as large."""

MERGES = 16
"""Runs of row groups packed anew by a checkpoint: a few seconds at most, and writers wait."""


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class StoreBusyError(Exception):
    """Another process owns the file; DuckDB lets nobody else even read it."""


def _connect(
    path: Path | None, place: Path, limits: Mapping[str, Any]
) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        **limits,
        # A checkpoint inside a commit is the tail of the latency: we checkpoint on purpose.
        "checkpoint_threshold": "512MB",
        "default_block_size": str(BLOCK),
        "storage_compatibility_version": "v1.4.0",  # text as dictionaries of packed strings
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": str(place / "partywall.duckdb.tmp"),
    }
    try:
        connection = duckdb.connect(str(path) if path else ":memory:", config=config)
    except duckdb.IOException as owned:
        raise StoreBusyError(str(owned).splitlines()[0]) from owned
    connection.execute("SET TimeZone = 'UTC'")  # known only once connected
    # Files never change: a footer is read once.
    connection.execute("SET GLOBAL parquet_metadata_cache = true")
    connection.execute("SET allowed_directories = $1", [[str(place / "cold")]])
    connection.execute("SET enable_external_access = false")
    return connection


class Store:
    """Owns the database. Any number of threads may read; `transaction` lets one write at a time."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        cold: Cold,
        *,
        seal: Seal | None = None,
        temporary: Path | None = None,
    ) -> None:
        self._connection = connection
        self.cold = cold
        self._seal = seal or Seal()
        if temporary is not None:  # holds the files of a store in memory
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
        self._path: Path | None = None
        self._limits: Mapping[str, Any] = {}
        self._writer = threading.RLock()
        self._writing = False
        self._inside = threading.Condition()
        self._readers = 0
        self.epoch = 0
        """Changes when the whole database was replaced: what was remembered of it is void."""
        self.alone = threading.RLock()
        """Held by a cycle, and by who must not meet one half done."""
        self.files = threading.RLock()
        """Held by who removes Parquet files, and by who needs them to stay."""

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        memory_limit: str = "2GB",
        threads: int = 2,
        keys: Sequence[str] = (),
    ) -> Store:
        """Open or create the file (None: in memory) and migrate it. SQL reaches no other files
        than it and the Parquet files in `cold` beside it.


        Secrets are sealed with `keys`, or with those of `secrets.key` beside the file. Raises
        StoreBusyError when another process owns the file.
        """
        temporary = None if path else Path(tempfile.mkdtemp(prefix="partywall-"))
        place = temporary or (path or Path()).absolute().parent
        place.mkdir(parents=True, exist_ok=True)
        cold = Cold(place / "cold")
        limits: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
        connection = _connect(path, place, limits)
        seal = Seal(path.with_name("secrets.key") if path else None, keys)
        store = cls(connection, cold, seal=seal, temporary=temporary)
        store._path, store._limits = path, limits
        store._migrate()
        cold.load(connection)
        cold.show(connection, 0)
        return store

    def _migrate(self) -> None:
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (id VARCHAR, applied_at TIMESTAMP)"
        )
        done = {row[0] for row in self._connection.execute("SELECT id FROM migrations").fetchall()}
        folder = resources.files("analyzer.sql") / "migrations"
        missing = [f for f in folder.iterdir() if f.name.endswith(".sql") and f.name not in done]
        if missing:
            with self.transaction() as tx:  # all or none: half a step up is no database of ours
                for file in sorted(missing, key=lambda f: f.name):
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
                tx = Transaction(cursor, self.cold, self._seal)
                yield tx
                self._commit(tx, cursor)
            except BaseException:
                with suppress(duckdb.Error):  # DuckDB may have ended it already
                    cursor.execute("ROLLBACK")
                raise
            finally:
                self._writing = False
                cursor.close()

    @contextmanager
    def on_one_thread(self) -> Iterator[None]:
        """For bulk writing: shared among threads the same rows cost up to twice the CPU time.

        Readers meanwhile have one thread as well.
        """
        with self._writer, closing(self._connection.cursor()) as cursor:
            row = cursor.execute("SELECT current_setting('threads')").fetchone()
            assert row is not None
            cursor.execute("SET threads = 1")
            try:
                yield
            finally:
                cursor.execute("SET threads = $1", row)

    def _commit(self, tx: Transaction, cursor: duckdb.DuckDBPyConnection) -> None:
        if not tx.changes_files:
            cursor.execute("COMMIT")
            return
        with self.cold.changing():
            cursor.execute("COMMIT")
            self.cold.load(cursor)

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A cursor of its own, for one thread; readers never wait for the writer."""
        with self._inside:  # waits only while the file is being replaced
            self._readers += 1
            cursor = self._connection.cursor()
        try:
            yield Reader(cursor, self.cold, self._seal)
        finally:
            cursor.close()
            with self._inside:
                self._readers -= 1
                self._inside.notify_all()

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

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nobody else writes meanwhile."""
        with self._writer:
            yield

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """A reader that sees one moment, however long it reads and whatever is written."""
        with self.reader() as reader:
            reader._cursor.execute("BEGIN")
            yield reader

    def put(self, table: str, batch: pa.Table) -> None:
        """Append rows to a table by name: for copies of the whole database, where no query can
        know the tables. Columns the table does not have are left out.
        """
        with self._writer:
            cursor = self._connection.cursor()
            try:
                names = cursor.table(table).columns
                missing = [name for name in names if name not in batch.column_names]
                for name in missing:
                    batch = batch.append_column(name, pa.nulls(len(batch)))
                if len(batch):
                    cursor.from_arrow(batch.select(names)).insert_into(table)
            finally:
                cursor.close()

    def replace(self, file: Path, *, patience_s: float = 30.0) -> None:
        """Put a closed database file in the place of this one; readers wait that long.

        The old file is closed first, so that no write-ahead log is left that would be applied to
        the new one. Raises TimeoutError when readers do not finish in `patience_s`, OSError when
        the old file cannot be folded or replaced: it stays then.
        """
        assert self._path is not None, "a store in memory has no file"
        with self._writer, self._inside:
            if not self._inside.wait_for(lambda: self._readers == 0, patience_s):
                raise TimeoutError(f"queries still run after {patience_s:g} s, try again")
            self._connection.close()
            try:
                if self._path.with_name(self._path.name + ".wal").exists():
                    raise OSError("the old file could not be checkpointed, it stays")
                os.replace(file, self._path)
                _sync(self._path.parent)
            finally:
                place = self._path.absolute().parent
                self._connection = _connect(self._path, place, self._limits)
                self.cold.load(self._connection)
                self.cold.show(self._connection, 0)
                self.epoch += 1

    @property
    def log_bytes(self) -> int:
        """Size of the write-ahead log. What is in it is in memory as well, uncompressed."""
        log = self._path and self._path.with_name(self._path.name + ".wal")
        return log.stat().st_size if log and log.exists() else 0

    def checkpoint(self, *, merges: int = MERGES, patience_s: float = 30.0) -> None:
        """Fold the write-ahead log into the file. Of neighbouring row groups that are not full at
        most `merges` runs (two or three groups each) are packed anew.

        DuckDB sometimes refuses (seen just after a recovery); then it is asked again. Raises
        duckdb.TransactionException when it still refuses after `patience_s`.
        """
        deadline = time.monotonic() + patience_s
        while True:
            try:
                with self.on_one_thread():
                    self._connection.execute("SET max_vacuum_tasks = $1", [merges])
                    self._connection.execute("CHECKPOINT")
            except duckdb.TransactionException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # not with the writer's lock held
            else:
                return

    def close(self) -> None:
        """Release the file."""
        with self._writer:
            self._connection.close()
