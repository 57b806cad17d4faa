"""Exponential buckets → the default latency bounds, counted up.

An exponential bucket ends at base^i, base = 2^(2^-scale). Where the unit is the second and the
scale 1 or more, the default bounds (2^(k/2)) are among the ends: folding is exact. Else a bucket
goes where its end lies, and a quantile is off by one bucket at most.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

from collector.model import LATENCY_BOUNDS

_TOLERANCE = 1e-9
_LARGEST_POWER = 1000  # of two, in a double


@lru_cache(64)
def bounds_in(unit_s: float) -> tuple[float, ...]:
    """The default bounds as numbers of a unit of `unit_s` seconds (0.001: in milliseconds)."""
    return LATENCY_BOUNDS if unit_s == 1.0 else tuple(bound / unit_s for bound in LATENCY_BOUNDS)


def folded(
    scale: int,
    ends: Iterable[tuple[int, float]],
    zero: float = 0,
    *,
    bounds: Sequence[float] = LATENCY_BOUNDS,
) -> list[float]:
    """Counts per bound, and one more for what lies above the last.

    `ends` are pairs (i, count): so many observations in the bucket that ends at base^i. `zero`
    observations were 0, or next to it.
    """
    counts: list[float] = [0] * (len(bounds) + 1)
    counts[0] = zero
    width = 2.0**-scale
    for index, count in ends:
        if count:
            power = index * width
            upper = 2.0**power if power < _LARGEST_POWER else math.inf
            counts[bisect.bisect_left(bounds, upper * (1 - _TOLERANCE))] += count
    return counts
