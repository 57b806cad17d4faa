"""Days of one resource as the detector of growth reads them, and what is measured in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.arrays import Floats, Stamps
from analyzer.detect.load import MOST_FELT, log_stretch
from collector.model import ResourceId, TenantId

DAY_S = 86_400.0
EDGE = 7
"""Days at each end that make a level: a week is compared with a week, whatever its weekend."""


_FEWEST_OPERATIONS = 100
"""In each end of the span, for a tenant's latency to say anything."""

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class SlowSettings:
    """TOML section `[slow]`: blame for growth over the last `days`, once `least_days` are known.

    `growth` is how much a tenant must have grown beyond the common, `sure` the standard deviations
    by which its rise must stand out, `harm` how much slower the others are, `relief` the part of
    that which must be gone without the growth, `excess` its part of the capacity.
    """

    enabled: bool = True
    days: int = 21
    least_days: int = 14
    growth: float = 1.2
    sure: float = 2.5
    harm: float = 1.25
    breadth: float = 0.25
    relief: float = 0.25
    excess: float = 0.03
    association: float = 0.5

    def problems(self) -> list[str]:
        """Every invalid value at once, as "key: what, remedy"."""
        found = []
        if not 2 * EDGE <= self.least_days <= self.days <= 90:
            found.append(f"slow.days: keep {2 * EDGE} <= least_days <= days <= 90")
        found += [
            f"slow.{name}: is a factor, set it above 1"
            for name in ("growth", "harm")
            if getattr(self, name) <= 1
        ]
        found += [
            f"slow.{name}: is a part, set it between 0 and 1"
            for name in ("breadth", "relief", "excess", "association")
            if not 0 <= getattr(self, name) <= 1
        ]
        if self.sure < 0:
            found.append("slow.sure: must not be negative")
        return found


@dataclass(frozen=True, slots=True)
class ResourceDays:
    """Daily usage of one resource; arrays are [tenants, days], NaN or 0 where nothing was used.

    `days` are midnights UTC, one after the other; `demand` in busy seconds per second over the day,
    `felt` mean log latency, `operations` how many; `peak` is [days]: load of the busiest hour over
    the mean of its day. `capacity` in busy seconds per second, None if unknown.
    """

    resource: ResourceId
    tenants: tuple[TenantId, ...]
    days: Stamps
    demand: Floats
    felt: Floats
    operations: Floats
    peak: Floats
    capacity: float | None


@dataclass(frozen=True, slots=True)
class Growth:
    """What is the same for every suspect."""

    days: ResourceDays
    settings: SlowSettings
    level: Floats  # log demand relative to what all do that day
    slope: Floats  # of it, per day
    rise: Floats  # standard deviations by which it rises
    excess: Floats  # busy seconds per second beyond the first level grown like all
    expected: Floats
    change: Floats  # of felt log latency, NaN where not known
    capacity: float
    job_s: float


def survey(days: ResourceDays, settings: SlowSettings) -> Growth:
    floor = max(float(np.nansum(days.demand)) / max(days.demand.size, 1) * 1e-4, 1e-9)
    logs = np.log(np.maximum(np.nan_to_num(days.demand), floor))
    weight = np.nan_to_num(days.demand).mean(axis=1)
    common = _weighted_median(logs - logs[:, :EDGE].mean(axis=1, keepdims=True), weight)
    level = logs - common
    slope, rise = _trend(level)
    first = np.exp(level[:, :EDGE].mean(axis=1))
    last = np.nan_to_num(days.demand)[:, -EDGE:].mean(axis=1)
    expected = first * float(np.exp(common[-EDGE:].mean()))
    total = np.nan_to_num(days.demand).sum(axis=0) * days.peak
    capacity = days.capacity or float(total.max()) * 1.1
    operations = np.nan_to_num(days.operations)
    work = np.nan_to_num(days.demand).sum() * DAY_S
    return Growth(
        days, settings, level, slope, rise,
        excess=np.maximum(last - expected, 0.0), expected=expected,
        change=_change(days.felt, operations),
        capacity=max(capacity, 1e-9),
        job_s=float(work / max(operations.sum(), 1.0)),
    )  # fmt: skip


def _weighted_median(values: Floats, weight: Floats) -> Floats:
    """Per column, over rows."""
    order = np.argsort(values, axis=0)
    upto = np.cumsum(weight[order], axis=0)
    at = (upto < upto[-1] / 2).sum(axis=0)
    found: Floats = np.take_along_axis(values, order, axis=0)[at, np.arange(values.shape[1])]
    return found


def _trend(level: Floats) -> tuple[Floats, Floats]:
    """(median of pairwise slopes, Mann-Kendall standard deviations) of each row."""
    n = level.shape[1]
    later, sooner = np.tril_indices(n, -1)
    steps = level[:, later] - level[:, sooner]
    slope = np.median(steps / (later - sooner), axis=1)
    signs = np.sign(steps).sum(axis=1)
    spread = np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    return slope, (signs - np.sign(signs)) / spread


def _change(felt: Floats, operations: Floats) -> Floats:
    """Of each tenant's log latency from the first days to the last, weighted by operations."""
    ends = []
    for part in (slice(None, EDGE), slice(-EDGE, None)):
        weight = np.where(np.isfinite(felt[:, part]), operations[:, part], 0.0)
        enough = weight.sum(axis=1) >= _FEWEST_OPERATIONS
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (np.nan_to_num(felt[:, part]) * weight).sum(axis=1) / weight.sum(axis=1)
        ends.append(np.where(enough, mean, np.nan))
    found: Floats = ends[1] - ends[0]
    return found


def others(scene: Growth, suspect: int) -> tuple[float, float]:
    """(mean slowdown, part hurt) of everybody else."""
    known = np.isfinite(scene.change)
    known[suspect] = False
    if not known.any():
        return 0.0, 0.0
    change = np.clip(scene.change[known], -MOST_FELT, MOST_FELT)
    weight = np.minimum(np.nan_to_num(scene.days.operations)[known].sum(axis=1), 1e4)
    mean = float((change * weight).sum() / max(weight.sum(), 1e-9))
    return mean, float((change > np.log(scene.settings.harm)).mean())


def stretch(scene: Growth, removed: Floats) -> Floats:
    """Log stretch in the busiest hours of the last week with so much less load (mean of a day)."""
    total = np.nan_to_num(scene.days.demand)[:, -EDGE:].sum(axis=0)
    peak = scene.days.peak[-EDGE:]
    loads = (total[None, :] - removed[:, None]) * peak[None, :]
    # Each day is one busiest hour by itself; nobody waits for ever, so what is felt is bounded.
    logs = log_stretch(loads[..., None], scene.capacity, scene.job_s, _HOUR_S)[..., 0]
    found: Floats = np.minimum(logs, MOST_FELT).mean(axis=1)
    return found


def relief(scene: Growth, removed: float) -> float:
    with_, without = stretch(scene, np.array([0.0, removed]))
    return float(with_ - without)


def association(scene: Growth, i: int) -> float:
    """Correlation of the suspect's level with what the others feel, both as means of a week."""
    felt = np.delete(scene.days.felt, i, axis=0)
    weight = np.delete(np.nan_to_num(scene.days.operations), i, axis=0)
    weight = np.where(np.isfinite(felt), weight, 0.0)
    usual = np.nanmean(np.where(weight > 0, felt, np.nan), axis=1, keepdims=True)
    off = np.nan_to_num(felt - usual)
    mean = (off * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
    week = np.ones(EDGE) / EDGE
    mean, level = (np.convolve(one, week, "valid") for one in (mean, scene.level[i]))
    if level.std() < 1e-9 or mean.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(level, mean)[0, 1])
