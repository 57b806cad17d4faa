"""Increments to wide usage rows: one row per (window, key, latency bounds), summed in integers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from analyzer.ingest.book import COLUMNS, FIRST_BUCKET, NO_BOUNDS, WAITING, SeriesBook
from analyzer.ingest.counters import Floats, Increments, Ints, Mask
from collector.model import BUCKETS, GRAIN_S, USAGE_SCHEMA

WIDTH = FIRST_BUCKET + BUCKETS
_DENSE = 20_000_000
_NAMES = [name for _, name in COLUMNS] + [f"b{k:02d}" for k in range(BUCKETS)]


class Sums(NamedTuple):
    """[WIDTH, rows] sums and whether anything fed them; `waiting` are the sums of the gauges."""

    amounts: Ints
    known: Mask
    waiting: Floats


def usage_rows(found: Increments, book: SeriesBook) -> pa.Table:
    """The rows of `usage_10s` these increments make. A column no reading fed is null."""
    if not len(found.series):
        nothing = np.zeros(0, np.int64)
        return summed_rows(nothing, nothing, _sums(found, nothing, book), book)
    places = len(book.row_key.array)
    first = int(found.window.min())
    code = (found.window - first) * places + book.row_of(found.series)
    codes, row = _ranked(code, (int(found.window.max()) - first + 1) * places)
    return summed_rows(codes // places + first, codes % places, _sums(found, row, book), book)


def _ranked(code: Ints, size: int) -> tuple[Ints, Ints]:
    """`np.unique(code, return_inverse=True)`, by counting when the codes are dense."""
    if size > _DENSE:
        codes, row = np.unique(code, return_inverse=True)
        return codes, row.astype(np.int64)
    present = np.zeros(size, dtype=bool)
    present[code] = True
    codes = np.flatnonzero(present)
    rank = np.zeros(size, dtype=np.int64)
    rank[codes] = np.arange(len(codes))
    return codes, rank[code]


def _sums(found: Increments, row: Ints, book: SeriesBook) -> Sums:
    count = int(row.max()) + 1 if len(row) else 0
    sums = np.zeros(WIDTH * count, dtype=np.int64)
    known = np.zeros(WIDTH * count, dtype=bool)
    slot = book.slot.array[found.series]
    place = slot * count + row
    np.add.at(sums, place, found.amounts)
    known[place] = True
    minus = book.minus.array[found.series]
    taken = minus >= 0
    np.subtract.at(sums, minus[taken] * count + row[taken], found.amounts[taken])
    waits = slot == WAITING
    waiting = np.zeros(count, dtype=np.float64)
    np.add.at(waiting, row[waits], found.values[waits])
    return Sums(sums.reshape(WIDTH, count), known.reshape(WIDTH, count), waiting)


def summed_rows(window: Ints, place: Ints, sums: Sums, book: SeriesBook) -> pa.Table:
    """The table of these sums: row k is that of `window[k]` and of the book's row `place[k]`.

    Buckets are known together. A row nothing was added to is left out.
    """
    known = sums.known
    known[FIRST_BUCKET:] = known[FIRST_BUCKET:].any(axis=0)
    key, bounds = book.row_key.array[place], book.row_bounds.array[place]
    columns: dict[str, pa.Array] = {
        "ts": pa.array(window * (GRAIN_S * 1_000_000)).cast(pa.timestamp("us")),
        "window_s": pa.array(np.full(len(window), GRAIN_S, dtype=np.int32)),
        "tenant": pa.array([k.tenant for k in book.keys], pa.string()).take(pa.array(key)),
        "resource": pa.array([k.resource for k in book.keys], pa.string()).take(pa.array(key)),
        "family": pa.array([k.family for k in book.keys], pa.string()).take(pa.array(key)),
        "bounds": pa.array(bounds.astype(np.int16), mask=bounds == NO_BOUNDS),
    }
    for slot, name in enumerate(_NAMES):
        values = sums.waiting if slot == WAITING else sums.amounts[slot]
        columns[name] = _column(values, known[slot])
    fields = [columns[field.name] for field in USAGE_SCHEMA]
    table = pa.table(fields, schema=USAGE_SCHEMA)
    fed = known.any(axis=0)
    return table if fed.all() else table.filter(pa.array(fed))


def _column(values: Ints | Floats, known: Mask) -> pa.Array:
    if known.all():
        return pa.array(values)
    return pa.array(values, mask=~known)
