"""A file of any known shape as a bill: the header says which; bad rows are kept aside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from analyzer.cost.bills import aws, azure, focus
from analyzer.cost.bills.cells import Row
from analyzer.cost.bills.line import BadRow, Bill, Line
from analyzer.cost.bills.parts import Part, read_parts, wrong

_INSTANT = timedelta(microseconds=1)
_KEPT_TEXT = 300


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of file: how its header looks, what its columns mean, how its rows are read."""

    name: str
    detects: Callable[[Collection[str]], bool]
    column: Callable[[str], str]
    version: Callable[[Collection[str]], str]
    read: Callable[[Sequence[tuple[int, Row]], str], list[Line | ValueError]]
    needed: tuple[str, ...]


SHAPES = tuple(
    Shape(kind.NAME, kind.detects, kind.column, kind.version, kind.read, kind.NEEDED)
    for kind in (focus, aws, azure)
)
NAMES = tuple(shape.name for shape in SHAPES)


def read_bill(data: bytes, *, name: str = "bill", shape: str = "", currency: str = "") -> Bill:
    """Read a bill. `shape` forces one of NAMES; `currency` is for files that do not say theirs.

    Raises Rejected when the file is no bill, or when no row of it can be read.
    """
    lines: list[Line] = []
    bad: list[BadRow] = []
    names: set[str] = set()
    hashes, notes = [], []
    for part in read_parts(data, name):
        chosen = _shape(part, shape)
        rows = list(_rows(part, chosen, bad))
        hashes.append(_hash(part.header, rows))
        number = chosen.version(part.header)
        names.add(f"{chosen.name}-{number}" if number else chosen.name)
        for (at, row), found in zip(rows, chosen.read(rows, currency), strict=True):
            fault = _fault(found)
            if isinstance(found, Line) and not fault:
                lines.append(_sound(found))
            else:
                bad.append(BadRow(part.name, at, fault, _said(row)))
    if len(names) > 1:
        raise wrong(f"mixes {', '.join(sorted(names))}, import each by itself")
    if bad and not lines:
        raise wrong(f"has no row that can be read; row {bad[0].row}: {bad[0].what}")
    if not names:
        raise wrong("is empty")
    digest = hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
    if virtual := sorted({x.pricing_currency for x in lines} - {x.currency for x in lines} - {""}):
        notes.append(f"priced in {', '.join(virtual)[:200]}; its costs are in the billing currency")
    return Bill(names.pop(), digest, tuple(lines), tuple(bad), len(hashes), tuple(notes))


def _shape(part: Part, forced: str) -> Shape:
    known = [s for s in SHAPES if (s.name == forced if forced else s.detects(part.header))]
    if not known:
        what = f"shape {forced[:40]!r} is unknown" if forced else f"{part.name[:80]} has no header"
        raise wrong(f"{what} that we know, give one of {', '.join(NAMES)} with its columns")
    shape = known[0]
    have = {shape.column(name) for name in part.header}
    missing = [column for column in shape.needed if column not in have]
    if missing:
        raise wrong(f"{part.name[:80]} lacks {', '.join(missing)}: it is no {shape.name} bill")
    return shape


def _rows(part: Part, shape: Shape, bad: list[BadRow]) -> Iterator[tuple[int, Row]]:
    """The rows with the columns that are read."""
    named = [(at, shape.column(name)) for at, name in enumerate(part.header)]
    chosen = [at for at, name in named if name]
    names = [name for _, name in named if name]
    for number, width, cells in part.rows(chosen):
        if width == len(part.header):
            yield number, dict(zip(names, cells, strict=True))
        else:
            what = f"has {width} cells where the header has {len(part.header)}"
            bad.append(BadRow(part.name, number, what, ",".join(cells)[:_KEPT_TEXT]))


def _hash(header: Sequence[str], rows: Sequence[tuple[int, Row]]) -> str:
    """Of what a part says, however it is packed or called."""
    digest = hashlib.sha256(repr(list(header)).encode())
    for _, row in rows:
        digest.update(repr(tuple(row.values())).encode())
    return digest.hexdigest()


def _fault(found: Line | ValueError) -> str:
    if isinstance(found, ValueError):
        return str(found)
    if found.billed is None and found.effective is None:
        return "has neither a billed nor an effective cost"
    if found.end < found.start:
        return "its charge ends before it begins"
    return ""


def _sound(line: Line) -> Line:
    """A charge of an instant (a purchase) gets a moment to be incurred in."""
    line = line if line.end > line.start else replace(line, end=line.start + _INSTANT)
    return line if line.until > line.since else replace(line, since=line.start, until=line.end)


def _said(row: Row) -> str:
    return ",".join(row.values())[:_KEPT_TEXT]
