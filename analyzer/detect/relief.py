"""The counterfactual: how much better the victims would be without a suspect's excess (law 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzer.detect.arrays import Floats
from analyzer.detect.load import log_stretch
from analyzer.detect.scene import Scene, harm_begins
from analyzer.detect.victims import unclipped_slowdown

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Relief:
    """Of the `suspects` (tenant indices): `excess` busy seconds per second at its
    recent worst, `part` of the
    modelled harm each one's absence would undo (alone, or its share of the joint relief if that is
    more), `share` its part of the joint excess; `joint` the part all together would undo;
    `modelled` log stretch of the load over normal; `cap` what each would be left with.
    """

    suspects: Indices
    excess: Floats
    part: Floats
    share: Floats
    cap: Floats
    joint: float
    modelled: float


def fair_share(demand: Floats, capacity: float, target: float) -> float:
    """Max-min water level: what nobody may exceed if `target * capacity` is dealt out fairly."""
    room = target * capacity
    ordered = np.sort(demand)
    before = np.concatenate([[0.0], np.cumsum(ordered)[:-1]])
    level = (room - before) / np.arange(ordered.size, 0, -1)
    filled = np.nonzero(level <= ordered)[0]
    return float(max(level[filled[0]] if filled.size else level[-1], 0.0))


def allowance(scene: Scene, suspects: Indices) -> Floats:
    """What each suspect may use before it counts as excess. [suspects, windows]"""
    expected = scene.expected[suspects]
    spread = np.minimum(scene.normal.demand_spread[suspects], 0.7)[:, None]
    level = fair_share(scene.normal.demand, scene.capacity, scene.settings.target_utilisation)
    cap: Floats = np.maximum(expected * np.exp(spread), np.minimum(level, 3.0 * expected))
    return cap


def relieve(scene: Scene, suspects: Indices) -> Relief:
    """Take each suspect's excess away, alone and all together, and recompute the stretch."""
    total = scene.demand.sum(axis=0)
    cap = allowance(scene, suspects)
    excess = np.maximum(scene.demand[suspects] - cap, 0.0)
    together = excess.sum(axis=0)
    cases = np.vstack([total, total - together, total - excess])
    stretch = _stretch(scene, cases)
    usual = float(_stretch(scene, np.full((1, total.size), scene.normal.demand.sum()))[0])
    modelled = max(float(stretch[0]) - usual, 0.0)
    alone = stretch[0] - stretch[2:]
    joint = float(stretch[0] - stretch[1])
    recent = excess[:, -6:].sum(axis=1)
    share = recent / max(float(recent.sum()), 1e-12)
    scale = max(modelled, 1e-6)
    part = np.clip(np.maximum(alone, joint * share) / scale, 0.0, 1.0)
    return Relief(
        suspects,
        excess[:, -12:].max(axis=1),
        part,
        share,
        cap[:, -1],
        min(joint / scale, 1.0),
        modelled,
    )


PARTS = tuple(round(0.1 * k, 1) for k in range(1, 11))
"""Parts of the excess a limit may take away, for which the counterfactual is told."""


P95 = 0.95

WITHIN = 0.08
"""Scale (of the logarithm) of what operations of one window feel around its stretch. Small, as it
is tuned on what a cap leaves and not on what latencies do: it says how much the windows next to the
worst count, so that one burst of the others is not taken for the whole of the harm."""


def undone_by(scene: Scene, blamed: Indices) -> Floats:
    """Part of the harm (in logarithms) that goes when `PARTS` of the blamed excess go. [parts]

    Over the windows since the harm began, because a burst of the others may still fill what a small
    cap leaves. What the model does not explain of the height is taken to go in proportion; where it
    is higher than what was felt (queues are cut off somewhere), what was felt is the height.
    """
    since = harm_begins(scene, set(blamed.tolist()))
    total = scene.demand.sum(axis=0)
    excess = np.maximum(scene.demand[blamed] - scene.expected[blamed], 0.0).sum(axis=0)
    usual = np.full(total.size, scene.normal.demand.sum())
    cases = np.vstack([total, usual, *(total - part * excess for part in PARTS)])
    logs = log_stretch(cases, scene.capacity, scene.normal.job_s, scene.windows.window_s)
    worst = felt_p95(logs[:, since:])
    height = max(worst[0] - worst[1], 1e-6)
    rise = unclipped_slowdown(scene.seen)[since:]
    calm, felt = felt_p95(np.vstack([np.zeros_like(rise), rise]))
    height = min(height, max(felt - calm, np.log(scene.settings.harm)))
    undone: Floats = 1.0 - np.clip((worst[2:] - worst[1]) / height, 0.0, 1.0)
    return undone


def felt_p95(logs: Floats) -> Floats:
    """The p95 over all operations of windows whose log stretches are `logs` [cases, windows], where
    those of one window lie around its stretch by a logistic distribution. [cases]

    Halves the interval it must lie in: the quantile of a mixture has no formula.
    """
    low, high = logs.min(axis=1) - 8 * WITHIN, logs.max(axis=1) + 8 * WITHIN
    for _ in range(24):
        middle = (low + high) / 2.0
        off = np.clip((logs - middle[:, None]) / WITHIN, -40.0, 40.0)
        below = (1.0 / (1.0 + np.exp(off))).mean(axis=1)
        low, high = np.where(below < P95, middle, low), np.where(below < P95, high, middle)
    found: Floats = (low + high) / 2.0
    return found


def _stretch(scene: Scene, cases: Floats) -> Floats:
    """Log stretch now (mean of the smoothing span) of each case of total demand."""
    logs = log_stretch(cases, scene.capacity, scene.normal.job_s, scene.windows.window_s)
    now: Floats = logs[:, -scene.settings.smooth :].mean(axis=1)
    return now
