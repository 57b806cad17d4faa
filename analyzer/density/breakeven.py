"""Whether a tenant pays for a database (or schema) of its own, per week, in one currency. Pure.

Promote when (A + E + dR) - (I + M/T) > kappa I in three of the last four weeks, with
A  what the pool would be cheaper without it: a step, often 0 (what it is charged, others would pay)
E  what its incidents cost others
dR what it pays more a week in the higher plan
I  an instance of its own, sized for its 99th percentile at 70 %, and fixed work
M  the move, once, over T weeks
The way back is `demotion`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation

WEEKS = 4
ENOUGH = 3
REST_WEEKS = 8
POOL_TARGET = 0.8
OWN_TARGET = 0.7
_A_MONTH = 365.2425 / 12 / 7

_MONEY = ("own_per_month", "schema_per_month", "move_cost", "uplift_per_month")


@dataclass(frozen=True, slots=True)
class BreakevenSettings:
    """`[breakeven]`: what moving a tenant to a tier of its own costs, as decimal strings in the
    account's currency. `own_per_month`: fixed work for a database (backup, monitoring, upgrades),
    `schema_per_month`: for a schema; `schema_relief`: the part of what its incidents cost others
    that a schema ends; `smallest`: capacity of the smallest instance; `kappa`: margin of safety.
    """

    own_per_month: str = "40"
    schema_per_month: str = "5"
    schema_relief: float = 0.3
    move_cost: str = "50"
    uplift_per_month: str = "0"
    smallest: float = 0.25
    kappa: float = 0.1
    over_weeks: int = 26

    def problems(self) -> list[str]:
        """Everything wrong, each as "key: what, remedy"."""
        found = []
        for key in _MONEY:
            try:
                good = Decimal(getattr(self, key)) >= 0
            except InvalidOperation:
                good = False
            if not good:
                found.append(f'breakeven.{key}: is no amount, write it like "40"')
        if not 0 <= self.schema_relief <= 1:
            found.append("breakeven.schema_relief: is a part of one, set it from 0 to 1")
        if self.smallest <= 0 or self.over_weeks < 1 or self.kappa < 0:
            found.append("breakeven.smallest, over_weeks, kappa: must be positive, correct them")
        return found


@dataclass(frozen=True, slots=True)
class Week:
    """One week of a tenant on its resource. Loads in busy seconds per second; `pool_p95` with it,
    `rest_p95` without; `caused` and `charged` in the currency.
    """

    p99: float
    pool_p95: float
    rest_p95: float
    caused: float
    charged: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """Per week, in the currency."""

    avoidable: float
    externality: float
    uplift: float
    isolated: float
    move: float

    def gain(self, over_weeks: int) -> float:
        """What it brings a week, less what it costs."""
        brings = self.avoidable + self.externality + self.uplift
        return brings - self.isolated - self.move / over_weeks


@dataclass(frozen=True, slots=True)
class Bar:
    """Gain when one input is at the low and high end of what it may be."""

    what: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Breakeven:
    """`weeks_for` of `weeks` speak for it. `inputs` are of the mean week; `charged` is what the
    report shows, not used. `payback_weeks` None: never. `needed`: what would have to be true.
    """

    tenant: str
    resource: str
    tier: str
    verdict: bool
    weeks_for: int
    weeks: int
    inputs: Inputs
    charged: float
    gain: float
    threshold: float
    payback_weeks: float | None
    tornado: tuple[Bar, ...]
    needed: tuple[str, ...]

    def sentences(self, currency: str, precision: int) -> tuple[str, ...]:
        """As evidence of a decision."""

        def money(amount: float) -> str:
            return f"{amount:.{precision}f} {currency}"

        i = self.inputs
        payback = "never" if self.payback_weeks is None else f"after {self.payback_weeks:.0f} weeks"
        return (
            f"break-even of a {self.tier} of its own: {self.weeks_for} of {self.weeks} weeks for"
            f" it, {money(self.gain)} a week (needed: over {money(self.threshold)})",
            f"a week: pool cheaper by {money(i.avoidable)}, its incidents cost others"
            f" {money(i.externality)}, plan brings {money(i.uplift)}; its own costs"
            f" {money(i.isolated)} and the move {money(i.move)} once",
            f"the move pays back {payback}; it is charged {money(self.charged)} now, which others"
            " would pay without it",
            *(
                f"{bar.what} at its ends: {money(bar.low)} to {money(bar.high)} a week"
                for bar in self.tornado
            ),
            *self.needed,
        )


def promotion(
    tenant: str,
    resource: str,
    weeks: Sequence[Week],
    *,
    capacity: float,
    weekly_price: float,
    settings: BreakevenSettings,
    tier: str = "database",
    precision: int = 2,
    own_price: float | None = None,
) -> Breakeven | None:
    """Of the last four weeks; None with none. `weekly_price` is that of the resource, `own_price`
    that of the tenant's own instance where it has one already.
    """
    if not weeks or capacity <= 0:
        return None
    price = weekly_price / capacity
    each = [weekly(week, capacity, price, settings, tier, own_price) for week in weeks[-WEEKS:]]
    mean = _mean(each)
    over = settings.over_weeks
    wins = sum(one.gain(over) > settings.kappa * one.isolated for one in each)
    gain, threshold = mean.gain(over), settings.kappa * mean.isolated
    running = gain + mean.move / over
    return Breakeven(
        tenant=tenant,
        resource=resource,
        tier=tier,
        verdict=wins >= ENOUGH,
        weeks_for=wins,
        weeks=len(each),
        inputs=mean,
        charged=math.fsum(week.charged for week in weeks[-WEEKS:]) / len(each),
        gain=gain,
        threshold=threshold,
        payback_weeks=mean.move / running if running > 0 else None,
        tornado=_tornado(mean, over),
        needed=_needed(mean, over, threshold, precision),
    )


def size(load: float, capacity: float, target: float, smallest: float) -> float:
    """The smallest instance that holds a load: a resource's capacity halved or doubled."""
    steps = capacity
    while steps / 2 >= max(smallest, load / target):
        steps /= 2
    while steps < load / target:
        steps *= 2
    return steps


def weekly(
    week: Week,
    capacity: float,
    price: float,
    settings: BreakevenSettings,
    tier: str,
    own_price: float | None = None,
) -> Inputs:
    """Both sides of the scales in one week. `price` a week and unit of capacity."""
    fixed = {name: float(getattr(settings, name)) / _A_MONTH for name in _MONEY}
    smallest = settings.smallest
    with_it = size(week.pool_p95, capacity, POOL_TARGET, smallest)
    without = size(week.rest_p95, capacity, POOL_TARGET, smallest)
    if tier == "schema":
        return Inputs(
            avoidable=0.0,
            externality=week.caused * settings.schema_relief,
            uplift=fixed["uplift_per_month"],
            isolated=fixed["schema_per_month"],
            move=float(settings.move_cost),
        )
    if own_price is None:
        own_price = size(week.p99, smallest, OWN_TARGET, smallest) * price
    return Inputs(
        avoidable=max(0.0, with_it - without) * price,
        externality=week.caused,
        uplift=fixed["uplift_per_month"],
        isolated=own_price + fixed["own_per_month"],
        move=float(settings.move_cost),
    )


def _mean(each: Sequence[Inputs]) -> Inputs:
    names = [field.name for field in fields(Inputs)]
    return Inputs(
        **{name: math.fsum(getattr(one, name) for one in each) / len(each) for name in names}
    )


_UNSURE: Mapping[str, tuple[str, float, float]] = {
    "externality": ("what its incidents cost others", 0.5, 2.0),
    "isolated": ("what its own would cost", 1.3, 0.8),
    "move": ("what the move costs", 2.0, 0.5),
    "avoidable": ("what the pool would be cheaper", 0.5, 1.5),
}


def _tornado(mean: Inputs, over: int) -> tuple[Bar, ...]:
    """The three inputs that the outcome hangs on most."""
    bars = []
    for name, (words, low, high) in _UNSURE.items():
        value = getattr(mean, name)
        ends = [replace(mean, **{name: value * factor}).gain(over) for factor in (low, high)]
        bars.append(Bar(words, *ends))
    bars.sort(key=lambda bar: (-abs(bar.high - bar.low), bar.what))
    return tuple(bar for bar in bars[:3] if bar.high != bar.low)


def _needed(mean: Inputs, over: int, threshold: float, precision: int) -> tuple[str, ...]:
    """Each input alone, where the verdict would turn."""
    short = threshold - mean.gain(over)
    if short <= 0:
        spare = -short
        if spare >= mean.externality:
            return ("it stays worth it even if its incidents cost others nothing",)
        return (
            f"it stays worth it while its incidents cost others over"
            f" {max(0.0, mean.externality - spare):.{precision}f} a week",
        )
    found = [
        f"to be worth it its incidents must cost others {mean.externality + short:.{precision}f}"
        f" a week, or its plan bring {mean.uplift + short:.{precision}f} more"
    ]
    if mean.isolated > short:
        found.append(f"or its own cost at most {mean.isolated - short:.{precision}f} a week")
    return tuple(found)
