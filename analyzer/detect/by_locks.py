"""Blame by locks: others wait for what one tenant holds. Its usage shows next to nothing, so only
sampled lock waits tell (`blocked_s`, `blocking_s`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.arrays import Floats
from analyzer.detect.association import FOLLOWS, association
from analyzer.detect.scene import Scene
from analyzer.detect.suspect import Way, check, leads

FLOOR = 0.02
"""Seconds of lock waits per second that mean nothing: two looks in a hundred."""

SURE = 4.0
"""Deviations of a count of looks (one a second) from which a holder is looked at."""

HOG = 0.5
"""Part of all unusual waiting that is for this tenant's locks."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds per second: `excess` [tenants, windows] others wait for this tenant beyond what is
    expected when everybody's locks are held longer; `deviation` [tenants] of the newest count;
    `explained` the part of the harm that lock waits are."""

    excess: Floats
    deviation: Floats
    explained: float


def waits(scene: Scene) -> Waits:
    """Law 3 for locks: what grows for everybody (a slow resource holds every lock longer) is
    expected of each; only what lies above is somebody's own."""
    caused, usual = scene.work.blocking, scene.normal.blocking
    if not scene.work.locks_known:
        return Waits(np.zeros_like(caused), np.zeros(usual.size), 0.0)
    others = caused.sum(axis=0) - caused
    others_usual = (usual.sum() - usual)[:, None] + 10 * FLOOR
    expected = (usual[:, None] + FLOOR) * np.maximum(others / others_usual, 1.0)
    seconds = scene.settings.smooth * scene.windows.window_s
    looks, mean = caused[:, -1] * seconds, expected[:, -1] * seconds
    return Waits(
        np.maximum(caused - expected, 0.0),
        (looks - mean) / np.sqrt(mean + 1.0),
        _explained(scene),
    )


def _explained(scene: Scene) -> float:
    """Seconds waited for locks beyond the usual, over seconds felt beyond the usual."""
    waited = np.maximum(scene.work.blocked - scene.normal.blocked[:, None], 0.0)
    rise = np.exp(np.clip(np.nan_to_num(scene.work.felt), -20, 8)) - np.exp(
        np.clip(np.nan_to_num(scene.normal.felt), -20, 8)
    ).reshape(-1, 1)
    known = np.isfinite(scene.work.felt) & np.isfinite(scene.normal.felt)[:, None]
    felt = np.where(known, np.maximum(rise, 0.0) * scene.work.finished, 0.0)
    recent = slice(-2 * scene.settings.smooth, None)
    total = float(felt[:, recent].sum())
    return min(float(waited[:, recent].sum()) / max(total, 1e-6), 1.0)


def holders(found: Waits) -> list[int]:
    """Who may hold what others wait for, worst first."""
    ranked = np.argsort(-found.deviation, kind="stable")[:3]
    return [int(i) for i in ranked if found.deviation[i] >= SURE]


def by_locks(scene: Scene, found: Waits, i: int) -> Way:
    """Its part of the unusual waiting, times the part of the harm that is waiting for locks."""
    now = found.excess[:, -scene.settings.smooth :].mean(axis=1)
    share = float(now[i] / max(float(now.sum()), 1e-12))
    relief = share * found.explained
    agrees, follows = association(np.log1p(found.excess[i] / FLOOR), scene.others_slowdown[i])
    suffered = float(scene.work.blocked[i, -1]) / max(float(scene.work.blocking[i, -1]), 1e-9)
    return Way(
        name="locks",
        deviation=float(found.deviation[i]),
        excess=float(now[i]),
        share=share,
        relief=relief,
        explained=found.explained,
        association=agrees,
        undone=relief,
        checks=(
            check("holds", float(found.deviation[i]), SURE,
                  "others wait for its locks {v:.1f} deviations more than usual (needs {t:.1f})"),
            check("share", share, HOG,
                  "{v:.0%} of all unusual waiting is for its locks (needs {t:.0%})"),
            check("head", -suffered, -0.5,
                  "it waits for others {v:.0%} of the time they wait for it (at most {t:.0%})"),
            check("relief", relief, scene.settings.relief,
                  "its locks are {v:.0%} of the harm (needs {t:.0%})"),
            check("association", agrees, scene.settings.association,
                  "its locks agree with the harm in time by {v:.2f} (needs {t:.2f})"),
            leads(follows, FOLLOWS),
        ),
    )  # fmt: skip
