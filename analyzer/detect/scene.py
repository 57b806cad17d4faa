"""The recent windows of one resource with everything the tests of the evidence read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.detect.arrays import Floats, Normal, ResourceWindows
from analyzer.detect.demand import Work, cost_per_operation, measure, offered
from analyzer.detect.factors import (
    common_arrivals,
    common_cost,
    dearer_by_latency,
    deviation,
)
from analyzer.detect.load import fit_capacity
from analyzer.detect.settings import DetectSettings
from analyzer.detect.victims import (
    Harmed,
    breadth_of_others,
    harmed,
    shared_slowdown,
    slowdown_of_others,
)
from collector.model import ResourceKind


@dataclass(frozen=True, slots=True)
class Scene:
    """Arrays are [tenants, recent windows] or [recent windows]; the last window is now.

    `demand` and `expected` are in busy seconds per second, `deviation` is z, `growth` and
    `cost_growth` the common factors, `slowdown` pooled log slowdown, `others_slowdown` the same
    without tenant i, `capacity` what best explains the recent windows given what was believed.
    """

    windows: ResourceWindows
    settings: DetectSettings
    normal: Normal
    work: Work
    seen: Harmed
    cost: Floats
    demand: Floats
    expected: Floats
    deviation: Floats
    growth: Floats
    cost_growth: Floats
    slowdown: Floats
    others_slowdown: Floats
    others_breadth: Floats
    capacity: float


def survey(windows: ResourceWindows, normal: Normal, settings: DetectSettings) -> Scene:
    """Measure the recent windows against what is normal."""
    seconds = settings.smooth * windows.window_s
    start = max(windows.ts.size - settings.recent, 0)
    work = measure(windows, start, settings.smooth)
    seen = harmed(work, normal, settings, seconds)
    cost = cost_per_operation(work, normal.cost, seconds)
    growth = common_arrivals(work, normal)
    cost_growth, middle = common_cost(work, normal)
    # Served cost per arrival falls for everybody under saturation: divide that out. A window in
    # which nobody was served says nothing of what an operation costs.
    cost = cost / np.where(middle > 0, np.minimum(middle, 1.0), 1.0)
    if windows.kind is not ResourceKind.QUEUE and not work.busy_known.all():
        cost = cost * dearer_by_latency(work, normal)
    demand = offered(work, cost)
    expected = usual_or_peers(normal.demand, windows.plans)[:, None] * growth * cost_growth
    slowdown = shared_slowdown(seen)
    return Scene(
        windows=windows,
        settings=settings,
        normal=normal,
        work=work,
        seen=seen,
        cost=cost,
        demand=demand,
        expected=expected,
        deviation=deviation(demand, expected, work.arrivals * seconds, normal.demand_spread),
        growth=growth,
        cost_growth=cost_growth,
        slowdown=slowdown,
        others_slowdown=slowdown_of_others(seen),
        others_breadth=breadth_of_others(seen),
        capacity=_capacity(windows, normal, work, demand, slowdown),
    )


def harm_begins(scene: Scene, held: set[int]) -> int:
    """Number of the first of the recent windows of the unbroken harm to others than `held`."""
    harm = scene.others_slowdown[min(held)] if held else scene.slowdown
    calm = np.nonzero(harm < 0.5 * np.log(scene.settings.harm))[0]
    return min(int(calm[-1]) + 1 if calm.size else 0, harm.size - 1)


PEERS = 3
"""Tenants of a plan that must be known for their typical one to stand for a new one."""


def usual_or_peers(usual: Floats, plans: Sequence[str] | None = None) -> Floats:
    """A tenant nothing is known of is compared with the typical one of its plan who works here;
    where too few are known, with the typical one of all.
    """
    known = usual > 0
    if known.all() or not known.any():
        return usual
    filled: Floats = np.where(known, usual, np.median(usual[known]))
    if plans is None or len(plans) != usual.size:
        return filled
    named = np.array(plans)
    for plan in {plans[int(i)] for i in np.flatnonzero(~known)} - {""}:
        peers = known & (named == plan)
        if peers.sum() >= PEERS:
            filled[~known & (named == plan)] = np.median(usual[peers])
    return filled


def _capacity(
    windows: ResourceWindows, normal: Normal, work: Work, demand: Floats, slowdown: Floats
) -> float:
    served = work.served.sum(axis=0)
    return fit_capacity(
        demand.sum(axis=0),
        np.maximum(slowdown, 0.0),
        np.full(demand.shape[1], normal.demand.sum()),
        prior=normal.capacity,
        doubt=normal.doubt,
        floor=max(normal.carried, float(np.quantile(served, 0.95)), 1e-9),
        job_s=normal.job_s,
        window_s=windows.window_s,
    )
