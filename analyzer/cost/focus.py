"""Bills in the FinOps Open Cost and Usage Specification (FOCUS 1.0 and later, CSV).

Amounts are read as exact decimals and kept as whole quanta of the finest scale in the file, so
that the sum of the lines, and of their split, is the sum of the bill.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from analyzer.allocation import largest_remainder
from analyzer.cost.statement import money
from collector.model import Rejected, Rejection

_NEEDED = ("BillingCurrency", "ChargeCategory", "ResourceId", "ServiceName")
_NOTHING = ("", "NULL", "null")
_MAX_SCALE = 20


@dataclass(frozen=True, slots=True)
class BillLine:
    """One charge; `resource` is empty when the provider names none."""

    number: int
    resource: str
    service: str
    category: str
    quanta: int


@dataclass(frozen=True, slots=True)
class Bill:
    """One currency, amounts in 10^-scale of it."""

    currency: str
    scale: int
    lines: tuple[BillLine, ...]

    @property
    def total(self) -> str:
        return money(sum(line.quanta for line in self.lines), self.scale)


@dataclass(frozen=True, slots=True)
class BillSplit:
    """total of the bill == sum(tenants) + unattributed, exactly."""

    tenants: Mapping[str, int]
    unattributed: int


def read_focus(path: Path, *, basis: str = "BilledCost") -> Bill:
    """Read a bill. `basis` is BilledCost or EffectiveCost: one of them, never a mix.

    Raises Rejected naming the row and column that is missing or no number, or when the file has
    more than one currency (they are never summed).
    """
    rows = list(_rows(path, basis))
    currencies = {row["BillingCurrency"] for _, row in rows}
    if len(currencies) > 1:
        raise _wrong(f"has {len(currencies)} currencies, split it by BillingCurrency")
    amounts = [_amount(number, basis, row[basis]) for number, row in rows]
    scale = max((-_exponent(amount) for amount in amounts), default=0)
    lines = (
        BillLine(
            number,
            _text(row["ResourceId"]),
            _text(row["ServiceName"]),
            row["ChargeCategory"],
            int(amount.scaleb(scale)),
        )
        for (number, row), amount in zip(rows, amounts, strict=True)
    )
    return Bill(next(iter(currencies), ""), max(0, scale), tuple(lines))


def split_bill(bill: Bill, weights_of: Callable[[BillLine], Mapping[str, int]]) -> BillSplit:
    """Split every line by the weights of its users; a line with no users is unattributed."""
    tenants: dict[str, int] = {}
    unattributed = 0
    for line in bill.lines:
        shares = largest_remainder(line.quanta, weights_of(line))
        for tenant, share in shares.items():
            tenants[tenant] = tenants.get(tenant, 0) + share
        unattributed += 0 if shares else line.quanta
    return BillSplit(tenants, unattributed)


def _rows(path: Path, basis: str) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restval="")
        missing = [name for name in (basis, *_NEEDED) if name not in (reader.fieldnames or ())]
        if missing:
            raise _wrong(f"lacks {', '.join(missing)}: it is not a FOCUS bill")
        yield from enumerate(reader, start=2)


def _amount(number: int, column: str, text: str) -> Decimal:
    if text in _NOTHING:
        return Decimal(0)
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) >= Decimal(10) ** 15 or -_exponent(value) > _MAX_SCALE:
        raise _wrong(f"row {number}, {column}: {text[:40]!r} is not an amount")
    return value


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return min(0, exponent) if isinstance(exponent, int) else 0


def _text(value: str) -> str:
    return "" if value in _NOTHING else value


def _wrong(what: str) -> Rejected:
    return Rejected(Rejection.INVALID_FIELD, f"bill: {what}", field="bill")
