"""The write-ahead log folded into the file before it is long.

What was written since the last checkpoint lies in memory uncompressed, seven hundred bytes a row of
usage: ten minutes of 100,000 tenants would be four gigabytes. DuckDB's own threshold would fold it
inside a commit, which is the tail of the latency, so that one is far away and this one is near.

Half-filled row groups are left as they are: packing them with their neighbours each time cost as
much as writing them. The checkpoint of every ten minutes does it once.
"""

from __future__ import annotations

from analyzer.store.database import Store

LONG = 32 * 2**20
"""Bytes of log; about 90,000 rows of usage."""


def fold_long_log(store: Store, *, long: int = LONG) -> bool:
    """Checkpoint when the log is longer than `long` bytes; whether it was."""
    if store.log_bytes <= long:
        return False
    store.checkpoint(merges=0)
    return True
