"""What is normal for every tenant of a resource, learned from its own calm windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzer.detect.arrays import Bools, Floats, Normal, ResourceWindows, quantiles
from analyzer.detect.demand import Work, cost_per_operation, measure, offered
from analyzer.detect.load import fit_capacity
from analyzer.detect.settings import DetectSettings

UNTOLD_HEADROOM = 1.6
"""Capacity assumed when none is configured: this many times the busiest usual load."""


def learn(windows: ResourceWindows, settings: DetectSettings) -> Normal | None:
    """What the training windows teach; None when they span less than `min_history_s`."""
    settings = settings.at_grain(windows.window_s)
    need = int(settings.min_history_s / windows.window_s)
    total = windows.ts.size
    if total < need:
        return None
    work = measure(windows, 0, settings.smooth)
    usable = _training(windows, work, settings)
    if np.count_nonzero(usable) < need // 2:
        return None
    seconds = settings.smooth * windows.window_s
    usual = _usual_cost(work, usable)
    demand = offered(work, cost_per_operation(work, usual, seconds))
    return _summarise(windows, work, demand, usual, usable, settings)


def _training(windows: ResourceWindows, work: Work, settings: DetectSettings) -> Bools:
    """Windows with data, not poisoned by an incident, and older than the guard."""
    allowed = ~work.lost
    if windows.trains is not None:
        allowed &= windows.trains
    allowed[: settings.smooth - 1] = False
    guard = int(settings.guard_s / windows.window_s)
    allowed[max(windows.ts.size - guard, 0) :] = False
    return np.asarray(allowed, dtype=np.bool_)


def _usual_cost(work: Work, usable: Bools) -> Floats:
    """Long-run busy seconds per operation; without server time, the time felt in calm hours."""
    spent = work.served[:, usable].sum(axis=1)
    done = work.finished[:, usable].sum(axis=1)
    pooled = spent.sum() / max(done[work.busy_known].sum(), 1e-9)
    felt = np.exp(np.nan_to_num(quantiles(work.felt[:, usable], (0.25,))[0], nan=np.log(0.01)))
    measured = (spent + 1e-3 * pooled) / (done + 1e-3)
    cost: Floats = np.maximum(np.where(work.busy_known, measured, felt), 1e-7)
    return cost


def _summarise(
    windows: ResourceWindows,
    work: Work,
    demand: Floats,
    usual: Floats,
    usable: Bools,
    settings: DetectSettings,
) -> Normal:
    taught = demand[:, usable]
    done = work.finished[:, usable].sum(axis=1)
    centre = _centre(taught)
    felt, felt_spread = _felt(work.felt[:, usable], work.operations[:, usable], settings)
    job_s = float(np.sum(usual * done) / max(np.sum(done), 1e-9))
    normal = Normal(
        arrivals=_centre(work.arrivals[:, usable]),
        cost=usual,
        demand=centre,
        demand_spread=_spread(taught, centre, settings.spread_floor),
        felt=felt,
        felt_spread=felt_spread,
        error_ratio=work.errors[:, usable].sum(axis=1) / np.maximum(done, 1e-9),
        volume=_centre(work.volume[:, usable]),
        volume_spread=_spread(work.volume[:, usable], _centre(work.volume[:, usable]), 0.2),
        capacity=1.0,
        doubt=0.5,
        carried=float(np.quantile(work.served[:, usable].sum(axis=0), 0.99)),
        job_s=job_s,
        windows=int(np.count_nonzero(usable)),
        blocking=work.blocking[:, usable].mean(axis=1),
        blocked=work.blocked[:, usable].mean(axis=1),
    )
    return _with_capacity(windows, normal, taught, work.felt[:, usable], work.operations[:, usable])


def _centre(values: Floats) -> Floats:
    """Median, or half the mean where that is more: sparse tenants have a median of nothing."""
    centre: Floats = np.maximum(np.median(values, axis=1), 0.5 * np.mean(values, axis=1))
    return centre


def _spread(values: Floats, centre: Floats, floor: float) -> Floats:
    """Spread of the logarithm: the larger of the robust deviation and the upper tail's."""
    base = np.maximum(centre, 1e-9)[:, None]
    logs = np.log((values + 0.1 * base) / (1.1 * base))
    low, middle, high, top = quantiles(logs, (0.25, 0.5, 0.75, 0.95))
    return np.maximum(np.maximum((high - low) / 1.349, (top - middle) / 1.9), floor)


def _felt(felt: Floats, operations: Floats, settings: DetectSettings) -> tuple[Floats, Floats]:
    """Centre and spread of the felt log latency over windows with enough operations."""
    enough = np.where(operations >= settings.min_operations, felt, np.nan)
    sparse = np.count_nonzero(~np.isnan(enough), axis=1) < 10
    enough[sparse] = felt[sparse]
    low, middle, high = quantiles(enough, (0.25, 0.5, 0.75))
    return middle, np.nan_to_num((high - low) / 1.349, nan=0.5)


def pooled_slowdown(felt: Floats, operations: Floats, usual: Floats) -> Floats:
    """Mean log inflation of all tenants per window, weighted by operations up to 30 each."""
    rise = np.clip(np.nan_to_num(felt - usual[:, None]), -0.3, 3.0)
    weight = np.where(np.isnan(felt) | np.isnan(usual)[:, None], 0.0, np.minimum(operations, 30.0))
    pooled: Floats = (weight * rise).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
    return pooled


def _with_capacity(
    windows: ResourceWindows, normal: Normal, demand: Floats, felt: Floats, operations: Floats
) -> Normal:
    total = demand.sum(axis=0)
    busiest = max(float(np.quantile(total, 0.99)), 1e-9)
    told = windows.capacity
    prior = max(told, normal.carried) if told else busiest * UNTOLD_HEADROOM
    doubt = 0.35 if told else 0.6
    fitted = fit_capacity(
        total, pooled_slowdown(felt, operations, normal.felt), total,
        prior=prior, doubt=doubt, floor=max(normal.carried, 1e-9),
        job_s=normal.job_s, window_s=windows.window_s,
    )  # fmt: skip
    return replace(normal, capacity=fitted, doubt=doubt)


def aligned(normal: Normal, tenants: int) -> Normal:
    """The same with room for tenants who came later: nothing is known of them yet."""
    missing = tenants - normal.demand.size
    if missing <= 0:
        return normal

    def grown(values: Floats, fill: float) -> Floats:
        return np.concatenate([values, np.full(missing, fill)])

    def typical(values: Floats) -> float:
        return float(np.median(values)) if values.size else 0.0

    return replace(
        normal,
        arrivals=grown(normal.arrivals, 0.0),
        cost=grown(normal.cost, normal.job_s),
        demand=grown(normal.demand, 0.0),
        demand_spread=grown(normal.demand_spread, 0.5),
        felt=grown(normal.felt, np.nan),
        felt_spread=grown(normal.felt_spread, 0.5),
        error_ratio=grown(normal.error_ratio, typical(normal.error_ratio)),
        volume=grown(normal.volume, typical(normal.volume)),
        volume_spread=grown(normal.volume_spread, 0.5),
        blocking=grown(normal.blocking, 0.0),
        blocked=grown(normal.blocked, 0.0),
    )
