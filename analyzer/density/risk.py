"""How likely a resource is to be asked for more than it has. Pure.

A coming week is drawn from the days that were, whole days with their hours in order (block
bootstrap, Künsch 1989), so that nights stay nights and what tenants do together stays together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DAY = 24
_DAYS = 7
_DRAWS = 2000

Floats = npt.NDArray[np.float64]


def overload_risk(loads: Floats, capacity: float | None) -> float | None:
    """Probability that at least one hour of a coming week asks for more than `capacity`.

    `loads` are hourly, oldest first; None with under two whole days, or without capacity. The draw
    is the same for the same loads.
    """
    days = loads[loads.size % DAY :].reshape(-1, DAY)
    if not capacity or days.shape[0] < 2:
        return None
    over = np.asarray((days > capacity).any(axis=1))
    draws = np.random.default_rng(0).integers(0, over.size, (_DRAWS, _DAYS))
    return float(over[draws].any(axis=1).mean())
