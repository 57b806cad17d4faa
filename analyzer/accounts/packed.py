"""Many accounts in little room: each as the text it is stored as, read back when asked for.

10,000 accounts of 50 resources are about 220 MB of text, and eight times that as objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

import pyarrow as pa

from analyzer.accounts.account import Account, from_json, sha256, to_json

_AT_ONCE = 256

SCHEMA = pa.schema(
    [
        pa.field(name, pa.int32() if name == "version" else pa.string())
        for name in (
            "week", "version", "tenant", "currency", "total", "shown", "foretold", "sha256",
            "content",
        )
    ]
)  # fmt: skip


class Packed(Sequence[Account]):
    """Accounts in the order given; `table` has a row of the ledger for each."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        coming = iter(accounts)
        chunks = []
        while some := list(islice(coming, _AT_ONCE)):
            chunks.append(_batch(some))
        self.table = pa.Table.from_batches(chunks, SCHEMA)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, at: int) -> Account: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Account]: ...
    def __getitem__(self, at: int | slice) -> Account | Sequence[Account]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        if at < 0:
            at += len(self)
        if not 0 <= at < len(self):
            raise IndexError(f"no account {at} of {len(self)}")
        return from_json(self.table["content"][at].as_py())

    def __iter__(self) -> Iterator[Account]:
        for chunk in self.table["content"].chunks:
            for content in chunk:
                yield from_json(content.as_py())

    def of(self, tenant: str) -> Account | None:
        """The account of one tenant, without reading the others."""
        at = self.table["tenant"].index(tenant).as_py()
        return None if at < 0 else self[at]


def _batch(accounts: Sequence[Account]) -> pa.RecordBatch:
    contents = [to_json(account) for account in accounts]
    rows = {
        "week": [a.week for a in accounts],
        "version": [a.version for a in accounts],
        "tenant": [a.tenant for a in accounts],
        "currency": [a.currency for a in accounts],
        "total": [a.columns.total.exact for a in accounts],
        "shown": [a.columns.total.shown for a in accounts],
        "foretold": [a.forecast.amount if a.forecast else None for a in accounts],
        "sha256": [sha256(content) for content in contents],
        "content": contents,
    }
    return pa.RecordBatch.from_pydict(rows, schema=SCHEMA)
