"""Load that leaks in over days: a few per cent more a day, and nobody ever sees it surge.

Windows of seconds learn such growth as normal. Here the grain is a day: of each tenant the level
relative to what all do that day (which takes weekends and common growth away), its trend by the
median of pairwise slopes (Theil 1950, Sen 1968), and the test of Mann (1945) and Kendall that it
rises at all. The laws are the same: harm to others first, a material part of it gone without the
growth by the load model at each day's busiest hour, no blame for what everybody does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from analyzer.detect.arrays import Floats, Stamps
from analyzer.detect.load import MOST_FELT, log_stretch
from analyzer.model import Blame, Check, Finding, Harm, Kind, Rival, Signal
from collector.model import ResourceId, TenantId

DAY_S = 86_400.0
EDGE = 7
"""Days at each end that make a level: a week is compared with a week, whatever its weekend."""

STEPS = np.linspace(1.0, 0.0, 21)
"""Parts of the growth that a limit may leave."""

_FEWEST_OPERATIONS = 100
"""In each end of the span, for a tenant's latency to say anything."""

_HOUR_S = 3600.0
_RIVALS = 3


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
class _Scene:
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


def slow_burn(days: ResourceDays, settings: SlowSettings) -> Finding | None:
    """The growth that hurts the others at the end of the newest day, or None. Pure.

    O(tenants x days^2).
    """
    if not settings.enabled or days.days.size < settings.least_days or len(days.tenants) < 2:
        return None
    scene = _survey(days, settings)
    if not (scene.change > np.log(settings.harm)).any():
        return None
    suspects = np.argsort(-scene.excess)[: _RIVALS + 1]
    judged = [(int(i), _checks(scene, int(i))) for i in suspects if scene.excess[i] > 0]
    blamed = [i for i, checks in judged if all(check.passed for check in checks)]
    if not blamed:
        return None
    return _finding(scene, blamed, dict(judged))


def _survey(days: ResourceDays, settings: SlowSettings) -> _Scene:
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
    return _Scene(
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


def _others(scene: _Scene, suspect: int) -> tuple[float, float]:
    """(mean slowdown, part hurt) of everybody else."""
    known = np.isfinite(scene.change)
    known[suspect] = False
    if not known.any():
        return 0.0, 0.0
    change = np.clip(scene.change[known], -MOST_FELT, MOST_FELT)
    weight = np.minimum(np.nan_to_num(scene.days.operations)[known].sum(axis=1), 1e4)
    mean = float((change * weight).sum() / max(weight.sum(), 1e-9))
    return mean, float((change > np.log(scene.settings.harm)).mean())


def _stretch(scene: _Scene, removed: Floats) -> Floats:
    """Log stretch in the busiest hours of the last week with so much less load (mean of a day)."""
    total = np.nan_to_num(scene.days.demand)[:, -EDGE:].sum(axis=0)
    peak = scene.days.peak[-EDGE:]
    loads = (total[None, :] - removed[:, None]) * peak[None, :]
    # Each day is one busiest hour by itself; nobody waits for ever, so what is felt is bounded.
    logs = log_stretch(loads[..., None], scene.capacity, scene.job_s, _HOUR_S)[..., 0]
    found: Floats = np.minimum(logs, MOST_FELT).mean(axis=1)
    return found


def _relief(scene: _Scene, removed: float) -> float:
    with_, without = _stretch(scene, np.array([0.0, removed]))
    return float(with_ - without)


def _checks(scene: _Scene, i: int) -> tuple[Check, ...]:
    settings = scene.settings
    slower, hurt = _others(scene, i)
    grown = float(np.exp(scene.slope[i] * (scene.days.days.size - 1)))
    part = float(scene.excess[i]) / scene.capacity
    share = float(scene.excess[i]) / max(float(scene.excess.sum()), 1e-12)
    relief = _relief(scene, float(scene.excess[i])) / max(slower, 1e-6)
    agrees = _association(scene, i)
    daily = float(np.expm1(scene.slope[i]))
    return (
        _check("others_slower", np.exp(slower), settings.harm,
               "others are {v:.2f} times slower than at the beginning (needs {t:.2f})"),
        _check("breadth", hurt, settings.breadth, "{v:.0%} of the others are (needs {t:.0%})"),
        _check("grown", grown, settings.growth,
               f"it grew {daily:.1%} a day, {{v:.2f}} times in all (needs {{t:.2f}})"),
        _check("trend", float(scene.rise[i]), settings.sure,
               "its rise stands out by {v:.1f} standard deviations (needs {t:.1f})"),
        _check("excess", part, settings.excess,
               "its growth is {v:.0%} of the capacity (needs {t:.0%})"),
        _check("share", share, 0.3, "it holds {v:.0%} of all growth (needs {t:.0%})"),
        _check("relief", relief, settings.relief,
               "without its growth {v:.0%} of the slowdown would be gone (needs {t:.0%})"),
        _check("association", agrees, settings.association,
               "its level agrees with the slowdown by {v:.2f} (needs {t:.2f})"),
    )  # fmt: skip


def _check(name: str, value: float, threshold: float, words: str) -> Check:
    value = float(value)
    return Check(name, value >= threshold, value, threshold, words.format(v=value, t=threshold))


def _association(scene: _Scene, i: int) -> float:
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


def _finding(scene: _Scene, blamed: list[int], judged: dict[int, tuple[Check, ...]]) -> Finding:
    days, main = scene.days, blamed[0]
    excess = float(scene.excess[blamed].sum())
    slower, hurt = _others(scene, main)
    gone = min(_relief(scene, excess), slower)
    first, last = days.felt[:, :EDGE], days.felt[:, -EDGE:]
    victims = []
    for j in np.argsort(-np.nan_to_num(scene.change)):
        if int(j) in blamed or not scene.change[j] > np.log(scene.settings.harm):
            continue
        before, during = float(np.nanmean(first[j])), float(np.nanmean(last[j]))
        without = max(during - gone, before)
        victims.append(
            Harm(days.tenants[j], Signal.LATENCY, *map(float, np.exp([before, during, without])))
        )
    limit = _limit(scene, main, excess - float(scene.excess[main]))
    total = float(np.nan_to_num(days.demand)[:, -EDGE:].sum(axis=0).mean())
    return Finding(
        resource=days.resource,
        kind=Kind.NOISY_NEIGHBOUR,
        window_start=_began(scene, main),
        window_end=_moment(days.days[-1]) + timedelta(days=1),
        aggressors=tuple(_blame(scene, i, excess, judged[i]) for i in blamed),
        victims=tuple(victims),
        rivals=tuple(
            Rival(days.tenants[i], float(scene.excess[i] / max(scene.excess.sum(), 1e-12)),
                  next(check.detail for check in checks if not check.passed))
            for i, checks in judged.items() if i not in blamed
        ),
        checks=(),
        caveats=(f"seen in {days.days.size} days, not in windows",)
        + (() if days.capacity else ("the capacity is not known: the busiest hour stands for it",)),
        confidence=_sure(scene.settings, judged[main], hurt, len(victims)),
        stretch=float(np.exp(slower)),
        stretch_without=float(np.exp(slower - gone)),
        utilisation=total * float(days.peak[-EDGE:].mean()) / scene.capacity,
        limit=limit,
        limit_low=min(limit, float(scene.expected[main])),
        limit_high=max(limit, float(scene.expected[main])),
        recovers=slower - gone <= np.log(scene.settings.harm),
    )  # fmt: skip


def _blame(scene: _Scene, i: int, excess: float, checks: tuple[Check, ...]) -> Blame:
    last = np.nan_to_num(scene.days.demand)[:, -EDGE:].mean(axis=1)
    return Blame(
        scene.days.tenants[i],
        contribution=float(scene.excess[i]) / max(excess, 1e-12),
        demand=float(last[i]),
        expected=float(scene.expected[i]),
        share=float(last[i] / max(last.sum(), 1e-12)),
        checks=checks,
    )


def _limit(scene: _Scene, i: int, others: float) -> float:
    """The largest mean rate at which the others are back inside, else what it was."""
    slower, _ = _others(scene, i)
    left = STEPS * float(scene.excess[i])
    removed = others + float(scene.excess[i]) - left
    gone = _stretch(scene, np.zeros(1))[0] - _stretch(scene, removed)
    fine = np.nonzero(slower - gone <= np.log(scene.settings.harm))[0]
    return float(scene.expected[i] + (left[fine[0]] if fine.size else 0.0))


def _moment(day: np.datetime64) -> datetime:
    seconds: datetime = day.astype("datetime64[s]").item()
    return seconds.replace(tzinfo=UTC)


def _began(scene: _Scene, i: int) -> datetime:
    """The first day from which it stayed a tenth above its first level."""
    level = scene.level[i]
    low = np.nonzero(level < level[:EDGE].mean() + np.log(1.1))[0]
    at = min(int(low[-1]) + 1 if low.size else 0, level.size - 1)
    return _moment(scene.days.days[at])


def _sure(settings: SlowSettings, checks: tuple[Check, ...], breadth: float, victims: int) -> float:
    """By how far the tests pass; not calibrated as that of windows is: days are few."""
    values = {check.name: check.value or 0.0 for check in checks}
    sure = (
        0.55 + 0.15 * min(values["relief"], 1.0) + 0.1 * values["association"]
        + 0.1 * min(max(values["trend"] - settings.sure, 0.0) / 2.5, 1.0) + 0.05 * breadth
    )  # fmt: skip
    return round(float(min(sure * (1.0 if victims >= 3 else 0.85), 0.95)), 3)
