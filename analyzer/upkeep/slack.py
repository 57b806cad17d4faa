"""Room in the database file that nothing uses, given back.

DuckDB keeps the room of rows that moved into Parquet for the next ones and never makes a file
smaller. While it is used again that is right; once more than a quarter lies free (a burst, a
tenant gone, a shorter retention) the tables are copied into a new file. A quarter, because rows
that are gone from a row group of which others live still count as used: what can be won is more
than what is seen.

    nobody writes -> copy all tables into a file of another name, checkpoint, close
    -> wait until nobody reads -> close the old file -> rename the new one over it

A crash before the rename leaves the old file as it was and a copy nobody names, which the next run
removes; the rename is atomic. A file whose blocks are of another size than new files have is copied
once as well: large blocks made a small database four times as large.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from analyzer.store.database import BLOCK, Store
from analyzer.store.transcript import transcribe

log = logging.getLogger("partywall.slack")

WORTH = 2**20
"""Bytes: less free room than this is not worth a copy."""

PART = 4
"""One block in so many must lie free."""

_LEFT = ("shrinking-*.duckdb*", "erasing-*.duckdb*")


def give_back(store: Store, data: Path, *, worth: int = WORTH) -> int:
    """Copy the database into a smaller file if more than a quarter of it, and `worth` bytes, lie
    free.

    Returns how many bytes the file is smaller, 0 if it was left as it is. Nothing is written
    meanwhile; readers wait for the change of files only. Raises TimeoutError when queries do not
    end, OSError when there is no room for the copy; the old file is in place then.
    """
    with store.alone, store.still():
        for left in (path for name in _LEFT for path in data.glob(name)):
            left.unlink(missing_ok=True)  # of a process that died
        store.checkpoint()
        block, whole, free = store.rows("database_blocks")[0]
        if block == BLOCK and (PART * free <= whole or free * block < worth):
            return 0
        path = data / f"shrinking-{secrets.token_hex(8)}.duckdb"
        try:
            _copy(store, path)
            size = path.stat().st_size
            store.replace(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        gained = int(block * whole - size)
        log.info("the database file is %d bytes smaller, now %d", gained, size)
        return gained


def _copy(store: Store, path: Path) -> None:
    fresh = Store.open(path)
    try:
        with store.reader() as reader:
            transcribe(reader, fresh, lambda _, batch: batch)
        fresh.checkpoint()
    finally:
        fresh.close()
