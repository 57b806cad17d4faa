"""The format of a spool segment: a magic, then records of length, CRC-32 and body.

A record holds a run of series, one batch of samples, or one table of usage rows. A reader stops at
the first record that is not whole, so a torn or damaged tail costs itself and nothing before it.

    PWSPOOL1 | length u32 | crc32 u32 | kind u8, payload ... | length u32 | ...
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from collector.model import Frame, Samples, Series, UsageRows

MAGIC = b"PWSPOOL1"
_HEAD = struct.Struct("<II")
_COUNT = struct.Struct("<II")
_SERIES, _SAMPLES, _ROWS = 1, 2, 3

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Series])


def encode(frames: Sequence[Frame]) -> bytes:
    """The records of these frames; neighbouring series share one record."""
    records: list[bytes] = []
    for kind, run in itertools.groupby(frames, type):
        if kind is Series:
            records.append(_record(_SERIES, _encoder.encode(list(run))))
        else:
            records += (_encode_one(frame) for frame in run)
    return b"".join(records)


def _encode_one(frame: Frame) -> bytes:
    if isinstance(frame, Samples):
        return _record(_SAMPLES, _pack_samples(frame))
    assert isinstance(frame, UsageRows)
    batch = frame.batch_id.encode()
    return _record(_ROWS, _COUNT.pack(len(batch), 0) + batch + _pack_table(frame.table))


def _record(kind: int, payload: bytes) -> bytes:
    body = bytes((kind,)) + payload
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def _pack_samples(samples: Samples) -> bytes:
    starts = samples.start_ms
    return b"".join(
        (
            _COUNT.pack(len(samples.sids), starts is not None),
            samples.sids.astype("<u4", copy=False).tobytes(),
            samples.ts_ms.astype("<i8", copy=False).tobytes(),
            samples.values.astype("<f8", copy=False).tobytes(),
            b"" if starts is None else starts.astype("<i8", copy=False).tobytes(),
        )
    )


def _unpack_samples(payload: memoryview) -> Samples:
    count, started = _COUNT.unpack_from(payload)
    at = _COUNT.size
    sids = np.frombuffer(payload, "<u4", count, at)
    ts_ms = np.frombuffer(payload, "<i8", count, at + 4 * count)
    values = np.frombuffer(payload, "<f8", count, at + 12 * count)
    starts = np.frombuffer(payload, "<i8", count, at + 20 * count) if started else None
    return Samples(sids, ts_ms, values, starts)


def _pack_table(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _unpack_rows(payload: memoryview) -> UsageRows:
    length, _ = _COUNT.unpack_from(payload)
    at = _COUNT.size + length
    with pa.ipc.open_stream(pa.py_buffer(payload[at:])) as reader:
        return UsageRows(reader.read_all(), bytes(payload[_COUNT.size : at]).decode())


def records(data: bytes | memoryview) -> Iterator[memoryview]:
    """The bodies of the whole records, in order, up to the first that is not whole.

    A length of 0 ends the segment too: a file extended by zeros has "records" with a valid CRC.
    """
    view = memoryview(data)
    if view[: len(MAGIC)] != MAGIC:
        return
    at = len(MAGIC)
    while at + _HEAD.size <= len(view):
        length, crc = _HEAD.unpack_from(view, at)
        body = view[at + _HEAD.size : at + _HEAD.size + length]
        if not 0 < length == len(body) or zlib.crc32(body) != crc:
            return
        yield body
        at += _HEAD.size + length


def whole_length(data: bytes | memoryview) -> int:
    """How many bytes of a segment can be read back: everything after is a torn tail."""
    length = sum(_HEAD.size + len(body) for body in records(data))
    return len(MAGIC) + length if length else 0


def read(data: bytes | memoryview) -> Iterator[tuple[Iterator[Frame], int]]:
    """The frames of each whole record, and how many bytes of the segment are whole with it."""
    at = len(MAGIC)
    for body in records(data):
        at += _HEAD.size + len(body)
        yield _frames(body), at


def decode(data: bytes | memoryview) -> Iterator[Frame]:
    """The frames of a segment; stops at the first record that is not whole."""
    for frames, _ in read(data):
        yield from frames


def _frames(body: memoryview) -> Iterator[Frame]:
    payload = body[1:]
    if body[0] == _SERIES:
        yield from _decoder.decode(payload)
    elif body[0] == _SAMPLES:
        yield _unpack_samples(payload)
    elif body[0] == _ROWS:
        yield _unpack_rows(payload)
