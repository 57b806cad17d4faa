"""Common factors: what everybody does at once is nobody's fault (law 3)."""

from __future__ import annotations

import numpy as np

from analyzer.detect.arrays import Floats, Normal, weighted_median
from analyzer.detect.demand import Work


def common_arrivals(work: Work, normal: Normal) -> Floats:
    """Growth of arrivals shared by most tenants, per window, never below 1."""
    usual = np.maximum(normal.arrivals, 1e-9)
    ratio = work.arrivals / usual[:, None]
    weight = np.repeat(np.sqrt(normal.demand)[:, None], ratio.shape[1], axis=1)
    return np.maximum(weighted_median(ratio, weight), 1.0)


def common_cost(cost: Floats, work: Work, normal: Normal) -> tuple[Floats, Floats]:
    """(rise of the cost per operation shared by most, never below 1; the same unclipped)."""
    ratio = cost / normal.cost[:, None]
    active = work.operations >= 1
    weight = np.where(active & work.busy_known[:, None], np.sqrt(normal.demand)[:, None], 0.0)
    middle = weighted_median(ratio, weight)
    return np.maximum(middle, 1.0), middle


def deviation(demand: Floats, expected: Floats, arrivals: Floats, spread: Floats) -> Floats:
    """How many spreads offered demand lies above what is expected (z). [tenants, windows]

    `arrivals` are operations in the span: few operations make the ratio itself noisy (2.7/n).
    """
    floor = np.maximum(expected, 1e-9)
    noise = np.sqrt(spread[:, None] ** 2 + 2.7 / np.maximum(arrivals, 1.0))
    return np.log(np.maximum(demand, 1e-9) / floor) / noise
