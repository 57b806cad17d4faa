"""Finds known data points in the body of an OTLP metric by their raw attribute bytes.

    context │ length │ attribute bytes │ bounds        the key of a point, made in `room`

The context is the number of everything that stands above the points: resource, name, unit, kind. A
key's entry leads to a row of `groups`: where its slots begin in `members`, how many buckets it has
(0: it is a number) and whether a sum. A histogram has a slot for each bucket, one for the count,
and one for the sum, in this order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from collector.loops import inlined, loop
from collector.loops.scan import FORGOTTEN, ODD, found_at, load64, varint63

FULL = -2
"""There are more points than there is room for."""

TIMES = np.uint64(1_000_000)
HALF = np.uint64(1 << 63)
MOST_COUNT = np.uint64(1 << 53)
ZERO = np.uint64(0)


@loop("UniTuple(int64, 2)(uint8[::1], int64, int64)")
def head(data: Any, at: int, end: int) -> Any:
    """Temporality and whether it is monotonic, of a Sum, Gauge or Histogram in data[at:end]; ODD
    first where it is not of the usual form."""
    temporality: Any = np.int64(0)
    monotonic: Any = np.int64(0)
    while at < end:
        tag = data[at]
        number, at = varint63(data, at + 1, end)
        if at < 0:
            return ODD, 0
        if tag == 0x0A:
            if number > end - at:
                return ODD, 0
            at += number
        elif tag == 0x10:
            temporality = number
        elif tag == 0x18:
            monotonic = np.int64(number != 0)
        else:
            return ODD, 0
    return temporality, monotonic


@inlined
def put(room: Any, at: int, number: int) -> Any:
    """The number in four bytes."""
    for byte in range(4):
        room[at + byte] = (number >> (8 * byte)) & 0xFF
    return at + 4


@inlined
def copied(room: Any, at: int, data: Any, start: int, stop: int) -> Any:
    """The bytes data[start:stop]; where they end."""
    for place in range(start, stop):
        room[at] = data[place]
        at += 1
    return at


@loop(
    "UniTuple(int64, 4)(uint8[::1], int64, int64, int64, int64, uint64, uint64[:,::1],"
    " int64[:,::1], int64, uint8[::1], int64[:,::1], int64[::1], uint8[::1], int64, int64, int64,"
    " int64[::1], int64[::1], int64[::1], float64[::1], int64[:,::1])"
)
def points(
    data: Any,
    at: int,
    end: int,
    context: int,
    histogram: int,
    seed: Any,
    table: Any,
    entries: Any,
    known: int,
    arena: Any,
    groups: Any,
    members: Any,
    room: Any,
    kept: int,
    expected: int,
    found: int,
    slots: Any,
    ts_ms: Any,
    start_ms: Any,
    values: Any,
    others: Any,
) -> Any:
    """Read the points of the Sum, Gauge or Histogram in data[at:end], which `head` has read.

    `room` is written from `kept` on, slots and the arrays beside them from `found` on. `others`
    gets (start, stop) of every other point, and (start, stop) of its key in `room` where that is
    all that is missing.
    Returns how far room, slots and others are filled, and the entry expected next; FULL first.
    """
    numbers = np.int64(1) - histogram
    attribute = 0x4A if histogram else 0x3A
    exemplar = 0x42 if histogram else 0x2A
    flag = 0x50 if histogram else 0x40
    left = 0
    while at < end:
        tag = data[at]
        length, at = varint63(data, at + 1, end)
        if tag != 0x0A:
            continue
        start, stop = at, at + length
        at = stop
        if left == len(others):
            return FULL, found, left, expected
        pos, top = start, kept + 8
        usual = top + length <= len(room)
        time, begin, count = ZERO, ZERO, ZERO
        value, whole, total = ZERO, ZERO, ZERO
        doubled = summed = False
        flags: Any = np.int64(0)
        counts = counts_end = bounds = bounds_end = -1
        while usual and pos < stop:
            inner = data[pos]
            if inner & 7 == 1:
                if stop - pos < 9:
                    usual = False
                    continue
                word = load64(data, pos + 1)
                pos += 9
                if inner == 0x11:
                    begin = word
                elif inner == 0x19:
                    time = word
                elif inner == 0x21 and histogram:
                    count = word
                elif inner == 0x21:
                    value, doubled = word, True
                elif inner == 0x31 and numbers:
                    whole = word
                elif inner == 0x29 and histogram:
                    total, summed = word, True
                elif not (histogram and (inner == 0x59 or inner == 0x61)):  # least and most
                    usual = False
                continue
            field = pos
            size, pos = varint63(data, pos + 1, stop)
            if pos < 0:
                usual = False
            elif inner == flag:
                flags = size
            elif size > stop - pos:
                usual = False
            elif inner == attribute:
                pos += size
                top = copied(room, top, data, field, pos)
            elif inner == exemplar:
                pos += size
            elif histogram and inner == 0x32 and counts < 0:
                counts, counts_end = pos, pos + size
                pos += size
            elif histogram and inner == 0x3A and bounds < 0:
                bounds, bounds_end = pos, pos + size
                pos += size
            else:
                usual = False
        buckets = (counts_end - counts) // 8
        if usual:
            put(room, kept, context)
            put(room, kept + 4, top - kept - 8)
            if bounds >= 0:
                top = copied(room, top, data, bounds, bounds_end)
            time //= TIMES
            usual = time > ZERO and time < HALF // TIMES and begin < HALF and flags & 1 == 0
        if usual and histogram:
            usual = (
                buckets > 0
                and (counts_end - counts) % 8 == 0
                and bounds_end - bounds == 8 * (buckets - 1)
                and count < MOST_COUNT
            )
            if usual:
                left_over = count
                for bucket in range(buckets):
                    one = load64(data, counts + 8 * bucket)
                    if one > left_over:
                        usual = False
                        break
                    left_over -= one
                usual = usual and left_over == ZERO
        if not usual:
            others[left, 0], others[left, 1] = start, stop
            others[left, 2] = others[left, 3] = 0
            left += 1
            continue
        entry = found_at(room, kept, top, expected, seed, table, entries, known, arena)
        group = entries[entry, 2] if entry >= 0 else FORGOTTEN
        if group != FORGOTTEN and histogram:
            if groups[group, 1] != buckets or (groups[group, 2] != 0) != summed:
                group = FORGOTTEN
        if group == FORGOTTEN:
            others[left, 0], others[left, 1] = start, stop
            others[left, 2], others[left, 3] = kept, top
            left += 1
            kept = top
            continue
        expected = entry + 1
        if found + buckets + 2 > len(slots):
            return FULL, found, left, expected
        member = groups[group, 0]
        first = found
        raw = values.view(np.uint64)
        if numbers:
            slots[found] = members[member]
            if doubled:
                raw[found] = value
            else:
                values[found] = np.float64(np.int64(whole))
            found += 1
        else:
            so_far = ZERO
            for bucket in range(buckets):
                so_far += load64(data, counts + 8 * bucket)
                slots[found], values[found] = members[member + bucket], np.float64(so_far)
                found += 1
            slots[found], values[found] = members[member + buckets], np.float64(count)
            found += 1
            if summed:
                slots[found], raw[found] = members[member + buckets + 1], total
                found += 1
        for place in range(first, found):
            ts_ms[place], start_ms[place] = np.int64(time), np.int64(begin // TIMES)
    return kept, found, left, expected
