"""Finished usage rows from the native door, made fit for `usage_10s`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.ingest.bounds import DEFAULT, BoundsBook
from analyzer.ingest.counters import Ints, Mask
from collector.model import BUCKETS, GRAIN_S, LATENCY_BOUNDS, USAGE_SCHEMA

_BUCKETS = [f"b{k:02d}" for k in range(BUCKETS)]
_NO_BOUNDS = -1
_GRAIN_US = GRAIN_S * 1_000_000


def native_rows(table: pa.Table, book: BoundsBook) -> tuple[pa.Table, int]:
    """Rows as `USAGE_SCHEMA`, and how many were dropped for having no usable window.

    Windows of up to a grain are put on the grain (what waits is then weighted, so that ten rows of
    a second mean what one of ten seconds says); longer windows stay as they are. Buckets whose
    bounds are no bounds (not rising, not finite, too many) are unknown; the rest of the row counts.
    """
    columns = {field.name: _column(table, field) for field in USAGE_SCHEMA}
    window_s = columns["window_s"].to_numpy()
    if len(table):
        _place(columns, window_s)
        _name_bounds(columns, _bounds_ids(table, book))
    rows = pa.table([columns[field.name] for field in USAGE_SCHEMA], schema=USAGE_SCHEMA)
    usable = window_s > 0
    return rows.filter(pa.array(usable)), int(np.count_nonzero(~usable))


def _column(table: pa.Table, field: pa.Field) -> pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(len(table), field.type)
    return table.column(field.name).cast(field.type).combine_chunks()


def _place(columns: dict[str, pa.Array], window_s: Ints) -> None:
    short = (window_s > 0) & (window_s <= GRAIN_S)
    ts = columns["ts"].cast(pa.int64()).to_numpy()
    floored = np.where(short, ts // _GRAIN_US * _GRAIN_US, ts)
    columns["ts"] = pa.array(floored).cast(pa.timestamp("us"))
    columns["window_s"] = pa.array(np.where(short, GRAIN_S, window_s).astype(np.int32))
    known = columns["waiting"].is_valid().to_numpy(zero_copy_only=False)
    waiting = columns["waiting"].fill_null(0.0).to_numpy()
    weight = np.where(short, window_s / GRAIN_S, 1.0)
    columns["waiting"] = pa.array(waiting * weight, mask=~known)


def _bounds_ids(table: pa.Table, book: BoundsBook) -> Ints:
    """Per row: the id of its bounds, -1 when they are unusable."""
    ids = np.full(len(table), DEFAULT, dtype=np.int64)
    if "latency_bounds" not in table.column_names:
        return ids
    given = pl.DataFrame({"bounds": pl.from_arrow(table.column("latency_bounds"))})
    places = given.with_row_index("at").drop_nulls().group_by("bounds").agg("at")
    for bounds, at in places.iter_rows():
        ids[np.asarray(at)] = _ident(bounds, book)
    return ids


def _ident(bounds: Sequence[float | None], book: BoundsBook) -> int:
    finite = [bound for bound in bounds if bound is not None and math.isfinite(bound)]
    rising = all(low < high for low, high in pairwise(finite))
    if not finite or len(finite) != len(bounds) or not rising:
        return _NO_BOUNDS
    ident = book.ident(finite)
    return _NO_BOUNDS if ident == DEFAULT and tuple(finite) != LATENCY_BOUNDS else ident


def _name_bounds(columns: dict[str, pa.Array], ids: Ints) -> None:
    counted: Mask = np.zeros(len(ids), dtype=bool)
    for name in _BUCKETS:
        counted |= columns[name].is_valid().to_numpy(zero_copy_only=False)
    unusable = counted & (ids == _NO_BOUNDS)
    if unusable.any():
        nothing = pa.scalar(None, pa.int64())
        for name in _BUCKETS:
            columns[name] = pc.if_else(pa.array(unusable), nothing, columns[name])
    named = counted & ~unusable
    columns["bounds"] = pa.array(ids.astype(np.int16), mask=~named)
