"""What a bill is made of, whichever provider wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from analyzer.cost.bills.rules import Face


@dataclass(frozen=True, slots=True)
class Line:
    """One charge. `row` is its place in the file (the header is row 1). Amounts are exact, in units
    of `currency`; None where the file does not say them. `start` and `end` are when the charge was
    incurred, `since` and `until` the billing period; both half open, in UTC.
    """

    row: int
    face: Face
    account: str
    currency: str
    billed: Decimal | None
    effective: Decimal | None
    start: datetime
    end: datetime
    since: datetime
    until: datetime
    charge_class: str = ""
    description: str = ""
    pricing_currency: str = ""

    @property
    def span(self) -> tuple[datetime, datetime]:
        """When the line counts: a charge that outlasts its billing period (a year paid at once)
        counts inside it, so that the weeks of a billing period sum to its bill; one of another
        period (a correction) counts when it was incurred.
        """
        a, b = max(self.start, self.since), min(self.end, self.until)
        return (a, b) if a < b else (self.start, self.end)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was kept aside, and why."""

    part: str
    row: int
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill as read. `shape` is what it was taken for, such as focus-1.2; `parts` its files."""

    shape: str
    sha256: str
    lines: tuple[Line, ...]
    bad: tuple[BadRow, ...] = ()
    parts: int = 1
    notes: Sequence[str] = field(default=())

    @property
    def scale(self) -> int:
        """Decimals of the finest amount."""
        amounts = (a for line in self.lines for a in (line.billed, line.effective) if a is not None)
        return max((decimals(amount) for amount in amounts), default=0)

    def total(self, currency: str, basis: str = "billed") -> Decimal:
        """Sum of one currency, exactly."""
        amounts = (getattr(x, basis) for x in self.lines if x.currency == currency)
        return sum((amount for amount in amounts if amount is not None), Decimal(0))

    @property
    def currencies(self) -> list[str]:
        return sorted({line.currency for line in self.lines})


def decimals(amount: Decimal) -> int:
    """Digits after the point."""
    exponent = amount.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
