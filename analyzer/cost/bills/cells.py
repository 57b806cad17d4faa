"""The text of a cell as an amount, an instant, a tag set: strictly, naming the column."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation

from analyzer.cost.bills.line import decimals

NOTHING = frozenset({"", "NULL", "null", "Null", "None", "N/A"})
MAX_DECIMALS = 26
_MOST = Decimal(10) ** 15
_MONEY = re.compile(
    r"(-?)\s*[$€£]?\s*(-?)((?:\d{1,3}(?:,\d{3})+|\d*)(?:\.\d*)?(?:[eE][-+]?\d{1,3})?)"
)
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?)?")

Row = Mapping[str, str]


class UnreadableCell(ValueError):
    """What is wrong with a cell, and what it should be."""


def text(row: Row, column: str) -> str:
    """A cell, empty when it says nothing in any of the ways files say that."""
    value = row.get(column, "").strip()
    return "" if value in NOTHING else value


def first(row: Row, *columns: str) -> str:
    """The first of several columns that says something."""
    return next((value for column in columns if (value := text(row, column))), "")


def amount(row: Row, column: str) -> Decimal | None:
    """An exact decimal: `-0.0000008`, `1e-7`, `$10,000.00`; None when the cell is empty."""
    value = text(row, column)
    if not value:
        return None
    match = _MONEY.fullmatch(value)
    digits = match[3].replace(",", "") if match and not (match[1] and match[2]) else ""
    try:
        found = Decimal(digits)
    except InvalidOperation:
        raise UnreadableCell(f"{column}: {value[:40]!r} is not an amount") from None
    found = _plain(found if decimals(found) <= MAX_DECIMALS else found.normalize())
    if abs(found) >= _MOST or decimals(found) > MAX_DECIMALS:
        raise UnreadableCell(
            f"{column}: {value[:40]!r} is out of range (15 digits before the point, "
            f"{MAX_DECIMALS} after it)"
        )
    assert match is not None
    return -found if match[1] or match[2] else found


def _plain(value: Decimal) -> Decimal:
    """Without an exponent above zero: 1E+2 is 100."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0 and value.adjusted() < 20:
        return value.quantize(Decimal(1))
    return value


def instant(row: Row, column: str) -> datetime | None:
    """An instant in UTC: RFC 3339, the same with a blank or without zone, a day, or 5/1/25 (month
    first); None when the cell is empty.
    """
    value = text(row, column)
    if not value:
        return None
    try:
        found = _american(value) if "/" in value else datetime.fromisoformat(value)
    except ValueError:
        raise UnreadableCell(
            f"{column}: {value[:40]!r} is no time, write it like 2026-11-01T00:00:00Z"
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _american(value: str) -> datetime:
    match = _AMERICAN.fullmatch(value)
    if match is None:
        raise ValueError(value)
    month, day, year = int(match[1]), int(match[2]), int(match[3])
    clock = time(int(match[4] or 0), int(match[5] or 0), int(match[6] or 0))
    return datetime.combine(date(year + 2000 if year < 100 else year, month, day), clock)


def tags(value: str) -> tuple[tuple[str, str], ...]:
    """A JSON object of tags, with or without its braces; what is no JSON has no tags."""
    if not value:
        return ()
    whole = value if value.startswith(("{", "[")) else f"{{{value}}}"
    try:
        found = json.loads(whole)
    except (ValueError, RecursionError):
        return ()
    if isinstance(found, list):
        found = {str(e.get("key", "")): e.get("value", "") for e in found if isinstance(e, dict)}
    if not isinstance(found, dict):
        return ()
    return tuple(sorted((str(k)[:200], str(v)[:500]) for k, v in found.items()))[:100]
