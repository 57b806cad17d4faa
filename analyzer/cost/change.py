"""Why a tenant's cost changed since the week before: price, its own use, its neighbours, policy,
moves, restatement.

The cost of a resource is C = B u / U: its bill, the tenant's own use, and the use it is shared out
over. With the logarithmic mean L = (C1 - C0) / (ln C1 - ln C0) the change is, exactly,
L ln(B1/B0) + L ln(u1/u0) - L ln(U1/U0) (logarithmic mean Divisia index, Ang 2004).

The order is fixed: from the week before as it was first told to what it is now (restatement), from
there to this week under the old rules for idle cost (the three above; a resource left for another
of its kind is a move), and from there to this week (policy).
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


def explained(
    statement: Statement, last: Statement | None, *, under_old_policy: Statement | None = None
) -> Statement:
    """The statement with the reasons in it; as it is when the week before has no use to compare.

    `before` of its lines is what was first told, `last` what that week is now; `under_old_policy`
    is this week again by the rules of last week, None when they are the same.
    """
    if last is None or not any(part.used for line in last.tenants for part in line.parts):
        return statement
    factor = 10.0 ** (statement.scale - last.scale)
    same_rules = under_old_policy or statement
    bills = _bills(last, factor), _bills(same_rules, 1.0)
    kinds = {line.resource: line.kind for line in (*last.resources, *statement.resources)}
    before = {line.tenant: _costs(line, bills[0], factor) for line in last.tenants}
    middle = {line.tenant: _costs(line, bills[1], 1.0) for line in same_rules.tenants}
    tenants = []
    for line in statement.tenants:
        then, now = before.get(line.tenant, {}), middle.get(line.tenant, {})
        tenants.append(replace(line, why=_why(line, then, now, bills, kinds)))
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


def _why(
    line: TenantLine,
    then: Mapping[str, Then],
    now: Mapping[str, Then],
    bills: tuple[Mapping[str, float], Mapping[str, float]],
    kinds: Mapping[str, str],
) -> Why | None:
    if line.before is None:
        return None
    moved = _moved(then, now, kinds)
    sums = [[0.0], [0.0], [0.0]]
    moves = [0.0]
    for name in sorted(then.keys() | now.keys()):
        a = then.get(name, Then(0.0, bills[0].get(name, 0.0), 0.0))
        b = now.get(name, Then(0.0, bills[1].get(name, 0.0), 0.0))
        if name in moved:
            moves.append(b.cost - a.cost)
            continue
        for kind, amount in enumerate(effects(a, b)):
            sums[kind].append(amount)
    was = math.fsum(cost.cost for cost in then.values())
    middle = math.fsum(cost.cost for cost in now.values())
    parts = [*map(math.fsum, sums), line.total - middle, math.fsum(moves), was - line.before]
    return Why(*whole(parts, line.total - line.before))


def _moved(
    then: Mapping[str, Then], now: Mapping[str, Then], kinds: Mapping[str, str]
) -> frozenset[str]:
    """Resources left for, or taken up instead of, another of the same kind."""
    left = {name for name, cost in then.items() if cost.cost and not _costs_any(now, name)}
    taken = {name for name, cost in now.items() if cost.cost and not _costs_any(then, name)}
    both = {kinds.get(name, "") for name in left} & {kinds.get(name, "") for name in taken}
    return frozenset(name for name in left | taken if kinds.get(name, "") in both)


def _costs_any(costs: Mapping[str, Then], name: str) -> bool:
    return name in costs and bool(costs[name].cost)


def _bills(s: Statement, factor: float) -> dict[str, float]:
    return {line.resource: line.bill * factor for line in s.resources}


def _costs(line: TenantLine, bills: Mapping[str, float], factor: float) -> dict[str, Then]:
    return {p.resource: Then(p.total * factor, bills[p.resource], p.used) for p in line.parts}
