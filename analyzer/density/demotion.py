"""Whether a tenant with a tier of its own may go back to a shared resource. Pure.

The reverse of the break-even (`breakeven`), with the move on the other side of the scales and kappa
doubled: I - (A + E + dR) - M/T > 2 kappa I in three of the last four weeks, where A is what the
pool would have to grow by and E what its incidents cost others before it left. And only when it
fits, nothing ties it down, and its last move is eight weeks ago.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.density.breakeven import (
    ENOUGH,
    POOL_TARGET,
    REST_WEEKS,
    WEEKS,
    Breakeven,
    BreakevenSettings,
    Week,
    promotion,
    weekly,
)
from analyzer.density.load import Floats, p95

_HOURS = 168


@dataclass(frozen=True, slots=True)
class Pool:
    """A shared resource without the tenant. `load`: its hours, oldest first, on the tenant's clock;
    `lost`: p95 load when the worst other one of its kind is gone, None with no other.
    """

    resource: str
    capacity: float
    weekly_price: float
    load: Floats
    lost: float | None

    @property
    def headroom(self) -> float:
        """Load that may come until its p95 is at the target."""
        return POOL_TARGET * self.capacity - p95(self.load)

    @property
    def n1_headroom(self) -> float | None:
        """Load that may come so that it is full when one is lost."""
        return None if self.lost is None else self.capacity - self.lost

    @property
    def spare(self) -> float:
        """The smaller of the two."""
        lost = self.n1_headroom
        return self.headroom if lost is None else min(self.headroom, lost)


@dataclass(frozen=True, slots=True)
class Stay:
    """A tenant in its own tier. `own`: hourly load over the last weeks, oldest first; `own_price`:
    its instance a week, None: by size; `caused`: what its incidents cost others a week before it
    moved there, None: nobody knows; `charged` now, a week.
    """

    tenant: str
    resource: str
    tier: str
    own: Floats
    own_price: float | None
    caused: float | None
    charged: float
    pinned: bool
    weeks_since_move: float


@dataclass(frozen=True, slots=True)
class Demotion:
    """`against`: every reason to stay; it may go when there is none. Loads in busy seconds per
    second, `saving` and `threshold` in the currency a week.
    """

    source: str
    pool: str
    breakeven: Breakeven
    p99: float
    headroom: float
    n1_headroom: float | None
    weeks_for: int
    weeks: int
    saving: float
    threshold: float
    payback_weeks: float | None
    known_harm: bool
    against: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.against

    def sentences(self, currency: str, precision: int) -> tuple[str, ...]:
        """As evidence of a decision."""
        i = self.breakeven.inputs
        lost = (
            "no other of its kind is known, so the loss of one was not looked at"
            if self.n1_headroom is None
            else f"{self.n1_headroom:.3g} when one is lost"
        )
        harm = "" if self.known_harm else " (not known from before, taken as nothing)"
        back = "never" if self.payback_weeks is None else f"after {self.payback_weeks:.0f} weeks"

        def money(amount: float) -> str:
            return f"{amount:.{precision}f} {currency}"

        return (
            f"break-even of a {self.breakeven.tier} of its own, backwards: going back to"
            f" {self.pool} saves {money(self.saving)} a week (needed: over"
            f" {money(self.threshold)}), in {self.weeks_for} of {self.weeks} weeks",
            f"a week: its own costs {money(i.isolated)}; back there the pool would grow by"
            f" {money(i.avoidable)}, its incidents cost others {money(i.externality)}{harm}, its"
            f" plan bring {money(i.uplift)} less; the move {money(i.move)} once, pays back {back}",
            f"its 99th percentile is {self.p99:.3g} busy seconds per second; {self.pool} has room"
            f" for {self.headroom:.3g} up to {POOL_TARGET:.0%} full, {lost}",
            *self.against,
        )


def demotion(
    stay: Stay, pool: Pool, *, settings: BreakevenSettings, precision: int = 2
) -> Demotion | None:
    """Back to this pool; None when the tenant did nothing."""
    weeks = _weeks(stay, pool)
    made = promotion(
        stay.tenant, pool.resource, weeks, capacity=pool.capacity, weekly_price=pool.weekly_price,
        settings=settings, tier=stay.tier, precision=precision, own_price=stay.own_price,
    )  # fmt: skip
    if made is None:
        return None
    price, over = pool.weekly_price / pool.capacity, settings.over_weeks
    each = [
        weekly(week, pool.capacity, price, settings, stay.tier, stay.own_price) for week in weeks
    ]
    kept = [-one.gain(over) - 2 * one.move / over for one in each]
    wins = sum(k > 2 * settings.kappa * one.isolated for k, one in zip(kept, each, strict=True))
    running = -made.gain - made.inputs.move / over
    p99 = percentile99(stay.own)
    return Demotion(
        source=stay.resource,
        pool=pool.resource,
        breakeven=made,
        p99=p99,
        headroom=pool.headroom,
        n1_headroom=pool.n1_headroom,
        weeks_for=wins,
        weeks=len(each),
        saving=math.fsum(kept) / len(kept),
        threshold=2 * settings.kappa * made.inputs.isolated,
        payback_weeks=made.inputs.move / running if running > 0 else None,
        known_harm=stay.caused is not None,
        against=tuple(_against(stay, pool, p99, wins, len(each))),
    )


def roomiest(pools: Sequence[Pool]) -> Pool | None:
    """The one with the most room, with one lost as well; of equals the emptiest, then by name."""
    return min(pools, key=lambda pool: (-pool.spare, -pool.headroom, pool.resource), default=None)


def percentile99(loads: Floats) -> float:
    """The nearest-rank 99th percentile; 0 of nothing."""
    return float(np.quantile(loads, 0.99, method="inverted_cdf")) if loads.size else 0.0


def _weeks(stay: Stay, pool: Pool) -> list[Week]:
    """The last four weeks in which the tenant worked, as if it were back."""
    found = []
    for at in range(0, stay.own.size, _HOURS):
        mine, rest = stay.own[at : at + _HOURS], pool.load[at : at + _HOURS]
        if mine.any():
            found.append(
                Week(
                    percentile99(mine), p95(rest + mine), p95(rest), stay.caused or 0.0,
                    stay.charged,
                )
            )  # fmt: skip
    return found[-WEEKS:]


def _against(stay: Stay, pool: Pool, p99: float, wins: int, weeks: int) -> list[str]:
    found = []
    if stay.pinned:
        found.append("it is tied to where it is (pins of the tenant)")
    if stay.weeks_since_move < REST_WEEKS:
        found.append(
            f"its last move is {stay.weeks_since_move:.1f} weeks ago, wait for {REST_WEEKS}"
        )
    if p99 > pool.headroom:
        found.append(f"it does not fit: {pool.resource} has room for {max(0, pool.headroom):.3g}")
    lost = pool.n1_headroom
    if lost is not None and p99 > lost:
        found.append(f"it does not fit when another is lost: then there is {max(0.0, lost):.3g}")
    if wins < ENOUGH:
        found.append(f"it pays in {wins} of {weeks} weeks, {ENOUGH} of {WEEKS} are needed")
    return found
