"""How sure a finding is: a logistic score calibrated on the tuning seeds of `bench.detect`."""

from __future__ import annotations

import numpy as np

from analyzer.detect.scene import Scene
from analyzer.detect.suspect import Suspect
from analyzer.model import Kind

BLAME = (-3.2, 0.25, 2.0, 2.2, 1.2, 1.0)
"""Intercept, then weights of surge (z up to 8), relief, association, breadth, explained."""


def of_blame(scene: Scene, suspect: Suspect) -> float:
    """Probability that the blame is right, lowered by thin evidence."""
    features = np.array([
        1.0,
        min(suspect.way.deviation, 8.0),
        suspect.way.relief,
        max(suspect.way.association, 0.0),
        suspect.breadth,
        min(suspect.way.explained, 1.0),
    ])  # fmt: skip
    score = float(features @ np.array(BLAME))
    return thinned(scene, 1.0 / (1.0 + np.exp(-score)))


def of_shared(scene: Scene, kind: Kind, strength: float) -> float:
    """Confidence of `capacity` and `degraded`: how far the harm and its reason pass their bars."""
    harm = float(scene.slowdown[-1])
    base = 0.6 if kind is Kind.CAPACITY else 0.65
    return thinned(scene, min(0.95, base + 0.15 * min(harm, 1.0) + 0.15 * min(strength, 1.0)))


def thinned(scene: Scene, sure: float) -> float:
    """Few victims, lost windows or missing server time pull the confidence down."""
    victims = int((scene.seen.hurt & scene.seen.felt)[:, -1].sum())
    sure *= 1.0 if victims >= 3 else 0.9 if victims == 2 else 0.8
    sure *= 1.0 - 0.3 * float(scene.work.lost[-6:].mean())
    sure *= 1.0 - 0.15 * (1.0 - float(scene.work.busy_known.mean()))
    if scene.normal.windows * scene.windows.window_s < 2 * scene.settings.min_history_s:
        sure *= 0.97
    return round(float(min(max(sure, 0.05), 0.99)), 3)
