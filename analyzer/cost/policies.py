"""Who pays for what nobody used: the policies of a cost pool, by name.

A policy turns what is known of a pool into integer weights; the amount is then split by the largest
remainder. A new content is a new policy: `version` is a short hash of it, so that a statement says
which one it was made by.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

POLICIES = ("retained", "proportional", "even")
"""Policies that need no parameters: they can be named without a `[[cost.policy]]`."""

WAYS = (*POLICIES, "weighted", "by_driver", "fixed", "capped")
_DRIVERS = ("busy", "count", "volume")
_FINE = 10**6


@dataclass(frozen=True, slots=True)
class PolicyPart:
    """One entry of a policy: a plan's `weight` (weighted), or a tenant's per cent (fixed)."""

    plan: str = ""
    tenant: str = ""
    weight: str = "1"


@dataclass(frozen=True, slots=True)
class Policy:
    """A `[[cost.policy]]`, named by `idle` and `system`. `how` is retained (stays with the
    platform), proportional (to direct cost of the same resource), even (by time placed there),
    weighted (proportional, times the weight of the tenant's plan; 1 for plans without a part),
    by_driver (by busy, count or volume on the resource), fixed (per cents that sum to 100; those of
    a tenant that is not there stay) or capped (proportional, at most `cap_percent` of direct cost).
    """

    name: str
    how: str = "retained"
    driver: str = "busy"
    cap_percent: str = "25"
    parts: tuple[PolicyPart, ...] = ()

    @property
    def version(self) -> str:
        """A short hash of the content: equal policies have equal versions."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]

    def plan_weight(self, plan: str) -> int:
        """The weight of a plan in whole millionths."""
        found = next((part.weight for part in self.parts if part.plan == plan), "1")
        return int(Decimal(found) * _FINE)

    def shares(self) -> Mapping[str, int]:
        """Tenant to its fixed share, in whole millionths of a per cent."""
        return {part.tenant: int(Decimal(part.weight) * _FINE) for part in self.parts}

    def capped(self, amount: int, direct: int) -> int:
        """How much of `amount` is shared out where `direct` is paid directly (of either sign)."""
        if self.how != "capped":
            return amount
        most = int(abs(direct) * Decimal(self.cap_percent)) // 100
        return min(amount, most) if amount >= 0 else max(amount, -most)


WHOLE = 100 * _FINE
"""All of a fixed policy, in the unit of `Policy.shares`."""


def policy_named(name: str, own: Sequence[Policy]) -> Policy:
    """One of `own`, or the built-in policy of that name."""
    return next((policy for policy in own if policy.name == name), Policy(name, name))


def policy_problems(policies: Sequence[Policy]) -> list[str]:
    """Everything wrong, each as "key: what, remedy"."""
    found = []
    for number, policy in enumerate(policies):
        found += _problems(f"cost.policy[{number}]", policy)
    names = Counter(policy.name for policy in policies)
    return found + [
        f"cost.policy: {name!r} is given twice, keep one"
        for name, times in names.items()
        if times > 1 or name in POLICIES
    ]


def _problems(key: str, policy: Policy) -> list[str]:
    found = []
    if not policy.name:
        found.append(f"{key}.name: is empty, give it one")
    for name, value, known in (
        ("how", policy.how, WAYS),
        ("driver", policy.driver, _DRIVERS),
    ):
        if value not in known:
            found.append(f"{key}.{name}: {value!r} is unknown, use one of {', '.join(known)}")
    weights = [part.weight for part in policy.parts]
    numbers = [_number(text) for text in [policy.cap_percent, *weights]]
    if any(number is None for number in numbers):
        return [*found, f'{key}: a weight or cap is no number from 0 to 10^6, write it like "2.5"']
    if policy.how == "fixed" and sum(map(Decimal, weights)) != 100:
        found.append(f"{key}.part: the weights sum to {sum(map(Decimal, weights))}, make them 100")
    keys = Counter(part.tenant if policy.how == "fixed" else part.plan for part in policy.parts)
    if policy.how in ("fixed", "weighted") and (not keys or "" in keys or max(keys.values()) > 1):
        of = "tenant" if policy.how == "fixed" else "plan"
        found.append(f"{key}.part: name each {of} once, with its weight")
    return found


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    exponent = value.as_tuple().exponent
    fine = isinstance(exponent, int) and exponent >= -6
    return value if fine and 0 <= value <= _FINE else None
