"""The right to be forgotten: searched for in the bytes of every file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from analyzer.store.forgotten import ERASED, Forgotten
from analyzer.store.outside import holding
from analyzer.upkeep.compaction import compact
from analyzer.upkeep.erasure import erase
from collector.model import Rejected, Samples, Series
from tests.analyzer.ingest.door import SPOOL, FakeDoor, _ask, samples, series
from tests.analyzer.upkeep.test_compaction import SOON
from tests.analyzer.usage.test_rollup import AT, DAY, Usage

GONE = "quagga-7731"
NAME = "Quagga & Söhne"


def bytes_with(data: Path, *texts: str) -> list[str]:
    """Files that hold one of the texts, found without any help of the product."""
    sought = [text.encode() for text in texts]
    files = [path for path in data.rglob("*") if path.is_file()]
    return [f.name for f in files if any(text in f.read_bytes() for text in sought)]


def write_everywhere(store: Store) -> int:
    """A row in every table that names the tenant in every text column; returns the tables."""
    columns = "SELECT table_name, list(column_name), list(data_type) FROM duckdb_columns() "
    real = (
        "WHERE NOT internal AND table_name IN (SELECT table_name FROM duckdb_tables()) GROUP BY 1"
    )
    told = 0
    for table, names, types in _ask(store, columns + real):
        values: list[Any] = []
        for name, kind in zip(names, types, strict=True):
            own = (
                GONE if name in ("tenant", "id") else f'{{"who": "{GONE}", "of": "{NAME}"}} {GONE}.'
            )
            values.append({"VARCHAR": own, "VARCHAR[]": ["other", own]}.get(kind))
        skipped = table in ("migrations", "cold_files")
        if not skipped and any(value is not None for value in values):
            named = ", ".join(f'"{name}"' for name in names)
            marks = ", ".join("?" * len(names))
            sql = f"INSERT INTO {table} ({named}) VALUES ({marks})"  # noqa: S608
            store._connection.execute(sql, values)
            told += 1
    return told


@pytest.fixture
def data(tmp_path) -> Iterator[tuple[Path, Usage]]:
    store = Store.open(tmp_path / "partywall.duckdb", threads=1)
    usage = Usage(store)
    usage.put(
        *[
            {"at": 600 * k + day * DAY, "count": 1 + k, "busy_us": k, "b03": k, "tenant": tenant}
            for k in range(6)
            for day in (0, 12)
            for tenant in (GONE, "acme", f"{GONE}-2")
        ]
    )
    usage.roll()
    compact(store, now=AT + timedelta(days=40), settings=SOON)
    store._connection.execute("UPDATE tenants SET name = ? WHERE id = ?", [NAME, GONE])
    report = tmp_path / "reports" / "2026-W02" / "v1"
    report.mkdir(parents=True)
    (report / "2026-W02.html").write_text(f"<td>{GONE}</td>")
    sql = "INSERT INTO statements (week, version, content) VALUES ('2026-W02', 1, ?)"
    store._connection.execute(sql, [f'{{"tenants": [{{"tenant": "{GONE}", "total": "1.00"}}]}}'])
    yield tmp_path, usage
    store.close()


def totals(store: Store) -> list[list[tuple[Any, ...]]]:
    text = 'SELECT ts, sum("count"), sum(busy_us), sum(b03) FROM usage_{} GROUP BY ts ORDER BY ts'
    return [_ask(store, text.format(grain)) for grain in ("10s", "1m", "1h", "1d")]


def test_no_file_holds_the_id_or_the_name_and_the_sums_stay(data) -> None:
    directory, usage = data
    assert write_everywhere(usage.store) > 25
    before = totals(usage.store)
    found = bytes_with(directory, GONE, NAME)
    assert len(found) > 4, "the search must be able to find something"
    done = erase(usage.store, GONE, now=AT, by="ann", data=directory)
    assert (done.left, done.files > 2, done.cells > 50) == ((), True, True)
    other = f"{GONE}-2".encode()
    for path in directory.rglob("*"):
        if path.is_file():
            whole = path.read_bytes().replace(other, b"")
            assert (GONE.encode() in whole, NAME.encode() in whole) == (False, False), path.name
    assert totals(usage.store) == before
    names = {row[0] for row in _ask(usage.store, "SELECT DISTINCT tenant FROM usage_1d")}
    assert {ERASED, "acme", f"{GONE}-2"} <= names


def test_statements_keep_their_amounts_under_a_valid_digest(data) -> None:
    from analyzer.cost.statement import sha256

    directory, usage = data
    erase(usage.store, GONE, now=AT, by="ann", data=directory)
    content, kept = _ask(usage.store, "SELECT content, sha256 FROM statements")[0]
    assert (ERASED in content, '"total": "1.00"' in content) == (True, True)
    assert kept == sha256(content)
    assert not (directory / "reports" / "2026-W02").exists()


def test_the_record_says_that_it_was_done_and_not_to_whom(data) -> None:
    directory, usage = data
    done = erase(usage.store, GONE, now=AT, by="ann", data=directory)
    rows = _ask(usage.store, "SELECT id, by_whom, salt, digest FROM erasures")
    assert [row[:2] for row in rows] == [(done.id, "ann")]
    assert Forgotten([rows[0][2:]]).knows(GONE)
    assert not Forgotten([rows[0][2:]]).knows("acme")


def test_what_still_arrives_for_it_is_dropped(data) -> None:
    """As rows, as a new series, and as samples of a series declared before."""
    directory, usage = data
    door = FakeDoor()
    ingest = Ingest(usage.store, door=door)
    declared: list[Series | Samples] = [series(1, tenant=GONE), series(2, tenant="acme")]
    door.put(1, [*declared, samples((1, 10, 5), (2, 10, 5))])
    ingest.drain(SPOOL, now=AT)
    erase(usage.store, GONE, now=AT, by="ann", data=directory)
    before = totals(usage.store)[0]
    door.put(2, [samples((1, 20, 9)), series(3, tenant=GONE), samples((3, 30, 5))])
    drained = ingest.drain(SPOOL, now=AT)
    usage.put({"at": 0, "count": 7, "tenant": GONE})
    assert (drained.unknown, drained.rows) == (2, 0)
    assert totals(usage.store)[0] == before
    assert holding(directory, GONE) == []


def test_an_erasure_that_fails_leaves_everything_as_it_was(data) -> None:
    directory, usage = data
    before = totals(usage.store)
    files = sorted(path.name for path in directory.rglob("*.parquet"))
    usage.store._connection.execute("CREATE TABLE erasure_bait (a VARCHAR)")
    with pytest.raises(Rejected, match="no tenant nobody"):
        erase(usage.store, "nobody", now=AT, by="ann", data=directory)
    with usage.store.reader(), pytest.raises(TimeoutError):
        usage.store.replace(directory / "missing", patience_s=0.1)
    assert sorted(path.name for path in directory.rglob("*.parquet")) == files
    assert totals(usage.store) == before


def test_after_a_restart_it_is_still_forgotten(data) -> None:
    directory, usage = data
    erase(usage.store, GONE, now=AT, by="ann", data=directory)
    before = totals(usage.store)
    usage.store.close()
    again = Store.open(directory / "partywall.duckdb", threads=1)
    assert totals(again) == before
    assert _ask(again, "SELECT count(*) FROM tenants WHERE id = 'acme'") == [(1,)]
    again.close()
