"""The whole database, table by table, as Arrow: for copies that change what they copy.

Tables are found, not listed, so that one added by a migration is never forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from analyzer.store.database import Store
from analyzer.store.reader import Reader

BATCH = 122_880
_OWN = frozenset({"migrations"})  # a fresh store writes its own

Change = Callable[[str, pa.Table], pa.Table]


def tables(reader: Reader) -> list[str]:
    """Names of the tables that hold what was learned and written."""
    return [row[0] for row in reader.rows("tables") if row[0] not in _OWN]


def batches(reader: Reader, table: str) -> Iterator[pa.Table]:
    """All rows of a table, some at a time."""
    for batch in reader.batches("whole_table", BATCH, table=table):
        yield pa.Table.from_batches([batch])


def transcribe(reader: Reader, fresh: Store, change: Change) -> None:
    """Copy everything `reader` sees into a fresh store, through `change`."""
    with fresh.reader() as own:
        known = set(tables(own))
        seeded = {name: own.arrow("whole_table", table=name).to_pylist() for name in known}
    for name in tables(reader):
        if name in known:
            for batch in batches(reader, name):
                fresh.put(name, unseeded(change(name, batch), seeded[name]))


def unseeded(batch: pa.Table, seeded: list[dict[str, Any]]) -> pa.Table:
    """Without the rows a migration has put there already."""
    if not seeded:
        return batch
    return batch.filter(pa.array([row not in seeded for row in batch.to_pylist()], pa.bool_()))
