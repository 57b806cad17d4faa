"""Tenants that were erased, recognised without being named: by a salted digest of each id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

ERASED = "__erased__"
"""What the remains of all erased tenants are called: sums without a name."""


def digest(salt: str, ident: str) -> str:
    """What is kept of an id. The salt is random, so that two records cannot be compared."""
    return hashlib.sha256(f"{salt}:{ident}".encode()).hexdigest()


class Forgotten:
    """Answers whether an id was erased."""

    def __init__(self, records: Iterable[tuple[str, str]]) -> None:
        """`records`: salt and digest of each erasure."""
        self._records = tuple(records)
        self._asked: dict[str, bool] = {}

    def knows(self, ident: str) -> bool:
        """Was it erased?"""
        if not self._records:
            return False
        if ident not in self._asked:
            found = any(digest(salt, ident) == kept for salt, kept in self._records)
            self._asked[ident] = found
        return self._asked[ident]

    def without(self, table: pa.Table) -> pa.Table:
        """The rows of a usage table that are of nobody erased."""
        if not self._records or "tenant" not in table.column_names:
            return table
        named = table.column("tenant")
        gone = [name for name in pc.unique(named).to_pylist() if name and self.knows(name)]
        if not gone:
            return table
        return table.filter(pc.invert(pc.is_in(named, pa.array(gone, named.type))))
