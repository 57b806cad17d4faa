"""Which rules a statement was made by: one short name for all that decides who pays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from analyzer.cost.settings import CostSettings

_NOT_RULES = ("currency", "zone", "prices", "plans", "final_after_days")
_NOT_RULES_OF_PRICE = ("per_hour", "per_month", "valid_from", "valid_to")


def policy_version(settings: CostSettings) -> str:
    """The same rules have the same version, whatever the amounts are."""
    rules = {k: v for k, v in asdict(settings).items() if k not in _NOT_RULES}
    prices = [
        {k: v for k, v in asdict(price).items() if k not in _NOT_RULES_OF_PRICE}
        for price in settings.prices
    ]
    prices.sort(key=lambda price: json.dumps(price, sort_keys=True, default=str))
    text = json.dumps([rules, prices], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def under(settings: CostSettings, old: CostSettings) -> CostSettings:
    """These prices by the rules of `old`; a price that is new keeps its own."""
    known = {(price.resource, price.kind): price.idle for price in old.prices}
    prices = tuple(
        replace(price, idle=known.get((price.resource, price.kind), price.idle))
        for price in settings.prices
    )
    names = {policy.name for policy in old.policies}
    new = tuple(policy for policy in settings.policies if policy.name not in names)
    return replace(
        settings,
        idle=old.idle,
        system=old.system,
        credits=old.credits,
        policies=old.policies + new,
        prices=prices,
    )
