"""Common factors: what everybody does at once is nobody's fault (law 3)."""

from __future__ import annotations

import numpy as np

from analyzer.detect.arrays import Floats, Normal, weighted_median
from analyzer.detect.demand import PRIOR_OPERATIONS, Work


def common_arrivals(work: Work, normal: Normal) -> Floats:
    """Growth of arrivals shared by most tenants, per window, never below 1."""
    usual = np.maximum(normal.arrivals, 1e-9)
    ratio = work.arrivals / usual[:, None]
    weight = np.repeat(np.sqrt(normal.demand)[:, None], ratio.shape[1], axis=1)
    return np.maximum(weighted_median(ratio, weight), 1.0)


def common_cost(work: Work, normal: Normal) -> tuple[Floats, Floats]:
    """(rise of the cost per operation shared by most, never below 1; the same unclipped).

    Who finished few operations hardly counts, instead of being drawn to its usual cost: among many
    small tenants that would hide that everything got dearer.
    """
    usual = normal.cost[:, None]
    cheap = work.served / np.maximum(work.finished, 1e-9) / usual
    dear = work.served / np.maximum(work.finished - work.errors, 1e-9) / usual
    # Failures may have cost nothing or as much as any (see `cost_per_operation`).
    ratio = np.clip(1.0, cheap, dear)
    stuck = work.finished < 0.3 * work.arrivals
    told = work.busy_known[:, None] & (work.operations >= 1) & ~stuck
    sure = work.operations / (work.operations + PRIOR_OPERATIONS)
    weight = np.where(told, np.sqrt(normal.demand)[:, None] * sure, 0.0)
    middle = weighted_median(np.where(told, ratio, 1.0), weight)
    return np.maximum(middle, 1.0), middle


NOTABLE = 0.4
"""Log rise of a tenant's latency beyond everybody's from which its operations are dearer."""


SHARED = 0.15
"""Log rise of everybody's latency from which one tenant's says something of the resource."""

UNEVEN = 0.25
"""Part of the common rise by which tenants differ where nobody became dearer."""


def dearer_by_latency(work: Work, normal: Normal) -> Floats:
    """How many times its usual an operation costs, from latency alone. [tenants, windows]

    For tenants whose server time nobody measures. Processor sharing slows everybody by the same
    factor, so what one tenant's latency rose beyond everybody's is what its operations became
    dearer. While nobody else is slower its latency is its own affair: it may come from anywhere.
    Few operations say little. Of a tenant nobody knows the same says what its operations
    cost at all, where until then those of a typical tenant had to do.
    """
    new = np.isnan(normal.felt)
    rise = work.felt - normal.felt[:, None]
    sure = work.operations / (work.operations + PRIOR_OPERATIONS)
    weight = np.where(np.isnan(rise), 0.0, np.sqrt(np.minimum(work.operations, 30.0)))
    common = np.where(weight.any(axis=0), weighted_median(np.nan_to_num(rise), weight), 0.0)
    rise[new] = work.felt[new] - np.log(np.maximum(normal.cost[new], 1e-7))[:, None]
    own = np.nan_to_num(rise - np.maximum(common, 0.0)) * sure
    usual = np.maximum(2.0 * normal.felt_spread[:, None], NOTABLE + UNEVEN * np.maximum(common, 0))
    told = ((own > usual) | new[:, None]) & (common > SHARED)
    dearer: Floats = np.exp(np.where(told, own, 0.0))
    return np.where(work.busy_known[:, None], 1.0, dearer)


def deviation(demand: Floats, expected: Floats, arrivals: Floats, spread: Floats) -> Floats:
    """How many spreads offered demand lies above what is expected (z). [tenants, windows]

    `arrivals` are operations in the span: few operations make the ratio itself noisy (2.7/n).
    """
    floor = np.maximum(expected, 1e-9)
    noise = np.sqrt(spread[:, None] ** 2 + 2.7 / np.maximum(arrivals, 1.0))
    return np.log(np.maximum(demand, 1e-9) / floor) / noise
