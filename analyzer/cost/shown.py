"""A statement as people read it: at the decimals of its currency, and still adding up.

What every tenant pays for every resource is rounded as one table (`rounding`), so each amount,
each tenant's and each resource's total is less than one unit off and the bill is the nearest. The
columns direct, idle, shared and credit share out a rounded amount, each at most one unit off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from decimal import Decimal
from functools import lru_cache

from babel.numbers import get_currency_precision

from analyzer.cost.change import whole
from analyzer.cost.rounding import Cell, controlled, nearest
from analyzer.cost.statement import Part, ResourceLine, Statement, TenantLine, Why, money


@dataclass(frozen=True, slots=True, eq=False)
class Same:
    """A statement by identity: made into something once, however often asked."""

    statement: Statement

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.statement is self.statement

    def __hash__(self) -> int:
        return id(self.statement)


def shown(statement: Statement) -> Statement:
    """The same week with amounts in the smallest unit of the currency (JPY 1, USD 0.01)."""
    if statement.scale <= statement.terms.precision:
        return statement
    return _held(Same(statement))


def shown_amount(amount: str, currency: str) -> str:
    """One amount that no table has, such as a difference, at the decimals of its currency."""
    precision = get_currency_precision(currency)
    exact = Decimal(amount)
    scale = max(precision, -int(exact.as_tuple().exponent))
    return money(nearest(int(exact.scaleb(scale)), 10 ** (scale - precision)), precision)


@lru_cache(maxsize=4)
def _held(same: Same) -> Statement:
    return _shown(same.statement)


def _shown(s: Statement) -> Statement:
    unit = 10 ** (s.scale - s.terms.precision)
    numbers = {line.resource: column for column, line in enumerate(s.resources)}
    cells = _cells(s, numbers)
    amounts = iter(controlled(cells, unit))
    carry = [0, 0, 0, 0]
    tenants = tuple(
        _tenant(line, [_part(p, next(amounts), unit, carry) for p in line.parts], unit)
        for line in s.tenants
    )
    paid = dict.fromkeys(numbers, 0)
    for line in tenants:
        for part in line.parts:
            paid[part.resource] += part.total
    resources = [
        _resource(r, paid[r.resource], next(amounts), next(amounts), unit) for r in s.resources
    ]
    return replace(s, scale=s.terms.precision, tenants=tenants, resources=tuple(resources))


def _cells(s: Statement, numbers: dict[str, int]) -> list[Cell]:
    """Rows: a tenant each, then what is idle, then what is unattributed. Columns: resources."""
    cells = [
        Cell(row, numbers[part.resource], part.total)
        for row, line in enumerate(s.tenants)
        for part in line.parts
    ]
    last = len(s.tenants)
    for column, line in enumerate(s.resources):
        cells += (Cell(last, column, line.idle), Cell(last + 1, column, line.unattributed))
    return cells


def _part(part: Part, total: int, unit: int, carry: list[int]) -> Part:
    """`total` shared out; what a column lost in earlier parts raises its claim."""
    exact = (part.direct, part.idle, part.shared, part.credit)
    amounts, rising = [0, 0, 0, 0], []
    for column, amount in enumerate(exact):
        if amount:
            amounts[column], rest = divmod(amount, unit)
            if rest:
                carry[column] += rest
                rising.append(column)
    ups = total - sum(amounts)
    if ups and len(rising) > 1:
        rising.sort(key=lambda c: (-carry[c], c))
    for column in rising[:ups]:
        amounts[column] += 1
        carry[column] -= unit
    direct, idle, shared, credit = amounts
    own = min(nearest(part.own_idle, unit), max(0, direct)) if part.own_idle else 0
    return Part(part.resource, direct, idle, shared, part.used, credit, own)


def _tenant(line: TenantLine, parts: Sequence[Part], unit: int) -> TenantLine:
    before = None if line.before is None else nearest(line.before, unit)
    paid = sum(part.total for part in parts)
    return replace(
        line,
        parts=tuple(parts),
        revenue=None if line.revenue is None else nearest(line.revenue, unit),
        before=before,
        why=None if line.why is None else _why(line.why, paid - (before or 0), unit),
    )


def _why(why: Why, change: int, unit: int) -> Why:
    """The reasons sum to the change as displayed."""
    return Why(*whole([part / unit for part in astuple(why)], change))


def _resource(
    line: ResourceLine, paid: int, idle: int, unattributed: int, unit: int
) -> ResourceLine:
    bill = paid + idle + unattributed
    return replace(
        line,
        bill=bill,
        allocated=paid,
        idle=idle,
        unattributed=unattributed,
        billed=bill if line.billed == line.bill else nearest(line.billed, unit),
        estimate=None if line.estimate is None else nearest(line.estimate, unit),
    )
