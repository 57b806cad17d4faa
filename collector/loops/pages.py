"""Finds known series on a page of the Prometheus text format or OpenMetrics by their raw bytes.

    name{label="value",...} 12.5 1795000000000 # {trace_id="..."} 1
    └─ the key ───────────┘ value  time          exemplar, passed over

The line is first compared with the key that followed the one before last time; else its key is
sought, hashed and looked up, as in `collector.loops.scan`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from collector.loops import inlined, loop
from collector.loops.numbers import number
from collector.loops.scan import FORGOTTEN, entry_of, hashed, same

MOST_MS = np.float64(1 << 62)
SPACE, NEWLINE, HASH, OPEN, CLOSE = 0x20, 0x0A, 0x23, 0x7B, 0x7D


@inlined
def line_end(data: Any, at: int, end: int) -> Any:
    """Where the line ends."""
    while at < end and data[at] != NEWLINE:
        at += 1
    return at


@inlined
def behind_spaces(data: Any, at: int, end: int) -> Any:
    while at < end and data[at] == SPACE:
        at += 1
    return at


@inlined
def key_end(data: Any, at: int, stop: int) -> Any:
    """Where the key of the line data[at:stop] ends, -1 when that is not plain to see."""
    last, first_space = -1, -1
    for place in range(at, stop):
        byte = data[place]
        if byte == CLOSE:
            last = place + 1
        elif byte == HASH and last > 0 and place + 2 < stop:
            if data[place + 1] == SPACE and data[place + 2] == OPEN:
                return last
        elif byte == SPACE and first_space < 0:
            first_space = place
        elif byte < SPACE:
            return -1
    return last if last > 0 else first_space


@loop(
    "UniTuple(int64, 2)(uint8[::1], int64, float64, int64, uint64, uint64[:,::1], int64[:,::1],"
    " int64, uint8[::1], int64[::1], int64[::1], float64[::1], int64[:,::1])"
)
def page(
    data: Any,
    end: int,
    unit_ms: float,
    now_ms: int,
    seed: Any,
    table: Any,
    entries: Any,
    known: int,
    arena: Any,
    slots: Any,
    ts_ms: Any,
    values: Any,
    others: Any,
) -> Any:
    """Read the lines of known series: times are of `unit_ms`, a line without gets `now_ms`.

    Fills slots, ts_ms and values; `others` with (start, stop, end of the key or -1) of every other
    line that is neither empty nor a comment. All have room for as many as there are lines.
    Returns how many of both there are.
    """
    raw = values.view(np.uint64)
    one: Any = np.zeros(1)
    bits: Any = one.view(np.uint64)
    at = found = left = 0
    expected: Any = 0
    while at < end:
        if data[at] == NEWLINE:
            at += 1
            continue
        if data[at] == HASH:
            at = line_end(data, at, end) + 1
            continue
        start, stop, after = at, -1, -1
        entry: Any = -1
        if expected < known:
            length = entries[expected, 1]
            if length < end - start and data[start + length] == SPACE:
                if same(data, start, arena, entries[expected, 0], length):
                    entry, after = expected, start + length
        if entry < 0:
            stop = line_end(data, start, end)
            after = key_end(data, start, stop)
            if after > start and after < stop and data[after] == SPACE:
                key = hashed(data, start, after, seed)
                entry = entry_of(data, start, after, key, table, entries, arena)
            else:
                after = -1
        slot = entries[entry, 2] if entry >= 0 else FORGOTTEN
        time: Any = now_ms
        usual = slot != FORGOTTEN
        if usual:
            last = stop if stop >= 0 else end
            value, pos = number(data, behind_spaces(data, after, last), last)
            usual = pos > 0
            if usual:
                next_at = behind_spaces(data, pos, last)
                spaced = next_at > pos
                if spaced and next_at < last and data[next_at] != HASH:
                    if data[next_at] != NEWLINE:
                        bits[0], pos = number(data, next_at, last)
                        ms = one[0] * unit_ms
                        usual = pos > 0 and abs(ms) < MOST_MS
                        if usual:
                            time = np.int64(np.rint(ms))
                            next_at = behind_spaces(data, pos, last)
                            spaced = next_at > pos
                if usual and next_at < last and data[next_at] != NEWLINE:
                    usual = (
                        spaced
                        and last - next_at > 2
                        and data[next_at] == HASH
                        and data[next_at + 1] == SPACE
                        and data[next_at + 2] == OPEN
                        and data[after - 1] == CLOSE
                    )
                    next_at = line_end(data, next_at, end)
            if usual:
                expected = entry + 1
                slots[found], ts_ms[found], raw[found] = slot, time, value
                found += 1
                at = next_at + 1
                continue
        if stop < 0:
            stop = line_end(data, start, end)
        others[left, 0], others[left, 1], others[left, 2] = start, stop, after
        left += 1
        if entry >= 0:
            expected = entry + 1
        at = stop + 1
    return found, left
