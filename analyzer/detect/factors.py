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


def deviation(demand: Floats, expected: Floats, arrivals: Floats, spread: Floats) -> Floats:
    """How many spreads offered demand lies above what is expected (z). [tenants, windows]

    `arrivals` are operations in the span: few operations make the ratio itself noisy (2.7/n).
    """
    floor = np.maximum(expected, 1e-9)
    noise = np.sqrt(spread[:, None] ** 2 + 2.7 / np.maximum(arrivals, 1.0))
    return np.log(np.maximum(demand, 1e-9) / floor) / noise
