"""Counter rules and the sums of usage rows in one pass over readings that come in order of time.

The rules are those of `analyzer.ingest.counters`, number by number; what one cannot do in a pass
(series out of order, windows too far apart) is left to the form there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from collector.loops import loop

CUMULATIVE, DELTA = 0, 1
NEVER = -(1 << 62)
STALE = np.uint64(0x7FF0000000000002)
LARGEST = 9.0e18

LATE, DUPLICATES, INVALID, UNKNOWN, ROWS, RESETS = range(6)
COUNTS = 6

FULL, SILENT, SILENT_FIRST = 1, 2, 4
"""Of a series: its first reading ever counts in full; nothing of it counts; nor does the first."""

HEAD_MS, HEAD_START, NEWEST = range(3)


@loop(
    "boolean(uint32[::1], int64[::1], float64[::1], int64[::1], int64[::1], float64[::1],"
    " int64[::1], int64[::1], int64, int64, int64, int64[:,::1], float64[::1], int32[::1],"
    " int64[::1], int64[::1])"
)
def look(
    sids: Any,
    ts_ms: Any,
    values: Any,
    start_ms: Any,
    series_of: Any,
    scale: Any,
    last_ms: Any,
    row_of: Any,
    first_window: int,
    places: int,
    grain_ms: int,
    heads: Any,
    head_value: Any,
    rank: Any,
    codes: Any,
    counts: Any,
) -> Any:
    """A first pass over a frame: is it in order, what is new in it, which rows will it feed?

    `heads` [series, 3] and `head_value` note the first reading of each series in the batch, and
    the time of its newest (NEVER: none yet). A row is a window and a place: code = window * places
    + place, counted from `first_window`; `rank` (-1: new) gives it the next number, `codes` says
    which code has it. Returns False when a series steps back in time; nothing was changed then that
    is not the batch's own.
    """
    started = len(start_ms) > 0
    for at in range(len(sids)):
        sid = np.int64(sids[at])
        series = series_of[sid] if sid < len(series_of) else -1
        if series < 0:
            counts[UNKNOWN] += 1
            continue
        value = values[at]
        scaled = value * scale[series]
        if not (scaled >= 0.0 and scaled < LARGEST):
            if np.float64(value).view(np.uint64) != STALE:
                counts[INVALID] += 1
            continue
        ts = ts_ms[at]
        if ts <= last_ms[series]:
            counts[LATE if ts < last_ms[series] else DUPLICATES] += 1
            continue
        newest = heads[series, NEWEST]
        if ts < newest:
            return False
        if ts == newest:
            counts[DUPLICATES] += 1
            continue
        if newest == NEVER:
            heads[series, HEAD_MS] = ts
            heads[series, HEAD_START] = start_ms[at] if started else 0
            head_value[series] = value
        heads[series, NEWEST] = ts
        code = ((ts - 1) // grain_ms - first_window) * places + row_of[series]
        if rank[code] < 0:
            rank[code] = counts[ROWS]
            codes[counts[ROWS]] = code
            counts[ROWS] += 1
    return True


@loop(
    "void(uint32[::1], int64[::1], float64[::1], int64[::1], int64[::1], float64[::1],"
    " int64[::1], int64[::1], int64[::1], int64[::1], uint8[::1], int64[::1], int64[::1],"
    " int64[::1], int64, int64, int64, int64, int32[::1],"
    " int64[:,::1], boolean[:,::1], float64[::1], int64[::1])"
)
def add(
    sids: Any,
    ts_ms: Any,
    values: Any,
    start_ms: Any,
    series_of: Any,
    scale: Any,
    last_ms: Any,
    last: Any,
    last_start: Any,
    kinds: Any,
    flags: Any,
    slots: Any,
    minus: Any,
    row_of: Any,
    first_window: int,
    places: int,
    grain_ms: int,
    waiting_slot: int,
    rank: Any,
    sums: Any,
    known: Any,
    waiting: Any,
    counts: Any,
) -> None:
    """The second pass over the same frame: move each counter on, add what it grew by.

    `sums` and `known` are [column, row]: columns are what the store takes.
    """
    started = len(start_ms) > 0
    for at in range(len(sids)):
        sid = np.int64(sids[at])
        series = series_of[sid] if sid < len(series_of) else -1
        if series < 0:
            continue
        value = values[at]
        scaled = value * scale[series]
        ts, before_ms = ts_ms[at], last_ms[series]
        if not (scaled >= 0.0 and scaled < LARGEST) or ts <= before_ms:
            continue
        whole = np.int64(np.rint(scaled))
        start = start_ms[at] if started else 0
        first = before_ms == NEVER
        flag = flags[series]
        amount = whole
        counted = True
        window = (ts - 1) // grain_ms
        if kinds[series] == CUMULATIVE:
            if first:
                counted = flag & FULL != 0
            else:
                before_start = last_start[series]
                declared = start > before_start and before_start > 0 and start >= before_ms
                if declared or whole < last[series]:
                    counts[RESETS] += 1
                else:
                    amount = whole - last[series]
        elif kinds[series] != DELTA:
            counted = first or window != (before_ms - 1) // grain_ms
        last_ms[series], last[series], last_start[series] = ts, whole, start
        if not counted or flag & SILENT != 0 or (first and flag & SILENT_FIRST != 0):
            continue
        row = rank[(window - first_window) * places + row_of[series]]
        slot = slots[series]
        sums[slot, row] += amount
        known[slot, row] = True
        if minus[series] >= 0:
            sums[minus[series], row] -= amount
        if slot == waiting_slot:
            waiting[row] += value
