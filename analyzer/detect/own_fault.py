"""Tenants slow by their own doing: hurt while others are not, and their own cost or load rose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzer.detect import confidence
from analyzer.detect.arrays import Bools, Floats
from analyzer.detect.finding import bare_finding, harm_of
from analyzer.detect.scene import Scene
from analyzer.model import Blame, Check, Finding, Kind

DEARER = 1.3
"""Own operations cost this many times their normal."""

SURE = 4.0
"""Spreads by which the cost must exceed normal: a few large operations are no change of habit."""

MOST = 20


def self_inflicted(scene: Scene) -> list[Finding]:
    """One finding a tenant. Its latency alone never suffices (law 2)."""
    settings = scene.settings
    alone = scene.seen.hurt & scene.seen.felt & (scene.others_breadth < settings.breadth)
    steady = alone[:, -settings.smooth :].all(axis=1)
    dearer, sure = own_cost(scene)
    louder = scene.deviation[:, -1] >= settings.surge
    own = steady & (((dearer >= DEARER) & (sure >= SURE)) | louder)
    return [_finding(scene, int(i), float(dearer[i])) for i in np.nonzero(own)[0][:MOST]]


def own_cost(scene: Scene) -> tuple[Floats, Floats]:
    """(cost per operation over normal, its significance in spreads) over two smoothing spans."""
    span = 2 * scene.settings.smooth
    done = scene.work.finished[:, -span:].sum(axis=1)
    spent = scene.work.served[:, -span:].sum(axis=1)
    known: Bools = scene.work.busy_known & (done > 0)
    ratio = np.where(known, spent / np.maximum(done, 1e-9) / scene.normal.cost, 1.0)
    operations = done * scene.windows.window_s
    return ratio, np.log(np.maximum(ratio, 1e-6)) * np.sqrt(operations)


def _finding(scene: Scene, i: int, dearer: float) -> Finding:
    rise, z = float(scene.seen.rise[i, -1]), float(scene.deviation[i, -1])
    breadth, threshold = float(scene.others_breadth[i, -1]), scene.settings.breadth
    checks = (
        Check("others_calm", breadth < threshold, breadth, threshold,
              f"{breadth:.0%} of the other tenants are hurt (fewer than {threshold:.0%})"),
        Check("own_cost", dearer >= DEARER, dearer, DEARER,
              f"its own operations cost {dearer:.2f} times their normal (from {DEARER:.2f})"),
        Check("own_load", z >= scene.settings.surge, z, scene.settings.surge,
              f"its own load is {z:.1f} spreads above expectation"),
    )  # fmt: skip
    demand, expected = float(scene.demand[i, -1]), float(scene.expected[i, -1])
    share = demand / max(float(scene.demand[:, -1].sum()), 1e-12)
    return replace(
        bare_finding(scene, Kind.SELF_INFLICTED, set(), rise, None, []),
        aggressors=(Blame(scene.windows.tenants[i], 1.0, demand, expected, share, checks),),
        victims=(harm_of(scene, i, None),),
        checks=checks,
        confidence=confidence.thinned(scene, 0.85),
    )
