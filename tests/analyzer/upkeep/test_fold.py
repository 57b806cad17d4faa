"""A long write-ahead log is folded into the file, a short one is left."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from analyzer.store.database import Store
from analyzer.upkeep.fold import fold_long_log


def test_only_a_long_log_is_folded_and_nothing_is_lost(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "partywall.duckdb", threads=1)
    store.checkpoint()
    assert store.log_bytes == 0
    words = pa.array([f"db:{k}" for k in range(20_000)])
    store.put("watched", pa.table({"resource": words, "since_ms": pa.array(range(20_000))}))
    long = store.log_bytes
    assert long > 100_000
    assert not fold_long_log(store, long=long)
    assert store.log_bytes == long
    assert fold_long_log(store, long=long - 1)
    assert store.log_bytes < long
    store.close()
    again = Store.open(tmp_path / "partywall.duckdb", threads=1)
    assert again.rows("watched")[-1][1] == 19_999
    again.close()


def groups(store: Store) -> int:
    """Row groups of the table `watched`."""
    found = store._connection.execute(
        "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('watched')"
    ).fetchone()
    assert found is not None
    return int(found[0])


def test_folding_packs_nothing_anew_and_the_checkpoint_of_ten_minutes_does(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "partywall.duckdb", threads=1)
    words = pa.array([f"db:{k}" for k in range(20_000)])
    rows = pa.table({"resource": words, "since_ms": pa.array(range(20_000))})
    for _ in range(4):
        store.put("watched", rows)
        assert fold_long_log(store, long=0)
    assert groups(store) == 4
    store.put("watched", rows)  # tables nobody wrote to are left alone
    store.checkpoint()
    assert groups(store) < 4
    assert len(store.rows("watched")) == 100_000
    store.close()


def test_a_store_in_memory_has_no_log() -> None:
    store = Store.open(None)
    assert (store.log_bytes, fold_long_log(store)) == (0, False)
    store.close()
