"""The hour of the week: a habit is no surge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analyzer.detect.arrays import Floats, Normal


@dataclass(frozen=True, slots=True)
class Season:
    """What earlier weeks taught of this hour, one entry a tenant; NaN is unknown. Units as in
    `Normal`; `weeks` is how many weeks taught it (0: none)."""

    weeks: Floats
    demand: Floats
    demand_spread: Floats
    felt: Floats
    felt_spread: Floats


def seasoned(normal: Normal, season: Season) -> Normal:
    """The trailing normal drawn toward the hour's: weeks / (weeks + 1) of the way, in logarithms.

    The trailing hours keep a say because levels change from week to week. Arrivals follow demand:
    a habit is more operations of the usual cost.
    """
    pull = season.weeks / (season.weeks + 1.0)
    trailing = np.log(np.maximum(normal.demand, 1e-9))
    demand = np.exp(_drawn(trailing, np.log(season.demand), pull))
    ratio = demand / np.exp(trailing)
    return replace(
        normal,
        demand=demand,
        arrivals=normal.arrivals * ratio,
        demand_spread=_drawn(normal.demand_spread, season.demand_spread, pull),
        felt=_drawn(normal.felt, season.felt, pull),
        felt_spread=_drawn(normal.felt_spread, season.felt_spread, pull),
    )


def _drawn(trailing: Floats, usual: Floats, pull: Floats) -> Floats:
    both = trailing + pull * (usual - trailing)
    known: Floats = np.where(np.isnan(usual) | (pull <= 0), trailing, both)
    return np.where(np.isnan(trailing) & (pull > 0), usual, known)
