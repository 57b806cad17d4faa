"""A Parquet file of usage in pieces in the order of time, so that a month needs no more memory than
an hour. `partywall record` writes a row group an hour; any file whose row groups follow each other
in time is read so, every other one whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

ENOUGH = 200_000
"""Rows of a piece: row groups smaller than that are read together."""

Piece = Sequence[int]  # numbers of row groups


def plan(path: Path, numbers: Iterable[str]) -> list[Piece]:
    """Which row groups to read together; one piece where the order of time, or that every value
    can be read, is not sure beforehand. `numbers` are the columns that must hold numbers.

    Raises OSError or pyarrow.ArrowException when it is no Parquet.
    """
    with pq.ParquetFile(path) as file:
        whole: list[Piece] = [range(file.num_row_groups)]
        if not _readable(file.schema_arrow, numbers):
            return whole
        spans = _spans(file)
        if len(spans) < file.num_row_groups or any(b[0] < a[1] for a, b in pairwise(spans)):
            return whole
        rows = [file.metadata.row_group(k).num_rows for k in whole[0]]
    found: list[list[int]] = []
    held = ENOUGH
    for number, height in enumerate(rows):
        if held >= ENOUGH:
            found.append([])
            held = 0
        found[-1].append(number)
        held += height
    return [*found] or whole


def _readable(schema: pa.Schema, numbers: Iterable[str]) -> bool:
    def number(name: str) -> bool:
        kind = schema.field(name).type
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))

    if "ts" not in schema.names:
        return False
    timed = pa.types.is_timestamp(schema.field("ts").type) or number("ts")
    return timed and all(number(name) for name in numbers if name in schema.names)


def _spans(file: pq.ParquetFile) -> list[tuple[Any, Any]]:
    """(oldest, newest) of each row group that tells them."""
    schema = file.metadata.schema
    at = [schema.column(k).path for k in range(file.metadata.num_columns)].index("ts")
    found = []
    for k in range(file.num_row_groups):
        told = file.metadata.row_group(k).column(at).statistics
        if told is not None and told.has_min_max:
            found.append((told.min, told.max))
    return found


def read(path: Path, pieces: Sequence[Piece], columns: Iterable[str]) -> Iterator[pl.DataFrame]:
    """The columns there are of each piece, in order."""
    with pq.ParquetFile(path) as file:
        kept = [name for name in columns if name in file.schema_arrow.names]
        for piece in pieces:
            frame = pl.from_arrow(file.read_row_groups(list(piece), columns=kept))
            assert isinstance(frame, pl.DataFrame)
            yield frame


def ahead(pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same, the next one being read while this one is worked on."""
    with ThreadPoolExecutor(1, "read-ahead") as pool:
        waiting = pool.submit(next, pieces, None)
        while (piece := waiting.result()) is not None:
            waiting = pool.submit(next, pieces, None)
            yield piece
