"""Undo the compression of a body, never beyond a limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import cramjam

from collector.decode.protobuf import malformed, varint
from collector.model import Rejected, Rejection

_PIECE = 1 << 20


def unsnap(body: bytes, limit: int) -> bytes:
    """A snappy block. The claimed length is looked at before anything is allocated."""
    length, _ = varint(body, 0, min(len(body), 5))
    if length > limit:
        raise too_large(limit)
    target = bytearray(length)
    try:
        written = cramjam.snappy.decompress_raw_into(body, target)
    except cramjam.DecompressionError as error:
        raise malformed(f"snappy: {error}; send a snappy block, not the framed format") from error
    if written != length:
        raise malformed("snappy: the body is shorter than it says")
    return bytes(target)


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """A body with Content-Encoding identity, gzip or deflate."""
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "deflate"}:
        raise Rejected(
            Rejection.UNSUPPORTED_TYPE,
            f"Content-Encoding {encoding!r} is not read here: use gzip, deflate or none",
            field="Content-Encoding",
        )
    try:
        total = 0
        for piece in _pieces(body):  # counted first: a bomb then costs no memory
            total += len(piece)
            if total > limit:
                raise too_large(limit)
        return b"".join(_pieces(body))
    except zlib.error as error:
        raise malformed(f"{encoding}: {error}") from error


def _pieces(body: bytes) -> Iterator[bytes]:
    """The unpacked body. Raises zlib.error, also when it ends too early."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by its header
    while not stream.eof:
        piece = stream.decompress(body, _PIECE)
        if not piece and not stream.eof:
            raise zlib.error("the body ends too early")
        yield piece
        body = stream.unconsumed_tail


def too_large(limit: int) -> Rejected:
    """The body unpacks to more than the limit."""
    return Rejected(
        Rejection.BODY_TOO_LARGE,
        f"the body is larger than {limit} bytes after decompression: split it",
    )
