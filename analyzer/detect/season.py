"""The hour of the week: a habit is no surge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analyzer.detect.arrays import Floats, Normal


@dataclass(frozen=True, slots=True)
class Season:
    """What earlier weeks taught of this hour, one entry a tenant; NaN is unknown. Units as in
    `Normal`; `weeks` is how many weeks taught it (0: none). `demand_before` and `felt_before` are
    the same of the hour before this one."""

    weeks: Floats
    demand: Floats
    demand_spread: Floats
    felt: Floats
    felt_spread: Floats
    demand_before: Floats | None = None
    felt_before: Floats | None = None


STEP = np.log(3.0)
"""Most by which today's level may differ from other weeks' (logarithm)."""

SOON = 0.3
"""A change seen in two weeks is believed nine tenths: the level is today's anyway."""

FAINT = 0.05
"""Part of the hour's demand below which the hour before says nothing of the level."""


def seasoned(normal: Normal, season: Season, part: float = 0.0) -> Normal:
    """The trailing normal drawn toward the hour's, in logarithms.

    What earlier weeks tell is the *change* from the hour before to this one; the level is today's,
    so that a holiday, a new customer or a slower release is no surprise for a whole week. `part`
    (0..1) of the trailing windows lies in this hour already and has seen the change. Where the hour
    before is unknown, or too quiet to tell a level, the hour itself counts, weeks / (weeks + 1) of
    the way. Arrivals follow demand: a habit is more operations of the usual cost.
    """
    trailing = np.log(np.maximum(normal.demand, 1e-9))
    usual, pull = _today(trailing, np.log(season.demand), _log(season.demand_before), season, part)
    demand = np.exp(_drawn(trailing, usual, pull))
    ratio = demand / np.exp(trailing)
    plain = season.weeks / (season.weeks + 1.0)
    return replace(
        normal,
        demand=demand,
        arrivals=normal.arrivals * ratio,
        demand_spread=_drawn(normal.demand_spread, season.demand_spread, plain),
        felt=_drawn(
            normal.felt, *_today(normal.felt, season.felt, season.felt_before, season, part)
        ),
        felt_spread=_drawn(normal.felt_spread, season.felt_spread, plain),
    )


def _log(values: Floats | None) -> Floats | None:
    return None if values is None else np.log(values)


def _today(
    trailing: Floats, usual: Floats, before: Floats | None, season: Season, part: float
) -> tuple[Floats, Floats]:
    """(what this hour is today, how far to go there) in logarithms."""
    plain = season.weeks / (season.weeks + 1.0)
    if before is None:
        return usual, plain
    with np.errstate(invalid="ignore"):
        told = np.isfinite(before) & np.isfinite(usual) & np.isfinite(trailing)
        told &= np.minimum(before, trailing) > usual + np.log(FAINT)
        then = (1.0 - part) * before + part * usual  # what the trailing windows were other weeks
        step = np.clip(trailing - then, -STEP, STEP)
    sure = season.weeks / (season.weeks + SOON)
    return np.where(told, usual + step, usual), np.where(told, sure, plain)


def _drawn(trailing: Floats, usual: Floats, pull: Floats) -> Floats:
    both = trailing + pull * (usual - trailing)
    known: Floats = np.where(np.isnan(usual) | (pull <= 0), trailing, both)
    return np.where(np.isnan(trailing) & (pull > 0), usual, known)
