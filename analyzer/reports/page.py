"""A report before it is a file: the same sentences and tables for HTML, PDF, mail and workbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """One coloured piece of a bar; `x` and `width` in percent of the picture."""

    name: str
    x: float
    width: float
    amount: str


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    amount: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars on one scale, and what their colours are called (class name, words)."""

    title: str
    bars: Sequence[Bar]
    legend: Sequence[tuple[str, str]]
    id: str = "bars"
    kind: str = "bars"


@dataclass(frozen=True, slots=True)
class Table:
    """The first `texts` columns are text, the others numbers; `total` is empty or a last row."""

    id: str
    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: Sequence[str] = ()
    texts: int = 1
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Said:
    """Sentences under a heading."""

    id: str
    title: str
    caption: str
    lines: Sequence[str]
    kind: str = "said"


@dataclass(frozen=True, slots=True)
class Figure:
    """One large number."""

    label: str
    value: str
    hint: str = ""


Block = Table | Said | Bars


@dataclass(frozen=True, slots=True)
class Page:
    """`headline` (period, zone, hours, status, version, coverage) is the first line everywhere."""

    title: str
    headline: str
    sentence: str
    figures: Sequence[Figure]
    blocks: Sequence[Block]
    footer: Sequence[str]
    currency: str

    def tables(self) -> list[Table]:
        return [block for block in self.blocks if isinstance(block, Table)]
