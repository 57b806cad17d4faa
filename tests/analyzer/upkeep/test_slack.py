"""Free room of the database file is given back, and a crash on the way costs nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from analyzer.store.database import BLOCK, Store
from analyzer.store.transcript import transcribe
from analyzer.upkeep import slack
from analyzer.upkeep.slack import give_back
from tests.analyzer.ingest.door import _ask
from tests.analyzer.upkeep.dying import killed_at

FILE = "partywall.duckdb"


def filled(data: Path, kept: int = 5) -> Store:
    """A store whose file is large because of rows long gone."""
    store = Store.open(data / FILE, threads=1)
    for rows in (90_000, kept):
        store._connection.execute("DELETE FROM watched")
        words = pa.array([f"{k * 7919:x}" * 20 for k in range(rows)])
        store.put("watched", pa.table({"resource": words, "since_ms": pa.array(range(rows))}))
        store.checkpoint()
    return store


def watched(store: Store) -> int:
    return int(_ask(store, "SELECT count(*) FROM watched")[0][0])


def test_a_file_of_mostly_free_room_gets_smaller_and_says_the_same(tmp_path) -> None:
    store = filled(tmp_path)
    before = (tmp_path / FILE).stat().st_size
    told = [_ask(store, f"SELECT * FROM {t} ORDER BY ALL") for t in ("watched", "latency_bounds")]  # noqa: S608
    gained = give_back(store, tmp_path, worth=BLOCK)
    after = (tmp_path / FILE).stat().st_size
    assert (gained > before / 2, after < before / 2, watched(store)) == (True, True, 5)
    assert told == [
        _ask(store, f"SELECT * FROM {t} ORDER BY ALL")  # noqa: S608
        for t in ("watched", "latency_bounds")
    ]
    assert give_back(store, tmp_path, worth=BLOCK) == 0, "nothing is left to give back"
    store.put("watched", pa.table({"resource": ["db:1"], "since_ms": [1]}))
    store.close()
    again = Store.open(tmp_path / FILE, threads=1)
    assert watched(again) == 6
    again.close()


def test_room_that_is_not_worth_it_stays(tmp_path) -> None:
    store = filled(tmp_path)
    before = (tmp_path / FILE).stat().st_size
    assert (give_back(store, tmp_path, worth=2**26), (tmp_path / FILE).stat().st_size) == (
        0,
        before,
    )
    store.close()


def test_a_file_of_large_blocks_is_copied_once(tmp_path) -> None:
    duckdb.connect(str(tmp_path / FILE), config={"default_block_size": "262144"}).close()
    store = Store.open(tmp_path / FILE, threads=1)
    store.put("watched", pa.table({"resource": ["db:1"], "since_ms": [1]}))
    assert give_back(store, tmp_path) > 0
    assert store.rows("database_blocks")[0][0] == BLOCK
    assert (watched(store), give_back(store, tmp_path)) == (1, 0)
    store.close()


def test_while_a_query_runs_the_old_file_stays(tmp_path, monkeypatch) -> None:
    store = filled(tmp_path)
    replace = store.replace
    monkeypatch.setattr(store, "replace", lambda file: replace(file, patience_s=0.1))
    with store.reader(), pytest.raises(TimeoutError):
        give_back(store, tmp_path, worth=BLOCK)
    assert sorted(path.suffix for path in tmp_path.glob("*.duckdb*")) == [".duckdb"]
    assert watched(store) == 5
    store.close()


def test_who_writes_while_it_copies_waits_and_is_not_lost(tmp_path, monkeypatch) -> None:
    store = filled(tmp_path)
    done: list[str] = []

    def write() -> None:
        with store.transaction() as tx:
            tx.load("add_watched", pa.table({"resource": ["db:1"], "since_ms": [1]}))
        done.append("written")

    writer = threading.Thread(target=write)

    def copy(*args: Any) -> None:
        writer.start()
        transcribe(*args)
        done.append("copied")

    monkeypatch.setattr(slack, "transcribe", copy)
    gained = give_back(store, tmp_path, worth=BLOCK)
    writer.join()
    assert (gained > 0, watched(store), done) == (True, 6, ["copied", "written"])
    store.close()


@pytest.mark.parametrize("every", [211, pytest.param(7, marks=pytest.mark.soak)])
def test_killed_at_any_line_the_file_is_the_old_or_the_new_one(tmp_path, every) -> None:
    filled(tmp_path, kept=5_000).close()
    died = 0
    line = 0

    def work(store: Store) -> None:
        give_back(store, tmp_path, worth=BLOCK)

    while killed_at(line, tmp_path / FILE, work, "slack.py", "database.py", "reader.py"):
        died += 1
        line += every
        store = Store.open(tmp_path / FILE, threads=1)
        assert (watched(store), store.rows("database_blocks")[0][0]) == (5_000, BLOCK)
        store.close()
    assert died > 3
    store = Store.open(tmp_path / FILE, threads=1)
    give_back(store, tmp_path, worth=BLOCK)
    assert not [*tmp_path.glob("shrinking-*")], "what a dead process left is removed"
    store.close()
