"""Why a tenant's cost changed since the week before: price, its own use, or its neighbours.

The cost of a resource is C = B u / U: its bill, the tenant's own use, and the use it is shared out
over. With the logarithmic mean L = (C1 - C0) / (ln C1 - ln C0) the change is, exactly,
L ln(B1/B0) + L ln(u1/u0) - L ln(U1/U0) (logarithmic mean Divisia index, Ang 2004).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.cost.statement import Statement, TenantLine, Why


@dataclass(frozen=True, slots=True)
class Then:
    """A cost in one week, of a resource that cost `bill`, by `used` of the tenant's own use."""

    cost: float
    bill: float
    used: float


def explained(statement: Statement, last: Statement | None) -> Statement:
    """The statement with the reasons in it; as it is when the week before has no use to compare."""
    if last is None or not any(part.used for line in last.tenants for part in line.parts):
        return statement
    factor = 10.0 ** (statement.scale - last.scale)
    bills = _bills(last, factor), _bills(statement, 1.0)
    before = {line.tenant: _costs(line, bills[0], factor) for line in last.tenants}
    after = {line.tenant: _costs(line, bills[1], 1.0) for line in statement.tenants}
    tenants = []
    for line in statement.tenants:
        then, now = before.get(line.tenant, {}), after[line.tenant]
        parts = [
            effects(
                then.get(name, Then(0.0, bills[0].get(name, 0.0), 0.0)),
                now.get(name, Then(0.0, bills[1].get(name, 0.0), 0.0)),
            )
            for name in sorted(then.keys() | now.keys())
        ]
        tenants.append(replace(line, why=_why(line, parts)))
    return replace(statement, tenants=tuple(tenants))


def effects(a: Then, b: Then) -> tuple[float, float, float]:
    """Of the change from a to b: by price, by own use, by neighbours. They sum to it.

    What starts or stops is own use, or price when the resource had none; a change of sign has no
    logarithm and is price.
    """
    change = b.cost - a.cost
    if a.cost * b.cost <= 0 or a.bill * b.bill <= 0:
        started = bool(a.bill and b.bill) and a.cost * b.cost == 0
        return (0.0, change, 0.0) if started else (change, 0.0, 0.0)
    mean = _logarithmic_mean(a.cost, b.cost)
    price = mean * math.log(b.bill / a.bill)
    if a.used <= 0 and b.used <= 0:
        return price, 0.0, change - price
    if a.used <= 0 or b.used <= 0:
        return price, change - price, 0.0
    own = mean * math.log(b.used / a.used)
    return price, own, change - price - own


def _logarithmic_mean(x: float, y: float) -> float:
    return x if math.isclose(x, y, rel_tol=1e-12) else (y - x) / math.log(y / x)


def whole(parts: Sequence[float], total: int) -> list[int]:
    """Parts as whole numbers that sum to `total`; what rounding leaves goes to the largest."""
    found = [round(part) for part in parts]
    largest = max(range(len(found)), key=lambda i: abs(parts[i]))
    found[largest] += total - sum(found)
    return found


def _why(line: TenantLine, parts: Sequence[tuple[float, float, float]]) -> Why | None:
    if line.before is None:
        return None
    sums = [math.fsum(part[kind] for part in parts) for kind in range(3)]
    return Why(*whole(sums, line.total - line.before))


def _bills(s: Statement, factor: float) -> dict[str, float]:
    return {line.resource: line.bill * factor for line in s.resources}


def _costs(line: TenantLine, bills: Mapping[str, float], factor: float) -> dict[str, Then]:
    return {p.resource: Then(p.total * factor, bills[p.resource], p.used) for p in line.parts}
