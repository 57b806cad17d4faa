"""The one door to the database."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import cast

import duckdb
import pyarrow as pa
import pytest

from analyzer.store.database import Store
from analyzer.store.reader import queries
from collector.model import LATENCY_BOUNDS


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open(None, threads=1)
    yield opened
    opened.close()


def add(store: Store, *ids: str) -> int:
    with store.transaction() as tx:
        return tx.load("add_watched", pa.table({"resource": list(ids), "since_ms": [1] * len(ids)}))


def test_a_transaction_writes_all_of_its_block(store) -> None:
    assert add(store, "db:1", "db:2") == 2
    assert store.rows("watched") == [("db:1", 1), ("db:2", 1)]


def test_a_transaction_that_fails_writes_nothing(store) -> None:
    def change_mind() -> None:
        with store.transaction() as tx:
            tx.load("add_watched", pa.table({"resource": ["db:1"], "since_ms": [1]}))
            raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        change_mind()
    assert store.rows("watched") == []
    assert add(store, "db:2") == 1


def test_a_statement_that_fails_leaves_the_store_usable(store) -> None:
    with pytest.raises(duckdb.Error), store.transaction() as tx:
        tx.load("add_watched", pa.table({"resource": ["db:1"], "since_ms": ["not a number"]}))
    assert add(store, "db:2") == 1


def test_a_transaction_inside_a_transaction_is_refused(store) -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"), store.transaction():
        add(store, "db:1")
    assert add(store, "db:2") == 1


def test_readers_see_what_was_committed_while_another_writes(store) -> None:
    add(store, "db:1")
    with store.transaction() as tx:
        tx.load("add_watched", pa.table({"resource": ["db:2"], "since_ms": [1]}))
        assert store.rows("watched") == [("db:1", 1)]
    assert len(store.rows("watched")) == 2


def test_threads_write_one_after_the_other(store) -> None:
    threads = [threading.Thread(target=add, args=(store, f"db:{k}")) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.rows("watched")) == 8


def test_migrations_run_once_and_what_was_written_stays(tmp_path) -> None:
    path = tmp_path / "new" / "partywall.duckdb"
    first = Store.open(path, threads=1)
    add(first, "db:1")
    first.checkpoint()
    first.close()
    again = Store.open(path, threads=1)
    assert again.rows("watched") == [("db:1", 1)]
    again.close()


def test_the_default_latency_grid_is_the_collectors(store) -> None:
    assert store.rows("latency_bounds") == [(0, list(LATENCY_BOUNDS))]


def test_results_come_as_tuples_records_and_frames(store) -> None:
    add(store, "db:1")
    assert store.records("watched") == [{"resource": "db:1", "since_ms": 1}]
    assert store.frame("watched").to_dicts() == [{"resource": "db:1", "since_ms": 1}]


def test_every_query_has_a_name_of_its_own_and_text() -> None:
    assert len(queries()) > 30
    assert [name for name, text in queries().items() if not text] == []


def test_a_query_does_not_search_the_path_for_pandas(store):
    if find_spec("pandas") is not None:
        pytest.skip("pandas is installed")
    asked: list[str] = []

    class Listening(MetaPathFinder):
        def find_spec(self, fullname: str, *_: object, **__: object) -> None:
            asked.append(fullname)

    sys.meta_path.append(Listening())
    try:
        store.rows("routing_plans", names=["acme"])
        with pytest.raises(ImportError):
            import_module("pandas")
    finally:
        sys.meta_path.pop()
    assert asked.count("pandas") == 1  # ours, which was let through


class Busy:
    """A connection that refuses to checkpoint so many times, as DuckDB does beside another one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, times: int) -> None:
        self._connection = connection
        self.times = times

    def execute(self, sql: str, *params: object) -> object:
        if sql == "CHECKPOINT" and self.times:
            self.times -= 1
            raise duckdb.TransactionException("Cannot CHECKPOINT: there are other writers")
        return self._connection.execute(sql, *params)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def test_a_checkpoint_that_is_refused_is_tried_again_and_not_for_ever(tmp_path):
    opened = Store.open(tmp_path / "p.duckdb", threads=1)
    add(opened, "db:1")
    assert (tmp_path / "p.duckdb.wal").exists()
    real = opened._connection
    opened._connection = cast(duckdb.DuckDBPyConnection, Busy(real, 3))
    with pytest.raises(duckdb.TransactionException):
        opened.checkpoint(patience_s=0)
    assert (tmp_path / "p.duckdb.wal").exists()
    opened.checkpoint()
    assert not (tmp_path / "p.duckdb.wal").exists()
    opened._connection = real
    opened.close()
