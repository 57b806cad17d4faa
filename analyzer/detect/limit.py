"""The throttle's rate: the largest at which the model puts the victims back inside normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.load import NEARLY_FULL
from analyzer.detect.scene import Scene

STEPS = np.linspace(0.0, 1.0, 21)
"""Parts of the excess taken away that are tried."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Busy seconds per second for the aggressor, with the interval of the capacity's doubt."""

    rate: float
    low: float
    high: float


def limit(scene: Scene, aggressor: int, cap: float, others_excess: float) -> Limit:
    """Interpolates between what the aggressor does now and what it is expected to do.

    `others_excess` is taken away too: the other blamed tenants get limits of their own.
    """
    now = float(scene.demand[aggressor, -3:].mean())
    total = float(scene.demand[:, -3:].sum(axis=0).mean()) - others_excess
    doubt = float(np.exp(0.15))
    rates = [
        _largest(scene, now, cap, total, scene.capacity * factor)
        for factor in (1.0, 1.0 / doubt, doubt)
    ]
    return Limit(rates[0], min(rates), max(rates))


def _largest(scene: Scene, now: float, cap: float, total: float, capacity: float) -> float:
    removed = STEPS * max(now - cap, 0.0)
    rho = np.clip((total - removed) / capacity, 0.0, 1.2)
    held = np.minimum(rho, NEARLY_FULL)
    power = np.sqrt(2.0 * (capacity + 1.0)) - 1.0
    stretch = np.log1p(held**power / (capacity * (1.0 - held)))
    usual = min(float(scene.normal.demand.sum()) / capacity, NEARLY_FULL)
    calm = np.log1p(usual**power / (capacity * (1.0 - usual)))
    fine = np.nonzero((stretch - calm <= np.log(scene.settings.harm)) & (rho < NEARLY_FULL))[0]
    return float(now - removed[fine[0]]) if fine.size else float(now - removed[-1])
