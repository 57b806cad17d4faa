"""How large an Arrow stream becomes, read before anything is decompressed.

A compressed buffer begins with its uncompressed length; 1 MB of zstd may claim 32 GB. pyarrow has
no limit of its own, so the flatbuffer of each message is looked at here:

    Message: 1 header_type, 2 header ─┬▶ RecordBatch: 2 buffers [(offset i64, length i64)],
                                      │               3 compression
                                      └▶ DictionaryBatch: 1 data ──▶ RecordBatch
"""

from __future__ import annotations

import struct

import pyarrow as pa

from collector.decode.protobuf import malformed

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2


def unpacked_bytes(body: bytes) -> int:
    """Bytes all buffers of a stream claim to hold. Raises Rejected(MALFORMED) or pa errors."""
    try:
        messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(body))
        return sum(_of_message(bytes(one.metadata), one.body) for one in messages)
    except struct.error as error:
        raise malformed(f"Arrow stream: {error}") from error


def _of_message(meta: bytes, body: pa.Buffer | None) -> int:
    root = _u32(meta, 0)
    kind_at, header_at = _slot(meta, root, 1), _slot(meta, root, 2)
    if not kind_at or not header_at or body is None:
        return 0
    batch = header_at + _u32(meta, header_at)
    if meta[kind_at] == _DICTIONARY_BATCH and (data_at := _slot(meta, batch, 1)):
        batch = data_at + _u32(meta, data_at)
    elif meta[kind_at] != _RECORD_BATCH:
        return 0
    return _claimed(meta, batch, body)


def _claimed(meta: bytes, batch: int, body: pa.Buffer) -> int:
    buffers_at = _slot(meta, batch, 2)
    if not buffers_at or not _slot(meta, batch, 3):
        return int(body.size)  # not compressed: what we hold already
    vector = buffers_at + _u32(meta, buffers_at)
    data = memoryview(body)
    total = 0
    for index in range(_u32(meta, vector)):
        offset, length = struct.unpack_from("<qq", meta, vector + 4 + 16 * index)
        if length:
            (claimed,) = struct.unpack_from("<q", data, offset)
            total += length if claimed == -1 else max(claimed, 0)
    return total


def _slot(meta: bytes, table: int, field: int) -> int:
    """Where a table's field lies, 0 when it is absent."""
    vtable = table - struct.unpack_from("<i", meta, table)[0]
    if vtable < 0 or 4 + 2 * field >= struct.unpack_from("<H", meta, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", meta, vtable + 4 + 2 * field)[0]
    return table + int(offset) if offset else 0


def _u32(meta: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", meta, at)[0])
