"""Undo the compression of a body, never beyond a limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cramjam
import numpy as np
import numpy.typing as npt

from collector.decode.protobuf import malformed, varint
from collector.keys import PAD
from collector.model import Rejected, Rejection

_PIECE = 1 << 20
_KEPT = 4 << 20  # bytes of a room that is kept


@dataclass(frozen=True, slots=True)
class Plain:
    """A body after decompression: the first `length` bytes of `room`, which goes on for `PAD` more.

    The room is used again: whoever keeps something of it copies.
    """

    room: npt.NDArray[np.uint8]
    length: int

    @classmethod
    def of(cls, data: bytes) -> Plain:
        """These bytes in a room of their own."""
        room = np.zeros(len(data) + PAD, np.uint8)
        room[: len(data)] = np.frombuffer(data, np.uint8)
        return cls(room, len(data))

    def tobytes(self) -> bytes:
        """A copy."""
        return self.room[: self.length].tobytes()


class Unpacker:
    """Decompresses into one room again and again: fresh memory costs more than the work."""

    def __init__(self) -> None:
        self._room = np.zeros(0, np.uint8)

    def unsnap(self, body: bytes, limit: int) -> Plain:
        """A snappy block. The claimed length is looked at before anything is allocated."""
        length, _ = varint(body, 0, min(len(body), 5))
        if length > limit:
            raise too_large(limit)
        room = self._room_for(length)
        try:
            written = cramjam.snappy.decompress_raw_into(body, room[:length].data)
        except cramjam.DecompressionError as error:
            what = f"snappy: {error}; send a snappy block, not the framed format"
            raise malformed(what) from error
        if written != length:
            raise malformed("snappy: the body is shorter than it says")
        return Plain(room, length)

    def _room_for(self, length: int) -> npt.NDArray[np.uint8]:
        if length > _KEPT:
            return np.zeros(length + PAD, np.uint8)
        if length + PAD > len(self._room):
            self._room = np.zeros(min(2 * length, _KEPT) + PAD, np.uint8)
        return self._room


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
