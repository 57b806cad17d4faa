"""Who could be to blame, and the tests each suspect must pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analyzer.detect.arrays import Floats
from analyzer.detect.association import FOLLOWS, association
from analyzer.detect.relief import Indices, Relief, relieve
from analyzer.detect.scene import Scene
from analyzer.model import Check
from collector.model import UNKNOWN_TENANT

SUSPICIOUS = 1.5
"""z from which a tenant is looked at; blame needs `DetectSettings.surge`, or z from here on when
its absence would undo half of the harm: whoever always bursts has a wide normal."""

MATERIAL = 0.15
"""Part of the joint excess below which a suspect hides in the shadow of a larger one."""

MEMORY = 12
"""Windows an excess is remembered: the backlog it left outlives it."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One tenant's numbers at the newest window; `checks` in the order they are told."""

    index: int
    deviation: float
    excess: float
    relief: float
    share: float
    association: float
    explained: float
    others_slowdown: float
    breadth: float
    path: str  # "load", "trigger", "cache" or "" when not blamed
    checks: tuple[Check, ...]

    @property
    def why_not(self) -> str:
        """The first failed test in words."""
        return next((c.detail for c in self.checks if c.passed is False), "weaker than the blamed")


def pick(scene: Scene) -> Indices:
    """Indices of tenants far above what is expected of them, largest excess first."""
    ahead = (scene.demand - scene.expected)[:, -MEMORY:].max(axis=1)
    loud = _surge(scene) > SUSPICIOUS
    loud |= _volume_deviation(scene) >= CACHE_VOLUME
    known = np.array([t != UNKNOWN_TENANT for t in scene.windows.tenants])
    found = np.nonzero(loud & known)[0]
    ranked = found[np.argsort(-ahead[found], kind="stable")]
    return ranked[: scene.settings.max_suspects]


CACHE_VOLUME = 4.0
"""z of volume (rows, bytes, keys) from which the cache channel looks at a tenant."""


def _surge(scene: Scene) -> Floats:
    """z now, or the highest of the remembered windows less one spread if that is more."""
    now = scene.deviation[:, -scene.settings.smooth :].mean(axis=1)
    best: Floats = np.maximum(now, scene.deviation[:, -MEMORY:].max(axis=1) - 1.0)
    return best


def _volume_deviation(scene: Scene) -> Floats:
    usual = np.maximum(scene.normal.volume, 1e-9)
    moved = scene.work.volume[:, -1]
    z = np.log(np.maximum(moved, 1e-9) / usual) / scene.normal.volume_spread
    known: Floats = np.where(scene.normal.volume > 0, z, 0.0)
    return known


def _volume_share(scene: Scene) -> Floats:
    """Each tenant's part of the volume above normal."""
    more = np.maximum(scene.work.volume[:, -1] - 1.5 * scene.normal.volume, 0.0)
    share: Floats = more / max(float(more.sum()), 1e-12)
    return share


def examine(scene: Scene) -> tuple[list[Suspect], Relief | None]:
    """Every suspect with its tests, and the relief they were judged by."""
    indices = pick(scene)
    if indices.size == 0:
        return [], None
    relief = relieve(scene, indices)
    return [_examine(scene, relief, k) for k in range(indices.size)], relief


def _examine(scene: Scene, relief: Relief, k: int) -> Suspect:
    i = int(relief.suspects[k])
    harm = float(scene.others_slowdown[i, -1])
    surge = np.log(np.maximum(scene.demand[i], 1e-9) / np.maximum(scene.expected[i], 1e-9))
    agrees, follows = association(surge, scene.others_slowdown[i])
    explained = relief.modelled / max(harm, 1e-3)
    suspect = Suspect(
        index=i,
        deviation=float(_surge(scene)[i]),
        excess=float(relief.excess[k]),
        relief=float(relief.part[k]) * min(1.0, explained),
        share=float(relief.share[k]),
        association=agrees,
        explained=explained,
        others_slowdown=harm,
        breadth=float(scene.others_breadth[i, -1]),
        path="",
        checks=(),
    )
    return _judged(scene, suspect, follows, idle=bool(relief.excess[k] <= 0))


def _judged(scene: Scene, s: Suspect, follows: float, *, idle: bool) -> Suspect:
    settings = scene.settings
    harm = (
        _check("others_slower", np.exp(s.others_slowdown), settings.harm,
               "others are {v:.2f} times slower than their normal (needs {t:.2f})"),
        _check("breadth", s.breadth, settings.breadth,
               "{v:.0%} of the other tenants are hurt (needs {t:.0%})"),
    )  # fmt: skip
    part = s.excess / max(scene.capacity, 1e-9)
    load = (
        _check("surge", s.deviation, _surge_needed(scene, s, part),
               "offered load is {v:.1f} spreads above expectation (needs {t:.1f})"),
        _check("excess", part, settings.excess,
               "its excess is {v:.0%} of the capacity (needs {t:.0%})"),
        _check("share", s.share, MATERIAL,
               "it holds {v:.0%} of all excess (needs {t:.0%})"),
        _check("relief", s.relief, settings.relief,
               "without its excess {v:.0%} of the harm would be gone (needs {t:.0%})"),
        _check("association", s.association, settings.association,
               "its surge agrees with the harm in time by {v:.2f} (needs {t:.2f})"),
        _check("explained", s.explained, settings.explained,
               "load explains {v:.0%} of the harm (needs {t:.0%})"),
        _check("leads", -follows, -FOLLOWS,
               "its surge comes before the harm, not after (lead {v:.2f}, needs {t:.2f})"),
        _not_degraded(scene, s),
    )  # fmt: skip
    path = ""
    if all(c.passed for c in harm) and not idle and load[6].passed:
        path = _path(scene, s, load)
    return replace(s, path=path, checks=harm + load)


def _path(scene: Scene, s: Suspect, load: tuple[Check, ...]) -> str:
    """By which road the blame arrives: the load model, a trigger it cannot model, the cache."""
    if all(c.passed for c in load):
        return "load"
    if _triggered(scene, s):
        return "trigger"
    dearer = float(scene.cost_growth[-scene.settings.smooth :].mean())
    cached = dearer > 1.15 and _volume_deviation(scene)[s.index] >= CACHE_VOLUME
    return "cache" if cached and _volume_share(scene)[s.index] >= 0.5 else ""


def _surge_needed(scene: Scene, s: Suspect, part: float) -> float:
    heavy = s.relief >= 0.5 and part >= 0.10 and s.share >= 0.25 and s.association >= 0.5
    return SUSPICIOUS if heavy else scene.settings.surge


def _triggered(scene: Scene, s: Suspect) -> bool:
    """A collapse the model cannot follow, but which begins with a surge that filled the resource
    as it was known before."""
    known = scene.normal.capacity
    rho = float(scene.demand[:, -MEMORY:].sum(axis=0).max()) / known
    if scene.cost_growth[-scene.settings.smooth :].mean() > 1.25:
        return False  # everybody's work got dearer: that has a cause of its own
    large = s.excess >= 0.15 * known and s.share >= 0.4
    return large and rho >= 0.75 and s.deviation >= SUSPICIOUS and s.association >= 0.65


def _not_degraded(scene: Scene, s: Suspect) -> Check:
    """The resource still carries what it is known to carry, and work costs what it always cost."""
    span = scene.settings.smooth
    served = float(scene.demand[:, -span:].sum(axis=0).max()) / scene.capacity
    failing = s.others_slowdown > np.log(1.4) and served < 0.8
    dearer = float(scene.cost_growth[-span:].mean())
    if dearer > 1.25:
        words = f"every operation costs {dearer:.2f} times as much: the resource itself is slower"
        return Check("resource_healthy", passed=False, value=dearer, threshold=1.25, detail=words)
    carries = float(scene.work.served[:, -2 * span :].sum(axis=0).max())
    known = scene.normal.carried
    if s.others_slowdown > np.log(1.4) and carries < 0.9 * known and scene.work.busy_known.any():
        words = f"it serves {carries:.2f} busy seconds per second and is known to carry {known:.2f}"
        return Check("resource_healthy", passed=False, value=carries, threshold=0.9 * known,
                     detail=words)  # fmt: skip
    words = f"the resource works at {served:.0%} of its capacity"
    if failing:
        words += " and yet everybody is slow: it is failing itself"
    return Check("resource_healthy", not failing, served, 0.8, words)


def _check(name: str, value: float, threshold: float, words: str) -> Check:
    value = float(value)
    return Check(name, value >= threshold, value, threshold, words.format(v=value, t=threshold))
