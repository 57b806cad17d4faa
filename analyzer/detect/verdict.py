"""From tests to a finding: noisy neighbour, capacity, degraded, self-inflicted, or silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzer.detect import confidence
from analyzer.detect.counterfactual import claimed
from analyzer.detect.finding import bare_finding
from analyzer.detect.limit import Limit, limit
from analyzer.detect.own_fault import self_inflicted
from analyzer.detect.scene import Scene
from analyzer.detect.suspect import Suspect
from analyzer.detect.suspects import Examined, examine
from analyzer.model import Blame, Check, Finding, Kind

GREW = 1.15
"""Shared growth of arrivals from which everyone is said to have grown."""

DEARER = 1.25
"""Shared rise of the cost per operation from which the resource is said to be slower."""


SERVES = 0.7
"""Part of the usual work a resource must still serve for its load to count as grown."""


def judge(scene: Scene) -> list[Finding]:
    """At most one finding about the shared resource, else one per tenant hurting itself."""
    if not (scene.seen.hurt & scene.seen.felt)[:, -1].any():
        return []
    seen = examine(scene)
    blamed = [s for s in seen.suspects if s.blamed]
    if blamed:
        return [_noisy(scene, blamed, seen)]
    if _widely_hurt(scene):
        return [_shared(scene, seen)]
    return self_inflicted(scene)


def _widely_hurt(scene: Scene) -> bool:
    """Is the harm shared by enough tenants, and by more than one where there are more?"""
    now = (scene.seen.hurt & scene.seen.felt)[:, -1]
    felt = int(scene.seen.felt[:, -1].sum())
    wide = now.sum() >= max(scene.settings.breadth * felt, min(2, len(scene.windows.tenants)))
    return bool(wide and scene.slowdown[-1] > np.log(scene.settings.harm))


def _noisy(scene: Scene, blamed: list[Suspect], seen: Examined) -> Finding:
    blamed = sorted(blamed, key=lambda s: -s.way.relief)
    sure = [confidence.of_blame(scene, s) for s in blamed]
    harm = max(float(max(s.others_slowdown for s in blamed)), 0.0)
    claim = claimed(scene, blamed)
    without = None if claim.undone is None else harm * (1.0 - claim.undone)
    held = {s.index for s in blamed}
    base = bare_finding(scene, Kind.NOISY_NEIGHBOUR, held, harm, without, seen.suspects)
    bound = _limit(scene, blamed, seen)
    return replace(
        base,
        aggressors=tuple(_blame(scene, s, blamed) for s in blamed),
        checks=blamed[0].checks,
        confidence=max(sure),
        limit=bound.rate if bound else None,
        limit_low=bound.low if bound else None,
        limit_high=bound.high if bound else None,
        relief_curve=tuple((part, float(np.exp(harm * (1 - u)))) for part, u in claim.curve),
        recovers=claim.recovers,
        caveats=base.caveats + claim.caveats,
    )


def _limit(scene: Scene, blamed: list[Suspect], seen: Examined) -> Limit | None:
    """A rate for the main aggressor, if rate is what it did; a lock is not held less by it."""
    main = blamed[0]
    if seen.relief is None or main.way.name not in ("load", "trigger"):
        return None
    caps = {int(i): float(seen.relief.cap[k]) for k, i in enumerate(seen.relief.suspects)}
    rest = sum(s.way.excess for s in blamed[1:] if s.way.name in ("load", "trigger"))
    return limit(scene, main.index, caps[main.index], rest)


def _blame(scene: Scene, s: Suspect, blamed: list[Suspect]) -> Blame:
    served = scene.demand[:, -1]
    return Blame(
        tenant=scene.windows.tenants[s.index],
        contribution=s.way.relief / max(sum(b.way.relief for b in blamed), 1e-9),
        demand=float(served[s.index]),
        expected=float(scene.expected[s.index, -1]),
        share=float(served[s.index] / max(float(served.sum()), 1e-12)),
        checks=s.checks,
    )


def _shared(scene: Scene, seen: Examined) -> Finding:
    """Nobody is blamed: did everyone grow, or does the resource itself fail?"""
    why = reason(scene)
    kind = Kind.CAPACITY if all(c.passed for c in why) else Kind.DEGRADED
    harm = float(scene.slowdown[-1])
    strength = float(scene.growth[-1] - 1 if kind is Kind.CAPACITY else scene.cost_growth[-1] - 1)
    base = bare_finding(scene, kind, set(), harm, None, seen.suspects)
    return replace(base, checks=why, confidence=confidence.of_shared(scene, kind, strength))


def _starved(scene: Scene, usual: float) -> bool:
    """Less work is served than on a calm day: then what piles up says nothing of more being asked,
    only arrivals do (law 3)."""
    recent = slice(-scene.settings.smooth, None)
    served = float(scene.work.served[:, recent].sum(axis=0).mean())
    return bool(scene.work.busy_known.any()) and served < SERVES * usual


def reason(scene: Scene) -> tuple[Check, ...]:
    """Tests for `capacity`; a resource that fails one of them is `degraded`."""
    recent = slice(-scene.settings.smooth, None)
    load = float(scene.demand[:, recent].sum(axis=0).mean())
    usual = max(float(scene.normal.demand.sum()), 1e-9)
    grown = float(scene.growth[-1])
    if not _starved(scene, usual):
        grown = max(load / usual, grown)
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
