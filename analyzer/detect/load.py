"""How much slower a resource makes everyone at a given load, and what capacity explains it.

Stretch of processor sharing on C cores at utilisation rho: 1 + P_wait / (C (1 - rho)), with the
Erlang C waiting probability by Sakasegawa's approximation rho^(sqrt(2(C+1)) - 1), which also holds
for fractional C. Workers in FIFO order stretch alike, in units of the mean job. Past saturation a
fluid backlog B (Lindley's recursion on offered demand) adds B / (C x) for mean job x.
"""

from __future__ import annotations

import numpy as np

from analyzer.detect.arrays import Floats

NEARLY_FULL = 0.96
"""Past this utilisation the stationary formula diverges and the backlog term takes over."""

MOST_FELT = 3.0
"""Log slowdown to which one tenant's word is bounded (`victims.clipped`)."""

GRID = np.exp(np.linspace(np.log(0.5), np.log(4.0), 28))
"""Capacities tried, as multiples of the prior."""


def backlog(demand: Floats, capacity: Floats | float, window_s: float) -> Floats:
    """Unserved work in busy seconds at the end of each window (last axis)."""
    level = np.cumsum((demand - capacity) * window_s, axis=-1)
    unserved: Floats = level - np.minimum(np.minimum.accumulate(level, axis=-1), 0.0)
    return unserved


def log_stretch(demand: Floats, capacity: Floats | float, job_s: float, window_s: float) -> Floats:
    """Log of the mean stretch along the last axis. `capacity` broadcasts against `demand`."""
    rho = np.minimum(demand / capacity, NEARLY_FULL)
    waiting = rho ** (np.sqrt(2.0 * (capacity + 1.0)) - 1.0)
    queued = backlog(demand, capacity, window_s) / (capacity * max(job_s, 1e-4))
    logs: Floats = np.log1p(waiting / (capacity * (1.0 - rho)) + queued)
    return logs


def fit_capacity(
    demand: Floats,
    slowdown: Floats,
    base: Floats,
    *,
    prior: float,
    doubt: float,
    floor: float,
    job_s: float,
    window_s: float,
) -> float:
    """The capacity under which load best explains the observed slowdown.

    `demand`, `slowdown` (pooled log inflation over normal) and `base` (expected demand) are
    [windows]. `prior` is the capacity believed so far and `doubt` the standard deviation of its
    logarithm; `floor` is work the resource has been seen to serve, so no answer lies below it.
    """
    grid: Floats = np.unique(np.maximum(prior * GRID, floor))[:, None]
    usual = log_stretch(np.median(base)[None, None], grid, job_s, window_s)
    modelled = log_stretch(demand[None], grid, job_s, window_s) - usual
    # What is felt is bounded before it is pooled: a model that says more is not wrong by that.
    miss = np.abs(np.minimum(modelled, MOST_FELT) - slowdown[None])
    huber = np.where(miss < 0.5, miss**2, miss - 0.25)
    # A window's neighbours say almost the same: count five windows as one observation.
    loss = huber.sum(axis=1) / 5.0 / 0.15
    penalty = 0.5 * (np.log(grid[:, 0] / prior) / doubt) ** 2
    return float(grid[np.argmin(loss + penalty), 0])
