"""Increments to wide usage rows: one row per (window, key, latency bounds), summed in integers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from analyzer.ingest.book import COLUMNS, FIRST_BUCKET, NO_BOUNDS, WAITING, SeriesBook
from analyzer.ingest.counters import Floats, Increments, Ints, Mask
from collector.model import BUCKETS, GRAIN_S, USAGE_SCHEMA

_WIDTH = FIRST_BUCKET + BUCKETS
_DENSE = 20_000_000


def usage_rows(found: Increments, book: SeriesBook) -> pa.Table:
    """The rows of `usage_10s` these increments make. A column no reading fed is null."""
    if not len(found.series):
        return _table(np.zeros(0, np.int64), np.zeros(0, np.int64), book, _empty())
    places = len(book.row_key.array)
    first = int(found.window.min())
    code = (found.window - first) * places + book.row_of(found.series)
    codes, row = _ranked(code, (int(found.window.max()) - first + 1) * places)
    return _table(codes // places + first, codes % places, book, _sums(found, row, book))


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


def _empty() -> tuple[Ints, Floats, Mask]:
    shape = (0, _WIDTH)
    return np.zeros(shape, np.int64), np.zeros(0), np.zeros(shape, dtype=bool)


def _sums(found: Increments, row: Ints, book: SeriesBook) -> tuple[Ints, Floats, Mask]:
    """Sums per (row, column), sums of gauges per row, and which of them were fed."""
    count = int(row.max()) + 1
    sums = np.zeros(count * _WIDTH, dtype=np.int64)
    known = np.zeros(count * _WIDTH, dtype=bool)
    slot = book.slot.array[found.series]
    place = row * _WIDTH + slot
    np.add.at(sums, place, found.amounts)
    known[place] = True
    minus = book.minus.array[found.series]
    taken = minus >= 0
    np.subtract.at(sums, row[taken] * _WIDTH + minus[taken], found.amounts[taken])
    waits = slot == WAITING
    waiting = np.zeros(count, dtype=np.float64)
    np.add.at(waiting, row[waits], found.values[waits])
    shaped = known.reshape(count, _WIDTH)
    shaped[:, FIRST_BUCKET:] |= shaped[:, FIRST_BUCKET:].any(axis=1, keepdims=True)
    return sums.reshape(count, _WIDTH), waiting, shaped


def _table(
    window: Ints, place: Ints, book: SeriesBook, sums: tuple[Ints, Floats, Mask]
) -> pa.Table:
    amounts, waiting, known = sums
    key, bounds = book.row_key.array[place], book.row_bounds.array[place]
    columns: dict[str, pa.Array] = {
        "ts": pa.array(window * (GRAIN_S * 1_000_000)).cast(pa.timestamp("us")),
        "window_s": pa.array(np.full(len(window), GRAIN_S, dtype=np.int32)),
        "tenant": pa.array([k.tenant for k in book.keys], pa.string()).take(pa.array(key)),
        "resource": pa.array([k.resource for k in book.keys], pa.string()).take(pa.array(key)),
        "family": pa.array([k.family for k in book.keys], pa.string()).take(pa.array(key)),
        "bounds": pa.array(bounds.astype(np.int16), mask=bounds == NO_BOUNDS),
    }
    names = [name for _, name in COLUMNS] + [f"b{k:02d}" for k in range(BUCKETS)]
    for slot, name in enumerate(names):
        values = waiting if slot == WAITING else np.ascontiguousarray(amounts[:, slot])
        columns[name] = pa.array(values, mask=~known[:, slot])
    return pa.table([columns[field.name] for field in USAGE_SCHEMA], schema=USAGE_SCHEMA)
