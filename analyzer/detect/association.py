"""Does the suspect's surge go with the others' harm in time, and does it lead?"""

from __future__ import annotations

import numpy as np

from analyzer.detect.arrays import Floats

FOLLOWS = 0.15
"""A suspect whose best fit is this much better when it comes *after* the harm is no cause."""

LAGS_AFTER = (1, 2, 3)


def association(surge: Floats, harm: Floats) -> tuple[float, float]:
    """(agreement at lag 0 or 1, advantage of following), both in -1..1.

    `surge` is the suspect's log excess over expectation and `harm` the others' slowdown, both
    [windows]. When most windows are harmed there is no calm left to correlate with, so both are
    compared with zero (their normal) instead of their own mean.
    """
    up, pain = np.maximum(surge, 0.0), np.maximum(harm, 0.0)
    calm = int(np.count_nonzero(pain < 0.5 * pain.max(initial=0.0))) >= pain.size // 4
    leads = max(_agreement(up, pain, lag, centred=calm) for lag in (0, 1))
    follows = max(_agreement(up, pain, -lag, centred=calm) for lag in LAGS_AFTER)
    return leads, follows - leads


def _agreement(up: Floats, pain: Floats, lag: int, *, centred: bool) -> float:
    """Correlation of the surge with the harm `lag` windows later (earlier when negative)."""
    if lag >= 0:
        a, b = up[: up.size - lag], pain[lag:]
    else:
        a, b = up[-lag:], pain[:lag]
    if a.size < 2:
        return 0.0
    if centred:
        a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 1e-9 else 0.0
