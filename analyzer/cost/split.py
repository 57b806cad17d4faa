"""Charges split over tenants in stages: direct, idle, system, shared, credits.

Each stage conserves what it is given; what nobody can be named for stays idle or unattributed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from graphlib import TopologicalSorter

import polars as pl

from analyzer.cost.allocation import IDLE, apportion
from analyzer.cost.charges import CREDIT, UNMATCHED, Charge
from analyzer.cost.policies import WHOLE, Policy
from analyzer.cost.settings import CostSettings
from analyzer.cost.usage import NOTHING, Resource, Use
from collector.model import UNKNOWN_TENANT

_HOUR_US = 3_600_000_000
_DEMAND = {"pot": pl.Int64, "holder": pl.String, "weight": pl.Int128}
_NOBODY = (IDLE, UNKNOWN_TENANT)


@dataclass(frozen=True, slots=True)
class World:
    """What policies look at: seconds each tenant existed, its plan, and the account's settings."""

    seconds: Mapping[str, int] = field(default_factory=dict)
    plans: Mapping[str, str] = field(default_factory=dict)
    settings: CostSettings = CostSettings()


@dataclass(frozen=True, slots=True)
class Split:
    """`cells`: (pot, holder, direct, idle, shared, used, credit, own_idle i128), pot = index of the
    charge; tenants only; `used` is what the direct share was measured by, `own_idle` the part of
    direct that was reserved and not used.
    `idle` and `unattributed`: what is left of each charge.
    """

    cells: pl.DataFrame
    idle: tuple[int, ...]
    unattributed: tuple[int, ...]


def split(
    charges: Sequence[Charge],
    uses: Sequence[Use],
    resources: Mapping[str, Resource],
    world: World,
) -> Split:
    """Split every charge, exactly. `uses[i]` is the usage in the interval of charge i.

    1. direct: capacity by max(reserved, used) with the rest of the capacity as one more holder,
       usage by its driver, fixed fees by a driver over all resources or evenly by time present;
       usage without a tenant's name is unattributed;
    2. idle, by the policy of the price;
    3. system: what has no tenant's name, by the policy of the account;
    4. shared: fixed fees over other resources, by what their tenants pay so far, in order;
    5. credits that name no resource, by what everybody pays so far.
    """
    demand = [
        _demand(pot, charge, uses[pot], resources.get(charge.resource), world.seconds)
        for pot, charge in enumerate(charges)
    ]
    first = _apportioned([c.quanta for c in charges], demand)
    named = first.filter(~pl.col("holder").is_in(_NOBODY))
    idle, unattributed = _left(charges, first)
    second = _by_policy(charges, uses, named, idle, world, lambda c: c.idle)
    third = _by_policy(
        charges, uses, named, unattributed, world,
        lambda c: "retained" if c.kind in (UNMATCHED, CREDIT) or c.over else world.settings.system,
    )  # fmt: skip
    stages = [(named, _column), (second, _idle), (third, _shared)]
    paid = pl.concat([named, second, third])
    fourth = _over(charges, paid)
    fifth = _credits(charges, pl.concat([paid, fourth]), world.settings)
    stages += [(fourth, _shared), (fifth, _credit)]
    cells = _cells(charges, stages)
    return Split(
        _with_use(cells, demand, uses, charges),
        tuple(_minus(idle, second)),
        tuple(_minus(_minus(_minus(unattributed, third), fourth), fifth)),
    )


def _demand(
    pot: int, charge: Charge, use: Use, resource: Resource | None, seconds: Mapping[str, int]
) -> pl.DataFrame:
    if charge.over or charge.kind in (UNMATCHED, CREDIT):
        return pl.DataFrame(schema=_DEMAND)
    if charge.kind == "fixed":
        return (
            _weights(pot, _by_driver(use, charge.driver)) if charge.driver else _even(pot, seconds)
        )
    mine = use.of(charge.resource)
    if charge.kind == "usage":
        cache = resource is not None and resource.kind == "cache"
        return _weights(pot, _first(mine, charge.driver or ("volume" if cache else "busy")))
    capacity = resource.capacity if resource else None
    demand = int(mine["demand"].sum() or 0)
    if demand == 0 and mine["count"].sum():  # seconds were not measured at all
        return _weights(pot, _first(mine, "count"))
    spare = _capacity_us(charge, capacity) - demand
    idle = pl.DataFrame([(pot, IDLE, max(0, spare))], schema=_DEMAND, orient="row")
    return pl.concat([_weights(pot, mine.select("tenant", weight="demand")), idle])


def _capacity_us(charge: Charge, capacity: float | None) -> int:
    """Microseconds the resource had to give; 0 when its capacity is unknown (then no idle)."""
    if not capacity or capacity < 0:
        return 0
    return (
        round(capacity * _HOUR_US) * ((charge.end - charge.start) // timedelta(seconds=1)) // 3600
    )


def _first(use: pl.DataFrame, driver: str) -> pl.DataFrame:
    """The driver's column, or operations where the driver was not measured at all."""
    chosen = driver if use[driver].sum() else "count"
    return use.select("tenant", weight=chosen)


def _by_driver(use: Use, driver: str) -> pl.DataFrame:
    everything = [frame.select("tenant", weight=driver) for frame in use.by_resource.values()]
    if not everything:
        return NOTHING.select("tenant", weight="busy")
    return pl.concat(everything).group_by("tenant").agg(pl.col("weight").sum())


def _weights(pot: int, weights: pl.DataFrame) -> pl.DataFrame:
    return weights.select(
        pot=pl.lit(pot, pl.Int64), holder="tenant", weight=pl.col("weight").cast(pl.Int128)
    )


def _even(pot: int, seconds: Mapping[str, int]) -> pl.DataFrame:
    rows = [(pot, tenant, present) for tenant, present in seconds.items()]
    return pl.DataFrame(rows, schema=_DEMAND, orient="row")


def _by_policy(
    charges: Sequence[Charge],
    uses: Sequence[Use],
    named: pl.DataFrame,
    amounts: Sequence[int],
    world: World,
    policy_of: Callable[[Charge], str],
) -> pl.DataFrame:
    """What each pot has left over, shared out by its policy; a share of nobody stays."""
    direct = named.partition_by("pot", as_dict=True)
    totals, found = [0] * len(charges), []
    for pot, (charge, amount) in enumerate(zip(charges, amounts, strict=True)):
        policy = world.settings.policy(policy_of(charge))
        if amount == 0 or policy.how == "retained":
            continue
        mine = direct.get((pot,), _NO_AMOUNT)
        totals[pot] = policy.capped(amount, int(mine["amount"].abs().sum() or 0))
        found.append(_policy_demand(pot, charge, policy, uses[pot], mine, world))
    shares = _apportioned(totals, found)
    return shares.filter(~pl.col("holder").is_in(_NOBODY))


def _policy_demand(
    pot: int, charge: Charge, policy: Policy, use: Use, mine: pl.DataFrame, world: World
) -> pl.DataFrame:
    if policy.how in ("proportional", "capped"):
        return mine.select("pot", "holder", weight=pl.col("amount").abs())
    if policy.how == "weighted":
        rows = [
            (pot, holder, abs(amount) * policy.plan_weight(world.plans.get(holder, "")))
            for _, holder, amount in mine.iter_rows()
        ]
        return pl.DataFrame(rows, schema=_DEMAND, orient="row")
    if policy.how == "by_driver":
        users = use.of(charge.resource).filter(pl.col("tenant") != UNKNOWN_TENANT)
        return _weights(pot, users.select("tenant", weight=policy.driver))
    if policy.how == "fixed":
        shares = {t: s for t, s in policy.shares().items() if world.seconds.get(t, 0) > 0}
        return _even(pot, shares | {IDLE: WHOLE - sum(shares.values())})
    if charge.kind == "fixed":
        return _even(pot, world.seconds)
    placed = dict(use.placed.get(charge.resource, {}))
    length = (charge.end - charge.start) // timedelta(seconds=1)
    users_there = dict.fromkeys(use.of(charge.resource)["tenant"], length) | placed
    users_there.pop(UNKNOWN_TENANT, None)
    return _even(pot, users_there)


def _over(charges: Sequence[Charge], paid: pl.DataFrame) -> pl.DataFrame:
    """Fixed fees over other resources; what those themselves take from others comes first."""
    pots: dict[str, list[int]] = {}
    for pot, charge in enumerate(charges):
        pots.setdefault(charge.resource, []).append(pot)
    graph: dict[str, set[str]] = {}
    for charge in charges:
        graph.setdefault(charge.resource, set()).update(charge.over)
    done = [pl.DataFrame(schema=_AMOUNT)]
    for name in TopologicalSorter(graph).static_order():
        mine = [pot for pot in pots.get(name, []) if charges[pot].over]
        for pot in mine:
            under = [p for r in charges[pot].over for p in pots.get(r, [])]
            weights = _pays(pl.concat([paid, *done]).filter(pl.col("pot").is_in(under)), pot)
            done.append(_apportioned_one(charges, pot, weights))
    return pl.concat(done)


def _credits(charges: Sequence[Charge], paid: pl.DataFrame, settings: CostSettings) -> pl.DataFrame:
    pots = [pot for pot, charge in enumerate(charges) if charge.kind == CREDIT]
    if settings.credits == "retained" or not pots:
        return pl.DataFrame(schema=_AMOUNT)
    return pl.concat([_apportioned_one(charges, pot, _pays(paid, pot)) for pot in pots])


def _pays(paid: pl.DataFrame, pot: int) -> pl.DataFrame:
    """Everybody's amount so far as weights of one pot; who is in credit weighs nothing."""
    return (
        paid.group_by("holder")
        .agg(weight=pl.col("amount").sum().clip(lower_bound=0))
        .select(pot=pl.lit(pot, pl.Int64), holder="holder", weight="weight")
    )


def _apportioned_one(charges: Sequence[Charge], pot: int, weights: pl.DataFrame) -> pl.DataFrame:
    totals = [charge.quanta if p == pot else 0 for p, charge in enumerate(charges)]
    return _apportioned(totals, [weights])


def _apportioned(totals: Sequence[int], demand: Iterable[pl.DataFrame]) -> pl.DataFrame:
    pots = pl.DataFrame(
        list(enumerate(totals)), schema={"pot": pl.Int64, "total": pl.Int128}, orient="row"
    )
    frames = [*demand, pl.DataFrame(schema=_DEMAND)]
    return apportion(pots, pl.concat(frames).filter(pl.col("weight") > 0))


def _left(charges: Sequence[Charge], shares: pl.DataFrame) -> tuple[list[int], list[int]]:
    """What is idle and what unattributed of each charge; a charge nobody used is one or other."""
    kept = shares.filter(pl.col("holder").is_in(_NOBODY))
    by_holder = {(pot, holder): int(amount) for pot, holder, amount in kept.iter_rows()}
    spent = set(shares["pot"].unique())
    idle, unattributed = [], []
    for pot, charge in enumerate(charges):
        lost = 0 if pot in spent else charge.quanta
        capacity = charge.kind == "capacity"
        idle.append(by_holder.get((pot, IDLE), 0) + (lost if capacity else 0))
        unattributed.append(by_holder.get((pot, UNKNOWN_TENANT), 0) + (0 if capacity else lost))
    return idle, unattributed


def _minus(totals: Sequence[int], shares: pl.DataFrame) -> list[int]:
    given = dict(shares.group_by("pot").agg(pl.col("amount").sum()).iter_rows())
    return [total - int(given.get(pot, 0)) for pot, total in enumerate(totals)]


def _with_use(
    cells: pl.DataFrame,
    demand: Sequence[pl.DataFrame],
    uses: Sequence[Use],
    charges: Sequence[Charge],
) -> pl.DataFrame:
    """Adds `used`, and `own_idle`: direct cost times the part of the demand that was not used."""
    used = pl.concat([*demand, pl.DataFrame(schema=_DEMAND)]).rename({"weight": "used"})
    own = [
        _weights(pot, uses[pot].of(charge.resource).select("tenant", weight="own"))
        for pot, charge in enumerate(charges)
        if charge.kind == "capacity"
    ]
    kept = pl.concat([*own, pl.DataFrame(schema=_DEMAND)]).rename({"weight": "own"})
    kept = kept.filter(pl.col("own") > 0)
    none = pl.lit(0, pl.Int128)
    wasted = pl.when(pl.col("own") > 0, pl.col("used") > 0).then(
        pl.col("direct") * pl.col("own") // pl.max_horizontal("used", pl.lit(1, pl.Int128))
    )
    return (
        cells.join(used, on=["pot", "holder"], how="left")
        .join(kept, on=["pot", "holder"], how="left")
        .with_columns(used=pl.col("used").fill_null(none), own_idle=wasted.otherwise(none))
        .select("pot", "holder", *_COLUMNS[:3], "used", "credit", "own_idle")
    )


_AMOUNT = {"pot": pl.Int64, "holder": pl.String, "amount": pl.Int128}
_NO_AMOUNT = pl.DataFrame(schema=_AMOUNT)
_COLUMNS = ("direct", "idle", "shared", "credit")


def _column(charge: Charge) -> str:
    return "shared" if charge.kind == "fixed" else "direct"


def _idle(_: Charge) -> str:
    return "idle"


def _shared(_: Charge) -> str:
    return "shared"


def _credit(_: Charge) -> str:
    return "credit"


def _cells(
    charges: Sequence[Charge], stages: Sequence[tuple[pl.DataFrame, Callable[[Charge], str]]]
) -> pl.DataFrame:
    """One row a pot and holder. Of a credit every stage is in its own column."""
    frames = []
    for shares, column_of in stages:
        columns = {p: "credit" if c.credit else column_of(c) for p, c in enumerate(charges)}
        for column in _COLUMNS:
            pots = [pot for pot, chosen in columns.items() if chosen == column]
            mine = shares.filter(pl.col("pot").is_in(pots))
            amounts = {
                name: pl.col("amount") if name == column else pl.lit(0, pl.Int128)
                for name in _COLUMNS
            }
            frames.append(mine.select("pot", "holder", **amounts))
    return pl.concat(frames).group_by("pot", "holder").agg(pl.all().sum())
