"""Load that leaks in over days: a few per cent more a day, and nobody ever sees it surge.

Windows of seconds learn such growth as normal. Here the grain is a day: of each tenant the level
relative to what all do that day (which takes weekends and common growth away), its trend by the
median of pairwise slopes (Theil 1950, Sen 1968), and the test of Mann (1945) and Kendall that it
rises at all. The laws are the same: harm to others first, a material part of it gone without the
growth by the load model at each day's busiest hour, no blame for what everybody does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from analyzer.detect.days import (
    EDGE,
    Growth,
    ResourceDays,
    SlowSettings,
    association,
    others,
    relief,
    stretch,
    survey,
)
from analyzer.model import Blame, Check, Finding, Harm, Kind, Rival, Signal

STEPS = np.linspace(1.0, 0.0, 21)
"""Parts of the growth that a limit may leave."""

_RIVALS = 3


def slow_burn(days: ResourceDays, settings: SlowSettings) -> Finding | None:
    """The growth that hurts the others at the end of the newest day, or None. Pure.

    O(tenants x days^2).
    """
    if not settings.enabled or days.days.size < settings.least_days or len(days.tenants) < 2:
        return None
    scene = survey(days, settings)
    if not (scene.change > np.log(settings.harm)).any():
        return None
    suspects = np.argsort(-scene.excess)[: _RIVALS + 1]
    judged = [(int(i), _checks(scene, int(i))) for i in suspects if scene.excess[i] > 0]
    blamed = [i for i, checks in judged if all(check.passed for check in checks)]
    if not blamed:
        return None
    return _finding(scene, blamed, dict(judged))


def _checks(scene: Growth, i: int) -> tuple[Check, ...]:
    settings = scene.settings
    slower, hurt = others(scene, i)
    grown = float(np.exp(scene.slope[i] * (scene.days.days.size - 1)))
    part = float(scene.excess[i]) / scene.capacity
    share = float(scene.excess[i]) / max(float(scene.excess.sum()), 1e-12)
    gone = relief(scene, float(scene.excess[i])) / max(slower, 1e-6)
    agrees = association(scene, i)
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
        _check("relief", gone, settings.relief,
               "without its growth {v:.0%} of the slowdown would be gone (needs {t:.0%})"),
        _check("association", agrees, settings.association,
               "its level agrees with the slowdown by {v:.2f} (needs {t:.2f})"),
    )  # fmt: skip


def _check(name: str, value: float, threshold: float, words: str) -> Check:
    value = float(value)
    return Check(name, value >= threshold, value, threshold, words.format(v=value, t=threshold))


def _finding(scene: Growth, blamed: list[int], judged: dict[int, tuple[Check, ...]]) -> Finding:
    days, main = scene.days, blamed[0]
    excess = float(scene.excess[blamed].sum())
    slower, hurt = others(scene, main)
    gone = min(relief(scene, excess), slower)
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


def _blame(scene: Growth, i: int, excess: float, checks: tuple[Check, ...]) -> Blame:
    last = np.nan_to_num(scene.days.demand)[:, -EDGE:].mean(axis=1)
    return Blame(
        scene.days.tenants[i],
        contribution=float(scene.excess[i]) / max(excess, 1e-12),
        demand=float(last[i]),
        expected=float(scene.expected[i]),
        share=float(last[i] / max(last.sum(), 1e-12)),
        checks=checks,
    )


def _limit(scene: Growth, i: int, by_others: float) -> float:
    """The largest mean rate at which the others are back inside, else what it was."""
    slower, _ = others(scene, i)
    left = STEPS * float(scene.excess[i])
    removed = by_others + float(scene.excess[i]) - left
    gone = stretch(scene, np.zeros(1))[0] - stretch(scene, removed)
    fine = np.nonzero(slower - gone <= np.log(scene.settings.harm))[0]
    return float(scene.expected[i] + (left[fine[0]] if fine.size else 0.0))


def _moment(day: np.datetime64) -> datetime:
    seconds: datetime = day.astype("datetime64[s]").item()
    return seconds.replace(tzinfo=UTC)


def _began(scene: Growth, i: int) -> datetime:
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
