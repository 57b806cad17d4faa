"""The bytes of a bill as tables of text: CSV or Parquet, alone, gzipped, or many in a tar or zip.

Every layer has a bound: a small file can describe a very large one.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from collector.model import Rejected, Rejection

MAX_BYTES = 512 * 2**20
"""Of a bill, however packed, once unpacked."""

MAX_ROWS = 2_000_000
_MAX_CELL = 200_000
_MAX_PARTS = 1_000


Numbered = tuple[int, int, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Part:
    """One table: its header, and its rows, once, of chosen columns: (row number, how many cells it
    has, the chosen ones as text; all of them when it has not as many as the header).
    """

    name: str
    header: Sequence[str]
    rows: Callable[[Sequence[int]], Iterator[Numbered]]


def read_parts(data: bytes, name: str = "bill") -> Iterator[Part]:
    """The tables of a file. Raises Rejected when it is none we read, or too large."""
    for inner, content in _unpacked(data, name, depth=0, room=[MAX_BYTES]):
        yield _parquet(content, inner) if content[:4] == b"PAR1" else _csv(content, inner)


def _unpacked(
    data: bytes, name: str, *, depth: int, room: list[int]
) -> Iterator[tuple[str, bytes]]:
    if depth > 3:
        raise wrong("is packed more than three times, unpack it")
    if data[:2] == b"\x1f\x8b":
        yield from _unpacked(_gunzip(data, room[0]), name, depth=depth + 1, room=room)
    elif data[:4] == b"PK\x03\x04":
        yield from _members(_zip(data, room[0]), depth, room)
    elif data[257:262] == b"ustar":
        yield from _members(_tar(data), depth, room)
    else:
        room[0] -= len(data)
        if room[0] < 0:
            raise wrong(f"is larger than {MAX_BYTES >> 20} MiB unpacked, split it")
        yield name, data


def _members(
    members: Iterable[tuple[str, bytes]], depth: int, room: list[int]
) -> Iterator[tuple[str, bytes]]:
    for count, (name, data) in enumerate(sorted(members)):
        if count >= _MAX_PARTS:
            raise wrong(f"has more than {_MAX_PARTS} parts, split it")
        yield from _unpacked(data, name, depth=depth + 1, room=room)


def _gunzip(data: bytes, most: int) -> bytes:
    found = bytearray()
    try:
        while data:
            unzip = zlib.decompressobj(wbits=31)
            found += unzip.decompress(data, most + 1 - len(found))
            if len(found) > most:
                raise wrong(f"is larger than {MAX_BYTES >> 20} MiB unpacked, split it")
            if not unzip.eof:
                raise wrong("is cut off, send the whole file")
            data = unzip.unused_data.lstrip(b"\0")
    except zlib.error:
        raise wrong("is a broken gzip file") from None
    return bytes(found)


def _zip(data: bytes, most: int) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if sum(info.file_size for info in infos) > most:
                raise wrong(f"is larger than {MAX_BYTES >> 20} MiB unpacked, split it")
            for info in infos:
                with archive.open(info) as member:
                    yield info.filename, member.read(info.file_size + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error):
        raise wrong("is a broken or encrypted zip file") from None


def _tar(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name, file.read()
    except tarfile.TarError:
        raise wrong("is a broken tar file") from None


def _csv(data: bytes, name: str) -> Part:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        decoded = data.decode(encoding)
    except UnicodeDecodeError as bad:
        raise wrong(f"{name[:80]} is no UTF-8 (byte {bad.start}), save it as UTF-8") from None
    if "\0" in decoded:
        raise wrong(f"{name[:80]} is neither CSV nor Parquet: it holds zero bytes")
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=_delimiter(decoded))
    header = [cell.strip() for cell in next(_safe(reader, name), [])]

    def rows(chosen: Sequence[int]) -> Iterator[Numbered]:
        for number, row in _numbered(_safe(reader, name)):
            whole = len(row) == len(header)
            yield number, len(row), [row[at] for at in chosen] if whole else row

    return Part(name, header, rows)


def _delimiter(decoded: str) -> str:
    head = decoded[: decoded.find("\n") + 1] or decoded[:10_000]
    return max(",;\t", key=head.count)


def _safe(reader: Iterator[list[str]], name: str) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as bad:
        raise wrong(f"{name[:80]} is no CSV ({bad})") from None


def _numbered(rows: Iterator[list[str]]) -> Iterator[tuple[int, Sequence[str]]]:
    for number, row in enumerate(rows, start=2):
        if number > MAX_ROWS:
            raise wrong(f"has more than {MAX_ROWS:,} rows, split it")
        if any(row):
            yield number, row


def _parquet(data: bytes, name: str) -> Part:
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError, BaseException) as bad:
        if isinstance(bad, KeyboardInterrupt | SystemExit):
            raise
        raise wrong(f"{name[:80]} is a broken Parquet file") from None
    if frame.height > MAX_ROWS:
        raise wrong(f"has more than {MAX_ROWS:,} rows, split it")

    def rows(chosen: Sequence[int]) -> Iterator[Numbered]:
        picked = frame.select(frame.columns[at] for at in chosen)
        for number, row in enumerate(picked.iter_rows(), start=2):
            yield number, frame.width, [_written(value) for value in row]

    return Part(name, frame.columns, rows)


def _written(value: object) -> str:
    """A typed cell as text: a float by its shortest digits, which is what its writer meant."""
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list):
        return _pairs(value)
    return repr(value) if isinstance(value, float) else str(value)


def _pairs(value: list[object]) -> str:
    """A Parquet map (pairs of key and value) as JSON."""
    return json.dumps([item for item in value if isinstance(item, dict)], default=str)


def wrong(what: str) -> Rejected:
    """A bill that cannot be read at all."""
    return Rejected(Rejection.INVALID_FIELD, f"bill: {what}", field="bill")
