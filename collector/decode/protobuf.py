"""The protobuf wire, read in place: varints and fields, with every length checked.

Errors are Rejected(MALFORMED). Groups (wire types 3 and 4) are refused: no message of ours has any.
"""

from __future__ import annotations

from collections.abc import Iterator

from collector.model import Rejected, Rejection

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


MAX_FIELDS = 150_000
"""Fields read of one body: two bytes make an empty one, and each costs some microseconds."""

MOST_BAD = 10_000
"""Items of one body that are refused one by one; with more the body is refused whole."""


class Budget:
    """Counts the fields of one body down."""

    def __init__(self, left: int = MAX_FIELDS) -> None:
        self._left = left

    def spend(self) -> None:
        """One more field. Raises Rejected(TOO_MANY_FIELDS) when there were too many."""
        self._left -= 1
        if self._left < 0:
            raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {MAX_FIELDS} fields: split it")


def malformed(detail: str) -> Rejected:
    """The body cannot be read."""
    return Rejected(Rejection.MALFORMED, detail)


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The unsigned varint at `at` and where it ends."""
    if at < end and data[at] < 0x80:
        return data[at], at + 1
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise malformed(f"protobuf: varint without end at byte {at}")


def signed(value: int) -> int:
    """An int64 as protobuf writes it: two's complement in an unsigned varint."""
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Fields of the message in data[at:end] as (number, wire type, start, stop).

    For a varint, start is its value and stop is unused; else data[start:stop] is the payload.
    """
    while at < end:
        tag = data[at]
        if tag < 0x80:
            at += 1
        else:
            tag, at = varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = varint(data, at, end)
            yield number, wire, value, 0
            continue
        if wire == BYTES:
            length, at = varint(data, at, end)
        elif wire in {FIXED64, FIXED32}:
            length = 8 if wire == FIXED64 else 4
        else:
            raise malformed(f"protobuf: wire type {wire} at byte {at}")
        if length > end - at:
            raise malformed(f"protobuf: field {number} at byte {at} reaches beyond its message")
        yield number, wire, at, at + length
        at += length


def text(data: bytes, start: int, stop: int) -> str:
    """A string field."""
    try:
        return data[start:stop].decode()
    except UnicodeDecodeError as error:
        raise malformed(f"protobuf: text at byte {start} is not UTF-8") from error
