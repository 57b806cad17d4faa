"""Charges split over tenants in stages: direct, then idle by policy, then shared fees.

Each stage conserves what it is given; what nobody can be named for stays idle or unattributed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from analyzer.allocation import IDLE, apportion
from analyzer.cost.charges import Charge
from analyzer.cost.usage import NOTHING, Resource, Use
from collector.model import UNKNOWN_TENANT

_HOUR_US = 3_600_000_000
_DEMAND = {"pot": pl.Int64, "holder": pl.String, "weight": pl.Int128}


@dataclass(frozen=True, slots=True)
class Split:
    """`cells`: (pot, holder, direct, idle, shared, used i128), pot = index of the charge; tenants
    only; `used` is what the direct share was measured by.
    `idle` and `unattributed`: what is left of each charge.
    """

    cells: pl.DataFrame
    idle: tuple[int, ...]
    unattributed: tuple[int, ...]


def split(
    charges: Sequence[Charge],
    uses: Sequence[Use],
    resources: Mapping[str, Resource],
    seconds: Mapping[str, int],
) -> Split:
    """Split every charge, exactly.

    `uses[i]` is the usage in the interval of charge i; `seconds` the seconds each tenant existed.

    1. direct: capacity by max(reserved, used) with the rest of the capacity as one more holder,
       usage by its driver; usage without a tenant's name is unattributed;
    2. idle: stays, or follows the direct cost of the same charge, or is even by time placed there;
    3. fixed fees: by the driver over all resources, or evenly by time present.
    """
    demand = [
        _demand(pot, charge, uses[pot], resources.get(charge.resource), seconds)
        for pot, charge in enumerate(charges)
    ]
    first = _apportioned([c.quanta for c in charges], demand)
    named = first.filter(~pl.col("holder").is_in([IDLE, UNKNOWN_TENANT]))
    idle, unattributed = _left(charges, first)
    second = _apportioned(idle, _idle_demand(charges, uses, named))
    idle = _minus(idle, second)
    fixed = [pot for pot, charge in enumerate(charges) if charge.kind == "fixed"]
    cells = _cells(named, second, fixed)
    return Split(_with_use(cells, demand), tuple(idle), tuple(unattributed))


def _demand(
    pot: int, charge: Charge, use: Use, resource: Resource | None, seconds: Mapping[str, int]
) -> pl.DataFrame:
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


def _idle_demand(
    charges: Sequence[Charge], uses: Sequence[Use], named: pl.DataFrame
) -> list[pl.DataFrame]:
    pots = [p for p, charge in enumerate(charges) if charge.idle == "proportional"]
    found = [
        named.filter(pl.col("pot").is_in(pots)).select(
            "pot", "holder", weight=pl.col("amount").abs()
        )
    ]
    for pot, charge in enumerate(charges):
        if charge.idle == "even" and charge.kind == "capacity":
            placed = dict(uses[pot].placed.get(charge.resource, {}))
            length = (charge.end - charge.start) // timedelta(seconds=1)
            users = dict.fromkeys(uses[pot].of(charge.resource)["tenant"], length) | placed
            users.pop(UNKNOWN_TENANT, None)
            found.append(_even(pot, users))
    return found


def _apportioned(totals: Sequence[int], demand: list[pl.DataFrame]) -> pl.DataFrame:
    pots = pl.DataFrame(
        list(enumerate(totals)), schema={"pot": pl.Int64, "total": pl.Int128}, orient="row"
    )
    frames = [*demand, pl.DataFrame(schema=_DEMAND)]
    return apportion(pots, pl.concat(frames).filter(pl.col("weight") > 0))


def _left(charges: Sequence[Charge], shares: pl.DataFrame) -> tuple[list[int], list[int]]:
    """What is idle and what unattributed of each charge; a charge nobody used is one or other."""
    kept = shares.filter(pl.col("holder").is_in([IDLE, UNKNOWN_TENANT]))
    by_holder = {(pot, holder): int(amount) for pot, holder, amount in kept.iter_rows()}
    spent = set(shares["pot"].unique())
    idle, unattributed = [], []
    for pot, charge in enumerate(charges):
        lost = 0 if pot in spent else charge.quanta
        capacity = charge.kind == "capacity"
        idle.append(by_holder.get((pot, IDLE), 0) + (lost if capacity else 0))
        unattributed.append(by_holder.get((pot, UNKNOWN_TENANT), 0) + (0 if capacity else lost))
    return idle, unattributed


def _minus(totals: list[int], shares: pl.DataFrame) -> list[int]:
    given = dict(shares.group_by("pot").agg(pl.col("amount").sum()).iter_rows())
    return [total - int(given.get(pot, 0)) for pot, total in enumerate(totals)]


def _with_use(cells: pl.DataFrame, demand: Sequence[pl.DataFrame]) -> pl.DataFrame:
    used = pl.concat([*demand, pl.DataFrame(schema=_DEMAND)]).rename({"weight": "used"})
    return cells.join(used, on=["pot", "holder"], how="left").with_columns(
        pl.col("used").fill_null(pl.lit(0, pl.Int128))
    )


def _cells(named: pl.DataFrame, idle: pl.DataFrame, fixed: list[int]) -> pl.DataFrame:
    is_shared = pl.col("pot").is_in(fixed)
    none = pl.lit(0, pl.Int128)
    amount = pl.col("amount")
    first = named.select(
        "pot",
        "holder",
        direct=pl.when(is_shared).then(none).otherwise(amount),
        idle=none,
        shared=pl.when(is_shared).then(amount).otherwise(none),
    )
    second = idle.select("pot", "holder", direct=none, idle=amount, shared=none)
    return pl.concat([first, second]).group_by("pot", "holder").agg(pl.all().sum())
