"""Costs that are odd against a tenant's own past weeks, with few false discoveries. Pure.

x = ln cost; z = (x - median) / (1.4826 MAD + 0.02) over up to eight weeks. The past is short, so z
is judged by Student's t with as many degrees of freedom, and all tenants together by Benjamini and
Hochberg (1995): of those called odd at most `RATE` are expected to be mere chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzer.accounts.account import Anomaly

LEAST_WEEKS = 4
MOST_WEEKS = 8
RATE = 0.05
FAR = 3.5
_FLOOR = 0.02
_MAD = 1.4826

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """A tenant's past weekly costs, oldest first, and this week's."""

    past: Sequence[float]
    now: float


def anomalies(courses: Mapping[str, Course], *, least_change: float) -> dict[str, Anomaly]:
    """Each tenant that can be judged. `least_change`: smaller changes are never called odd."""
    judged = {t: _measured(c) for t, c in courses.items() if _can_be_judged(c)}
    names = sorted(judged)
    chances = [chance(judged[t][1], judged[t][2]) for t in names]
    found = {}
    for tenant, q in zip(names, adjusted(chances), strict=True):
        usual, z, _ = judged[tenant]
        big = abs(courses[tenant].now - usual) >= least_change
        odd = big and abs(z) > FAR and q <= RATE
        found[tenant] = Anomaly("odd" if odd else "calm", f"{usual:.6f}", round(z, 3), round(q, 6))
    for tenant, course in courses.items():
        if not any(course.past) and course.now:
            found[tenant] = Anomaly("new", "0", 0.0, 1.0)
        elif any(course.past) and not course.now:
            found[tenant] = Anomaly("gone", f"{np.median(course.past):.6f}", 0.0, 1.0)
    return found


def _can_be_judged(course: Course) -> bool:
    past = course.past[-MOST_WEEKS:]
    return course.now > 0 and sum(cost > 0 for cost in past) >= LEAST_WEEKS


def _measured(course: Course) -> tuple[float, float, int]:
    """Usual cost, z, degrees of freedom."""
    logs = np.log([cost for cost in course.past[-MOST_WEEKS:] if cost > 0])
    middle = float(np.median(logs))
    spread = _MAD * float(np.median(np.abs(logs - middle))) + _FLOOR
    return math.exp(middle), (math.log(course.now) - middle) / spread, logs.size - 1


def chance(z: float, freedom: int) -> float:
    """Two-sided tail of Student's t; an even number of degrees counts as the odd one below.

    Abramowitz and Stegun 26.7.3: a closed form for odd degrees.
    """
    odd = freedom if freedom % 2 else max(1, freedom - 1)
    theta = math.atan(abs(z) / math.sqrt(odd))
    series, term = 0.0, math.cos(theta)
    for k in range(1, odd - 1, 2):
        series += term
        term *= math.cos(theta) ** 2 * (k + 1) / (k + 2)
    inside = (theta + math.sin(theta) * series) * 2 / math.pi
    return max(0.0, 1.0 - inside)


def adjusted(chances: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg q-values, in the order given."""
    n = len(chances)
    order = sorted(range(n), key=lambda i: chances[i])
    found, least = [1.0] * n, 1.0
    for rank in range(n, 0, -1):
        i = order[rank - 1]
        least = min(least, chances[i] * n / rank)
        found[i] = least
    return found
