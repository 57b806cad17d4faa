"""From tests to a finding: noisy neighbour, capacity, degraded, self-inflicted, or silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzer.detect import confidence
from analyzer.detect.finding import bare_finding
from analyzer.detect.limit import Limit, limit
from analyzer.detect.own_fault import self_inflicted
from analyzer.detect.relief import Relief, undone_by
from analyzer.detect.scene import Scene
from analyzer.detect.suspects import Suspect, examine
from analyzer.model import Blame, Check, Finding, Kind

GREW = 1.15
"""Shared growth of arrivals from which everyone is said to have grown."""

DEARER = 1.25
"""Shared rise of the cost per operation from which the resource is said to be slower."""


def judge(scene: Scene) -> list[Finding]:
    """At most one finding about the shared resource, else one per tenant hurting itself."""
    if not (scene.seen.hurt & scene.seen.felt)[:, -1].any():
        return []
    suspects, relief = examine(scene)
    blamed = [s for s in suspects if s.path]
    if blamed and relief is not None:
        return [_noisy(scene, blamed, suspects, relief)]
    if _widely_hurt(scene):
        return [_shared(scene, suspects)]
    return self_inflicted(scene)


def _widely_hurt(scene: Scene) -> bool:
    """Is the harm shared by enough tenants, and by more than one where there are more?"""
    now = (scene.seen.hurt & scene.seen.felt)[:, -1]
    felt = int(scene.seen.felt[:, -1].sum())
    wide = now.sum() >= max(scene.settings.breadth * felt, min(2, len(scene.windows.tenants)))
    return bool(wide and scene.slowdown[-1] > np.log(scene.settings.harm))


def _noisy(scene: Scene, blamed: list[Suspect], suspects: list[Suspect], relief: Relief) -> Finding:
    blamed = sorted(blamed, key=lambda s: -s.relief)
    sure = [confidence.of_blame(scene, s) for s in blamed]
    harm = max(float(max(s.others_slowdown for s in blamed)), 0.0)
    undone = undone_by(scene, np.array([s.index for s in blamed]))
    modelled = all(s.path == "load" for s in blamed)
    without = harm * (1.0 - undone) if modelled else None
    bound = _limit(scene, blamed, relief)
    held = {s.index for s in blamed}
    base = bare_finding(scene, Kind.NOISY_NEIGHBOUR, held, harm, without, suspects)
    return replace(
        base,
        aggressors=tuple(_blame(scene, s, blamed) for s in blamed),
        checks=blamed[0].checks,
        confidence=max(sure),
        limit=bound.rate,
        limit_low=bound.low,
        limit_high=bound.high,
        caveats=base.caveats + (() if modelled else (_COLLAPSE,)),
    )


_COLLAPSE = (
    "the load model cannot follow this collapse: without the surge the victims would recover, "
    "by how much is not said"
)


def _limit(scene: Scene, blamed: list[Suspect], relief: Relief) -> Limit:
    caps = {int(i): float(relief.cap[k]) for k, i in enumerate(relief.suspects)}
    main = blamed[0]
    rest = sum(s.excess for s in blamed[1:])
    return limit(scene, main.index, caps[main.index], rest)


def _blame(scene: Scene, s: Suspect, blamed: list[Suspect]) -> Blame:
    served = scene.demand[:, -1]
    return Blame(
        tenant=scene.windows.tenants[s.index],
        contribution=s.relief / max(sum(b.relief for b in blamed), 1e-9),
        demand=float(served[s.index]),
        expected=float(scene.expected[s.index, -1]),
        share=float(served[s.index] / max(float(served.sum()), 1e-12)),
        checks=s.checks,
    )


def _shared(scene: Scene, suspects: list[Suspect]) -> Finding:
    """Nobody is blamed: did everyone grow, or does the resource itself fail?"""
    why = reason(scene)
    kind = Kind.CAPACITY if all(c.passed for c in why) else Kind.DEGRADED
    harm = float(scene.slowdown[-1])
    strength = float(scene.growth[-1] - 1 if kind is Kind.CAPACITY else scene.cost_growth[-1] - 1)
    base = bare_finding(scene, kind, set(), harm, None, suspects)
    return replace(base, checks=why, confidence=confidence.of_shared(scene, kind, strength))


def reason(scene: Scene) -> tuple[Check, ...]:
    """Tests for `capacity`; a resource that fails one of them is `degraded`."""
    recent = slice(-scene.settings.smooth, None)
    load = float(scene.demand[:, recent].sum(axis=0).mean())
    grown = max(load / max(float(scene.normal.demand.sum()), 1e-9), float(scene.growth[-1]))
    dearer = float(scene.cost_growth[recent].mean())
    rho = load / scene.capacity
    return (
        Check("load_grew", grown >= GREW, grown, GREW,
              f"offered load is {grown:.2f} times normal (growth from {GREW:.2f})"),
        Check("cost_usual", dearer <= DEARER, dearer, DEARER,
              f"an operation costs {dearer:.2f} times its normal (slower from {DEARER:.2f})"),
        Check("load_explains", rho >= 0.75, rho, 0.75,
              f"the resource is asked for {rho:.0%} of its capacity (needs 75%)"),
    )  # fmt: skip
