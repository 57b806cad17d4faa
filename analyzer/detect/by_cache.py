"""Blame by the cache: one tenant moves so much (rows, bytes, keys) that everybody's operations get
dearer, because what they used to find in memory is not there any more."""

from __future__ import annotations

import numpy as np

from analyzer.detect.arrays import Floats
from analyzer.detect.association import FOLLOWS, association
from analyzer.detect.load import log_stretch
from analyzer.detect.scene import Scene
from analyzer.detect.suspect import Way, check, leads, times_above

MOVED = 1.3
"""Growth of everything moved from which the cache can be meant."""

MOVED_UNTIMED = 1.6
"""The same where nobody's server time is measured, and a failing resource looks dearer, too."""

DEARER = 1.12
"""Rise of everybody's cost per operation from which it is."""


def volume_excess(scene: Scene) -> Floats:
    """Volume per second above one and a half times the usual, [tenants], now."""
    more: Floats = np.maximum(scene.work.volume[:, -1] - 1.5 * scene.normal.volume, 0.0)
    return more


def volume_deviation(scene: Scene) -> Floats:
    """How many spreads a tenant's volume lies above its usual, now."""
    usual = np.maximum(scene.normal.volume, 1e-9)
    moved = scene.work.volume[:, -1]
    z = np.log(np.maximum(moved, 1e-9) / usual) / scene.normal.volume_spread
    known: Floats = np.where(scene.normal.volume > 0, z, 0.0)
    return known


def movers(scene: Scene) -> list[int]:
    """Who may have pushed the cache out: whoever holds most of what is moved beyond the usual."""
    excess = volume_excess(scene)
    usual, now = float(scene.normal.volume.sum()), float(scene.work.volume[:, -1].sum())
    if usual <= 0 or now < MOVED * usual:
        return []
    i = int(np.argmax(excess))
    return [i] if excess[i] >= 0.5 * excess.sum() else []


def _cost_growth(scene: Scene) -> Floats:
    """Rise of everybody's cost per operation, [windows]; where nobody's server time is measured,
    the slowdown beyond what the load, at usual costs, explains."""
    if scene.work.busy_known.any():
        return scene.cost_growth
    total = scene.demand.sum(axis=0)
    cases = np.vstack([total, np.full(total.size, scene.normal.demand.sum())])
    logs = log_stretch(cases, scene.normal.capacity, scene.normal.job_s, scene.windows.window_s)
    grown: Floats = np.exp(np.maximum(scene.slowdown - (logs[0] - logs[1]), 0.0))
    return grown


def by_cache(scene: Scene, i: int) -> Way:
    """Its part of the moved volume, against the rise of everybody's cost per operation."""
    span = scene.settings.smooth
    excess = volume_excess(scene)
    share = float(excess[i] / max(float(excess.sum()), 1e-12))
    usual = float(scene.normal.volume.sum())
    rest = float(scene.work.volume[:, -1].sum() - excess[i]) / max(usual, 1e-9)
    grown = float(scene.work.volume[:, -1].sum()) / max(usual, 1e-9)
    dearer = float(_cost_growth(scene)[-span:].mean())
    surge = times_above(scene.work.volume[i], np.full_like(scene.work.volume[i],
                                                           scene.normal.volume[i]))  # fmt: skip
    agrees, follows = association(surge, scene.others_slowdown[i])
    deviation = float(volume_deviation(scene)[i])
    needed = MOVED if scene.work.busy_known.any() else MOVED_UNTIMED
    return Way(
        name="cache",
        deviation=deviation,
        excess=float(excess[i]),
        share=share,
        relief=share,
        explained=min(float(np.log(max(dearer, 1.0)) / np.log(DEARER)), 1.0),
        association=agrees,
        undone=share,
        checks=(
            check("moved", grown, needed,
                  "the tenants move {v:.1f} times what they usually do (needs {t:.1f})"),
            check("volume", deviation, 2.0,
                  "it moves {v:.1f} spreads more than it usually does (needs {t:.1f})"),
            check("share", share, 0.5, "{v:.0%} of that is its (needs {t:.0%})"),
            check("without", -rest, -MOVED,
                  "without it {v:.1f} times the usual would be moved (at most {t:.1f})"),
            check("dearer", dearer, DEARER,
                  "everybody's operations cost {v:.2f} times their normal (needs {t:.2f})"),
            check("association", agrees, scene.settings.association,
                  "what it moves agrees with the harm in time by {v:.2f} (needs {t:.2f})"),
            leads(follows, FOLLOWS),
        ),
    )  # fmt: skip
