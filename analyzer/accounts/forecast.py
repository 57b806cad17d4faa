"""What a tenant will cost next week, how sure that is, and how well the last month was foretold.

Point: half the Theil-Sen line through the logarithms of the last ten weeks, half the median of the
last four. Interval: split conformal, from how far off the same rule was in the weeks we know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analyzer.accounts.account import Forecast

LEAST_WEEKS = 4
_LINE = 10
_RECENT = 4
_AIM = 0.9


def forecast(
    costs: Sequence[float], foretold: Sequence[tuple[float, float]], *, decimals: int
) -> Forecast | None:
    """From weekly costs, oldest first; None with fewer than four weeks.

    `foretold` are (forecast, what it became) of the last four weeks that had a forecast. With n
    known errors the interval is the ceil((n + 1) 0.9)-th largest, which holds in 90 % of cases from
    nine on, and in n / (n + 1) before.
    """
    if len(costs) < LEAST_WEEKS:
        return None
    amount = _point(costs)
    misses = _misses(costs)
    n = len(misses)
    rank = min(n, math.ceil((n + 1) * _AIM))
    ratio = math.exp(sorted(misses)[rank - 1]) if n else 1.0
    nominal = min(_AIM, n / (n + 1)) if n else 0.0
    low, high = sorted((amount / ratio, amount * ratio))
    return Forecast(
        amount=f"{amount:.{decimals}f}",
        low=f"{low:.{decimals}f}",
        high=f"{high:.{decimals}f}",
        nominal=round(nominal, 4),
        measured=_measured(misses),
        error=_error(foretold),
    )


def _point(costs: Sequence[float]) -> float:
    middle = float(np.median(costs[-_RECENT:]))
    recent = np.asarray(costs[-_LINE:])
    if (recent <= 0).any():
        return middle
    logs = np.log(recent)
    i, j = np.triu_indices(logs.size, 1)
    slope = float(np.median((logs[j] - logs[i]) / (j - i)))
    level = float(np.median(logs - slope * np.arange(logs.size)))
    line = math.exp(level + slope * logs.size)
    return 0.5 * line + 0.5 * middle


def _misses(costs: Sequence[float]) -> list[float]:
    """|ln actual - ln foretold| of each past week by what was known before it, oldest first."""
    found = []
    for at in range(LEAST_WEEKS, len(costs)):
        told, became = _point(costs[:at]), costs[at]
        if told > 0 and became > 0:
            found.append(abs(math.log(became / told)))
    return found


def _measured(misses: Sequence[float]) -> float | None:
    """How often the interval made of the errors before a week held the week."""
    held = []
    for at in range(1, len(misses)):
        known = sorted(misses[:at])
        rank = min(at, math.ceil((at + 1) * _AIM))
        held.append(misses[at] <= known[rank - 1])
    return round(sum(held) / len(held), 4) if held else None


def _error(foretold: Sequence[tuple[float, float]]) -> float | None:
    whole = sum(abs(became) for _, became in foretold)
    if not foretold or not whole:
        return None
    return round(sum(abs(told - became) for told, became in foretold) / whole, 4)
