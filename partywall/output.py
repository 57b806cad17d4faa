"""What a command prints: a table on a terminal, plain lines in a pipe, or JSON or CSV on demand."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table

R = TypeVar("R", bound=BaseModel)


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Field(Generic[R]):
    """One column of a table: heading, the text of a row, and whether it is a number."""

    heading: str
    text: Callable[[R], str]
    number: bool = False


def stderr() -> Console:
    """Where progress and words for people go."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def show(rows: Sequence[R], columns: Sequence[Field[R]], form: Format) -> None:
    """Print rows: JSON carries the whole row, table and CSV the columns."""
    if form is Format.JSON:
        print(json.dumps([row.model_dump(mode="json") for row in rows], indent=2))
    elif form is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([column.heading for column in columns])
        writer.writerows([_harmless(column.text(row)) for column in columns] for row in rows)
    elif sys.stdout.isatty():
        _table(rows, columns)
    else:
        for row in rows:
            print("\t".join(column.text(row) for column in columns))


def show_one(row: BaseModel, lines: Mapping[str, str], form: Format) -> None:
    """Print one thing: JSON whole, else name and value a line."""
    if form is Format.JSON:
        print(json.dumps(row.model_dump(mode="json"), indent=2))
    elif form is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines.items())
    else:
        width = max(map(len, lines), default=0)
        for name, value in lines.items():
            print(f"{name:<{width}}  {value}")


def _table(rows: Sequence[R], columns: Sequence[Field[R]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.heading, justify="right" if column.number else "left")
    for row in rows:
        table.add_row(*(_plain(column.text(row)) for column in columns))
    Console(highlight=False).print(table if rows else "nothing")


def _plain(text: str) -> str:
    """Names come from outside: rich must not read markup in them."""
    return text.replace("[", r"\[")


def _harmless(text: str) -> str:
    """A spreadsheet must not run a name that looks like a formula."""
    return "'" + text if text[:1] in ("=", "+", "@", "\t", "\r") or text[:2] == "-=" else text


def moment(at: datetime | None) -> str:
    """A time for people: UTC to the second."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def number(value: float | None, unit: str = "") -> str:
    """Three significant digits, or a dash for unknown."""
    return "-" if value is None else f"{value:.3g}{unit}"


def percent(value: float | None) -> str:
    """A ratio as per cent."""
    return "-" if value is None else f"{value:.0%}"


def milliseconds(seconds: float | None) -> str:
    """Seconds as whole milliseconds."""
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


def names(values: Sequence[str], most: int = 3) -> str:
    """A short list of names."""
    more = len(values) - most
    return ", ".join(values[:most]) + (f" +{more}" if more > 0 else "") or "-"
