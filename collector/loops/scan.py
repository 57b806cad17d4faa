"""Finds known series in the body of a remote write by their raw label bytes.

    0a <len> │ label bytes ... │ 12 10 09 <8 byte double> 10 <6 byte time>    the usual sample
                               │ 12 07                    10 <6 byte time>    a zero
             └─ first compared with the series that followed the one before last time: senders
                keep their order; else hashed, looked up, and compared byte by byte

Known keys stand one after the other in `arena`; `entries` holds (place, length, slot) of each, in
that order; `table` is open addressing: (hash, entry), with hash 0 for a free row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from collector.loops import inlined, loop

USUAL, ZERO = 18, 9
"""Bytes of a lone sample whose time takes six: with a value, and with the value left out."""

FORGOTTEN = -1
"""Slot of an entry whose series is forgotten."""

ODD = -1
"""The body is not of the usual form: the general road says what is wrong with it, if anything."""

K1 = np.uint64(0x9E3779B97F4A7C15)
K2 = np.uint64(0xC2B2AE3D27D4EB4F)
K3 = np.uint64(0x165667B19E3779F9)
ONE, SEVEN, EIGHT = np.uint64(1), np.uint64(7), np.uint64(8)
S16, S29, S32 = np.uint64(16), np.uint64(29), np.uint64(32)
LOW48 = np.uint64((1 << 48) - 1)
MORE = np.uint64(0x0000_0080_8080_8080)  # a varint of six bytes goes on five times ...
STOP = np.uint64(0x0000_8000_0000_0000)  # ... and ends
BITS = np.uint64(0x7F)


def _load64(typing_context: Any, array: Any, at: Any) -> Any:  # noqa: ARG001
    """The little-endian word at `array[at : at + 8]`, wherever that lies."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(64).as_pointer())
        word = builder.load(place)
        word.align = 1
        return word

    return types.uint64(array, types.int64), generate


load64: Any = intrinsic(_load64)


@inlined
def tail_mask(length: int) -> Any:
    """Keeps the low `length` (1 to 7) bytes of a word."""
    return (ONE << (EIGHT * np.uint64(length))) - ONE


@inlined
def hashed(data: Any, start: int, stop: int, seed: Any) -> Any:
    """A seeded hash of data[start:stop], never 0. Reads up to seven bytes behind it.

    Two lanes, as a multiplication takes its time. It need not resist attackers: what it finds is
    compared byte by byte, and every process has its own seed.
    """
    one, two = seed ^ (np.uint64(stop - start) * K1), seed + K2
    at = start
    while at + 16 <= stop:
        one = (one ^ load64(data, at)) * K1
        two = (two ^ load64(data, at + 8)) * K2
        one ^= one >> S29
        two ^= two >> S32
        at += 16
    if at + 8 <= stop:
        one = (one ^ load64(data, at)) * K1
        one ^= one >> S29
        at += 8
    if at < stop:
        two = (two ^ (load64(data, at) & tail_mask(stop - at))) * K2
        two ^= two >> S32
    found = (one ^ (two * K3)) * K2
    found ^= found >> S32
    return found | ONE


@inlined
def same(one: Any, at: int, other: Any, there: int, length: int) -> Any:
    """Whether two runs of bytes are equal."""
    left = length
    while left >= 8:
        if load64(one, at) != load64(other, there):
            return False
        at += 8
        there += 8
        left -= 8
    if left == 0:
        return True
    return (load64(one, at) ^ load64(other, there)) & tail_mask(left) == np.uint64(0)


@inlined
def time6(word: Any) -> Any:
    """The number in a varint of six bytes."""
    found = np.uint64(0)
    for number in range(6):
        found |= ((word >> np.uint64(8 * number)) & BITS) << np.uint64(7 * number)
    return np.int64(found)


@inlined
def kind_of(data: Any, start: int, stop: int) -> Any:
    """How many of the last bytes are a lone sample: USUAL, ZERO or 0."""
    if stop - start <= ZERO:
        return 0
    word = load64(data, stop - 6) & LOW48
    if word & (MORE | STOP) != MORE or data[stop - 7] != 0x10:
        return 0
    if stop - start > USUAL:
        at = stop - USUAL
        if data[at] == 0x12 and data[at + 1] == 16 and data[at + 2] == 0x09:
            return USUAL
    if data[stop - 9] == 0x12 and data[stop - 8] == 7:
        return ZERO
    return 0


@inlined
def entry_of(
    data: Any, start: int, stop: int, key: Any, table: Any, entries: Any, arena: Any
) -> Any:
    """The entry of these label bytes, -1 when they are not known."""
    mask = len(table) - 1
    place: Any = np.int64(key) & mask
    while table[place, 0] != np.uint64(0):
        if table[place, 0] == key:
            entry = np.int64(table[place, 1])
            length = stop - start
            if entries[entry, 1] == length and same(data, start, arena, entries[entry, 0], length):
                return entry
        place = (place + 1) & mask
    return -1


@inlined
def found_at(
    data: Any,
    start: int,
    stop: int,
    expected: int,
    seed: Any,
    table: Any,
    entries: Any,
    known: int,
    arena: Any,
) -> Any:
    """The entry of these bytes, -1 when they are not known: most often the one `expected`."""
    length = stop - start
    if (
        expected < known
        and entries[expected, 1] == length
        and same(data, start, arena, entries[expected, 0], length)
    ):
        return expected
    return entry_of(data, start, stop, hashed(data, start, stop, seed), table, entries, arena)


@loop(
    "UniTuple(int64, 2)(uint8[::1], int64, uint64, uint64[:,::1], int64[:,::1], int64,"
    " uint8[::1], int64, int64[::1], int64[::1], float64[::1], int64[:,::1])"
)
def write_request(
    data: Any,
    end: int,
    seed: Any,
    table: Any,
    entries: Any,
    known: int,
    arena: Any,
    most: int,
    slots: Any,
    ts_ms: Any,
    values: Any,
    others: Any,
) -> Any:
    """Read a `prometheus.WriteRequest` of known series with a sample each.

    Fills slots, ts_ms and values in the order of the body; `others` with (start, end of the label
    bytes or -1, stop, time, bits of the value) of every other series: where an end is given, one
    sample is all that stands behind it. All have room for `most`.
    Returns how many of both there are, or ODD first. `known` is the number of entries.
    """
    raw = values.view(np.uint64)
    at = count = found = left = expected = 0
    while at < end:
        tag = data[at]
        at += 1
        length = shift = 0
        while True:
            if at >= end or shift > 28:
                return ODD, 0
            byte: Any = np.int64(data[at])
            at += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if length > end - at or tag & 0x87 != 0x02 or tag < 0x08:
            return ODD, 0
        start, at = at, at + length
        if tag != 0x0A:
            continue  # metadata
        count += 1
        if count > most:
            return ODD, 0
        kind = kind_of(data, start, at)
        if kind == 0:
            others[left, 0], others[left, 1], others[left, 2] = start, -1, at
            left += 1
            continue
        stop = at - kind
        entry = found_at(data, start, stop, expected, seed, table, entries, known, arena)
        time = time6(load64(data, at - 6))
        value = load64(data, at - 15) if kind == USUAL else np.uint64(0)
        slot = entries[entry, 2] if entry >= 0 else FORGOTTEN
        if slot == FORGOTTEN:
            others[left, 0], others[left, 1], others[left, 2] = start, stop, at
            others[left, 3], others[left, 4] = time, np.int64(value)
            left += 1
            continue
        expected = entry + 1
        slots[found], ts_ms[found], raw[found] = slot, time, value
        found += 1
    return found, left


@loop(
    "UniTuple(int64, 2)(uint8[::1], int64[:,::1], int64[::1], uint64, uint64[:,::1],"
    " int64[:,::1], int64, uint8[::1], int64)"
)
def remember(
    data: Any,
    spans: Any,
    slots: Any,
    seed: Any,
    table: Any,
    entries: Any,
    known: int,
    arena: Any,
    used: int,
) -> Any:
    """Make data[start:stop] of each span known as its slot. Room is the caller's to have made.

    Returns how many entries are known and how many bytes of the arena are used then.
    """
    mask = len(table) - 1
    for number in range(len(slots)):
        start, stop = spans[number, 0], spans[number, 1]
        key = hashed(data, start, stop, seed)
        entry = entry_of(data, start, stop, key, table, entries, arena)
        if entry >= 0:
            entries[entry, 2] = slots[number]
            continue
        place: Any = np.int64(key) & mask
        while table[place, 0] != np.uint64(0):
            place = (place + 1) & mask
        table[place, 0], table[place, 1] = key, np.uint64(known)
        entries[known, 0], entries[known, 1] = used, stop - start
        entries[known, 2] = slots[number]
        for byte in range(start, stop):
            arena[used] = data[byte]
            used += 1
        known += 1
    return known, used


@loop("void(uint64[:,::1], uint64[:,::1])")
def rehash(old: Any, new: Any) -> None:
    """Everything of the old table into the new, larger one."""
    mask = len(new) - 1
    for row in range(len(old)):
        if old[row, 0] != np.uint64(0):
            place = np.int64(old[row, 0]) & mask
            while new[place, 0] != np.uint64(0):
                place = (place + 1) & mask
            new[place, 0], new[place, 1] = old[row, 0], old[row, 1]


@inlined
def varint63(data: Any, at: int, end: int) -> Any:
    """The number in a varint and where that ends; -1 there when it is cut short or of ten bytes."""
    found: Any = np.int64(0)
    shift = 0
    while at < end and shift < 63:
        byte: Any = np.int64(data[at])
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, at
        shift += 7
    return np.int64(0), -1


@loop(
    "UniTuple(int64, 2)(uint8[::1], int64, uint64, uint64[:,::1], int64[:,::1], int64, uint8[::1],"
    " int64[:,::1])"
)
def symbols(
    data: Any, end: int, seed: Any, table: Any, entries: Any, known: int, arena: Any, found: Any
) -> Any:
    """The symbols of an `io.prometheus.write.v2.Request`: start, stop and number of each into
    `found`, FORGOTTEN where it is not known.

    Returns how many there are and how many are not known; ODD first where the body is not of the
    usual form, or `found` has no room for them.
    """
    at = count = unknown = 0
    expected: Any = 0
    while at < end:
        tag = data[at]
        length, at = varint63(data, at + 1, end)
        if at < 0 or length > end - at or tag & 0x87 != 0x02 or tag < 0x08:
            return ODD, 0
        start, at = at, at + length
        if tag != 0x22:
            continue
        if count == len(found) or (count == 0 and length):  # the first one is empty
            return ODD, 0
        entry = found_at(data, start, at, expected, seed, table, entries, known, arena)
        found[count, 0], found[count, 1], found[count, 2] = start, at, FORGOTTEN
        if entry >= 0:
            found[count, 2] = entries[entry, 2]
            expected = entry + 1
        else:
            unknown += 1
        count += 1
    return count, unknown


@loop(
    "UniTuple(int64, 3)(uint8[::1], int64, int64[:,::1], int64, uint64, uint64[:,::1],"
    " int64[:,::1], int64, uint8[::1], int64, int64, uint8[::1], int64[::1], int64[::1],"
    " float64[::1], int64[::1], int64[:,::1])"
)
def write_request_v2(
    data: Any,
    end: int,
    names: Any,
    named: int,
    seed: Any,
    table: Any,
    entries: Any,
    known: int,
    arena: Any,
    most: int,
    most_refs: int,
    room: Any,
    slots: Any,
    ts_ms: Any,
    values: Any,
    start_ms: Any,
    others: Any,
) -> Any:
    """Read the series of a Request that `symbols` has read (`named` rows of `names`).

    A series is known by the numbers of its symbols, four bytes each, which are written into `room`.
    Fills slots, ts_ms, values and start_ms (0 for none) with the lone samples of known series;
    `others` with (start, stop) of every other series and (start, stop) of its key in `room`, where
    a sample is all that is missing to know it.
    Returns how many of both there are, or ODD first; and whether any has a start.
    """
    raw = values.view(np.uint64)
    at = count = found = left = expected = kept = 0
    began: Any = 0
    while at < end:
        tag = data[at]
        length, at = varint63(data, at + 1, end)
        if at < 0 or length > end - at or tag & 0x87 != 0x02 or tag < 0x08:
            return ODD, 0, 0
        start, at = at, at + length
        if tag != 0x2A:
            continue
        count += 1
        if count > most:
            return ODD, 0, 0
        pos, stop, top = start, at, kept
        usual, referred, sampled = True, False, False
        time, begin, created = np.int64(0), np.int64(0), np.int64(0)
        value = np.uint64(0)
        while usual and pos < stop:
            inner = data[pos]
            size, pos = varint63(data, pos + 1, stop)
            if pos < 0:
                usual = False
            elif inner == 0x30:
                created = size
            elif size > stop - pos:
                usual = False
            elif inner == 0x2A:
                pos += size
            elif inner == 0x0A and not referred:
                referred = True
                last = pos + size
                while usual and pos < last:
                    ref, pos = varint63(data, pos, last)
                    usual = pos > 0 and ref < named and top + 4 <= len(room)
                    if usual:
                        number = names[ref, 2]
                        usual = number >= 0
                        for byte in range(4):
                            room[top + byte] = (number >> (8 * byte)) & 0xFF
                        top += 4
            elif inner == 0x12 and not sampled:
                sampled = True
                last = pos + size
                while usual and pos < last:
                    part = data[pos]
                    if part == 0x09:
                        usual = last - pos >= 9
                        value = load64(data, pos + 1) if usual else value
                        pos += 9
                        continue
                    number, pos = varint63(data, pos + 1, last)
                    usual = pos > 0
                    if part == 0x10:
                        time = number
                    elif part == 0x18:
                        begin = number
                    else:
                        usual = False
            else:
                usual = False
        if usual and not sampled:
            continue
        refs = (top - kept) // 4
        if not usual or refs == 0 or refs % 2 or refs > most_refs:
            others[left, 0], others[left, 1] = start, stop
            others[left, 2] = others[left, 3] = 0
            left += 1
            continue
        entry = found_at(room, kept, top, expected, seed, table, entries, known, arena)
        slot = entries[entry, 2] if entry >= 0 else FORGOTTEN
        if slot == FORGOTTEN:
            others[left, 0], others[left, 1] = start, stop
            others[left, 2], others[left, 3] = kept, top
            left += 1
            kept = top
            continue
        expected = entry + 1
        slots[found], ts_ms[found], raw[found] = slot, time, value
        start_ms[found] = begin if begin else created
        began |= np.int64(start_ms[found] != 0)
        found += 1
    return found, left, began
