"""Blame by load: an excess of offered work that fills the resource."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzer.detect.arrays import Floats
from analyzer.detect.association import FOLLOWS, association
from analyzer.detect.load import log_stretch
from analyzer.detect.relief import Relief
from analyzer.detect.scene import Scene
from analyzer.detect.suspect import Way, check, leads, times_above
from analyzer.model import Check

SUSPICIOUS = 1.5
"""z from which a tenant is looked at; blame needs `DetectSettings.surge`, or z from here on when
its absence would undo half of the harm: whoever always bursts has a wide normal."""

MATERIAL = 0.2
"""Part of the joint excess below which a suspect hides in the shadow of a larger one."""

MEMORY = 12
"""Windows an excess is remembered: the backlog it left outlives it."""

GREW = 1.2
"""Growth of all load from which a surge can have filled the resource."""

COUNTS = 0.08
"""Part of the capacity known before from which an excess can have filled a healthy resource."""

ADDED = 0.3
"""Part of all load beyond the usual that a surge must be to have set a collapse off: callers who
send again grow as well, each a little."""

DEARER = 1.25
"""Shared rise of the cost per operation from which the resource itself is slower."""


def surge(scene: Scene) -> Floats:
    """z now, or the highest of the remembered windows less one spread if that is more."""
    now = scene.deviation[:, -scene.settings.smooth :].mean(axis=1)
    best: Floats = np.maximum(now, scene.deviation[:, -MEMORY:].max(axis=1) - 1.0)
    return best


def by_load(scene: Scene, relief: Relief, k: int, locked: float) -> Way:
    """Suspect number `k` of `relief`; `locked` is the part of the harm that lock waits explain.

    When the load model explains too little, the surge may still have set off a collapse that no
    model follows (`by_trigger`).
    """
    i, settings = int(relief.suspects[k]), scene.settings
    harm = float(scene.others_slowdown[i, -1])
    agrees, follows = association(
        times_above(scene.demand[i], scene.expected[i]), scene.others_slowdown[i]
    )
    explained = relief.modelled / max(harm, 1e-3)
    way = Way(
        name="load",
        deviation=float(surge(scene)[i]),
        excess=float(relief.excess[k]),
        share=float(relief.share[k]),
        relief=float(relief.part[k]) * min(1.0, explained),
        explained=explained,
        association=agrees,
        undone=None,
        checks=(),
    )
    part = way.excess / max(scene.capacity, 1e-9)
    checks = (
        check("surge", way.deviation, _surge_needed(scene, way, part),
              "offered load is {v:.1f} spreads above expectation (needs {t:.1f})"),
        check("excess", part, settings.excess,
              "its excess is {v:.0%} of the capacity (needs {t:.0%})"),
        check("share", way.share, MATERIAL,
              "it holds {v:.0%} of all excess (needs {t:.0%})"),
        check("relief", way.relief, settings.relief,
              "without its excess {v:.0%} of the harm would be gone (needs {t:.0%})"),
        check("material", np.exp(harm * relief.joint * min(1.0, explained)), settings.harm,
              "without all excess the others would be {v:.2f} times faster (needs {t:.2f})"),
        check("association", way.association, settings.association,
              "its surge agrees with the harm in time by {v:.2f} (needs {t:.2f})"),
        check("explained", way.explained, settings.explained,
              "load explains {v:.0%} of the harm (needs {t:.0%})"),
        leads(follows, FOLLOWS),
        _load_grew(scene, harm, way.excess),
        _not_degraded(scene, harm),
        check("no_locks", 1.0 - locked, 0.5,
              "{v:.0%} of the harm is no waiting for locks (needs {t:.0%})"),
    )  # fmt: skip
    return replace(way, checks=checks)


def _load_grew(scene: Scene, harm: float, excess: float) -> Check:
    """All load together is well above normal and this surge a part of it that counts, or explains
    the harm by the capacity believed before: a failing resource is short of capacity at any load,
    and then the smallest surge seems to fill it (law 3)."""
    total, usual = scene.demand.sum(axis=0), float(scene.normal.demand.sum())
    grown = float(total[-MEMORY:].max()) / max(usual, 1e-9)
    cases = np.vstack([total, np.full(total.size, usual)])
    logs = log_stretch(cases, scene.normal.capacity, scene.normal.job_s, scene.windows.window_s)
    now, calm = logs[:, -scene.settings.smooth :].mean(axis=1)
    believed = float(now - calm) / max(harm, 1e-3)
    counts = excess >= COUNTS * scene.normal.capacity
    enough = (grown >= GREW and counts) or believed >= scene.settings.explained
    words = f"all load together is {grown:.2f} times normal (needs {GREW:.2f})"
    if grown >= GREW and not enough:
        words = (
            f"its excess is {excess / scene.normal.capacity:.0%} of the capacity known before: too "
            "little to fill a resource that does not fail"
        )
    return Check("load_grew", enough, grown, GREW, words)


def _surge_needed(scene: Scene, way: Way, part: float) -> float:
    heavy = (
        way.relief >= 0.5 and part >= 0.10 and way.share >= 0.25 and way.association >= 0.5
    )  # fmt: skip
    return SUSPICIOUS if heavy else scene.settings.surge


def by_trigger(scene: Scene, way: Way) -> Way:
    """A collapse the model cannot follow, but which begins with a surge that filled the resource
    as it was known before. `way` is what `by_load` found."""
    known = scene.normal.capacity
    most = float(scene.demand[:, -MEMORY:].sum(axis=0).max())
    rho = most / known
    added = way.excess / max(most - float(scene.normal.demand.sum()), way.excess, 1e-9)
    dearer = float(scene.cost_growth[-scene.settings.smooth :].mean())
    part = way.excess / max(known, 1e-9)
    follows = next(c for c in way.checks if c.name == "leads")
    checks = (
        check("surge", way.deviation, SUSPICIOUS,
              "offered load is {v:.1f} spreads above expectation (needs {t:.1f})"),
        check("excess", part, 0.15, "its excess is {v:.0%} of the capacity (needs {t:.0%})"),
        check("share", way.share, 0.4, "it holds {v:.0%} of all excess (needs {t:.0%})"),
        check("added", added, ADDED,
              "it is {v:.0%} of all load beyond the usual (needs {t:.0%})"),
        check("filled", rho, 0.75,
              "with it the resource was asked for {v:.0%} of what it carries (needs {t:.0%})"),
        check("association", way.association, 0.65,
              "its surge agrees with the harm in time by {v:.2f} (needs {t:.2f})"),
        check("resource_healthy", -dearer, -DEARER,
              "an operation costs no more than usual ({v:.2f}, at most {t:.2f} times)"),
        follows,
    )  # fmt: skip
    return Way(
        "trigger", way.deviation, way.excess, way.share, way.relief, way.explained,
        way.association, None, checks,
    )  # fmt: skip


def _not_degraded(scene: Scene, harm: float) -> Check:
    """The resource still carries what it is known to carry, and work costs what it always cost."""
    span = scene.settings.smooth
    served = float(scene.demand[:, -span:].sum(axis=0).max()) / scene.capacity
    failing = harm > np.log(1.4) and served < 0.8
    dearer = float(scene.cost_growth[-span:].mean())
    if dearer > DEARER:
        words = f"every operation costs {dearer:.2f} times as much: the resource itself is slower"
        return Check("resource_healthy", passed=False, value=dearer, threshold=DEARER, detail=words)
    carries = float(scene.work.served[:, -2 * span :].sum(axis=0).max())
    known = scene.normal.carried
    if harm > np.log(1.4) and carries < 0.9 * known and scene.work.busy_known.any():
        words = f"it serves {carries:.2f} busy seconds per second and is known to carry {known:.2f}"
        return Check("resource_healthy", passed=False, value=carries, threshold=0.9 * known,
                     detail=words)  # fmt: skip
    words = f"the resource works at {served:.0%} of its capacity"
    if failing:
        words += " and yet everybody is slow: it is failing itself"
    return Check("resource_healthy", not failing, served, 0.8, words)
