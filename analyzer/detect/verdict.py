"""From tests to a finding: noisy neighbour, capacity, degraded, self-inflicted, or silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from analyzer.detect import confidence
from analyzer.detect.limit import Limit, limit
from analyzer.detect.relief import Relief
from analyzer.detect.scene import Scene
from analyzer.detect.suspects import Suspect, examine
from analyzer.model import Blame, Check, Finding, Harm, Kind, Rival, Signal

GREW = 1.15
"""Shared growth of arrivals from which everyone is said to have grown."""

DEARER = 1.25
"""Shared rise of the cost per operation from which the resource is said to be slower."""

MAX_RIVALS = 5
MAX_VICTIMS = 200


def judge(scene: Scene) -> list[Finding]:
    """At most one finding about the shared resource, else one per tenant hurting itself."""
    if not (scene.seen.hurt & scene.seen.felt)[:, -1].any():
        return []
    suspects, relief = examine(scene)
    blamed = [s for s in suspects if s.path]
    if blamed and relief is not None:
        return [_noisy(scene, blamed, suspects, relief)]
    if _widely_hurt(scene):
        return [_shared(scene, suspects, relief)]
    return _self_inflicted(scene)


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
    undone = _undone(blamed, relief, harm)
    modelled = all(s.path == "load" for s in blamed)
    without = harm * (1.0 - undone) if modelled else None
    bound = _limit(scene, blamed, relief)
    held = {s.index for s in blamed}
    base = _base(scene, Kind.NOISY_NEIGHBOUR, held, harm, without, suspects)
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


def _undone(blamed: list[Suspect], relief: Relief, harm: float) -> float:
    """Part of the harm that goes when all blamed excess goes."""
    held = {s.index for s in blamed}
    share = sum(float(relief.share[k]) for k, i in enumerate(relief.suspects) if int(i) in held)
    explained = min(relief.modelled / max(harm, 1e-3), 1.0)
    best = max(s.relief for s in blamed)
    return min(max(best, relief.joint * share * explained), 1.0)


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


def _shared(scene: Scene, suspects: list[Suspect], relief: Relief | None) -> Finding:
    """Nobody is blamed: did everyone grow, or does the resource itself fail?"""
    why = reason(scene, relief)
    kind = Kind.CAPACITY if all(c.passed for c in why) else Kind.DEGRADED
    harm = float(scene.slowdown[-1])
    strength = float(scene.growth[-1] - 1 if kind is Kind.CAPACITY else scene.cost_growth[-1] - 1)
    base = _base(scene, kind, set(), harm, None, suspects)
    return replace(base, checks=why, confidence=confidence.of_shared(scene, kind, strength))


def reason(scene: Scene, relief: Relief | None) -> tuple[Check, ...]:
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


def _self_inflicted(scene: Scene) -> list[Finding]:
    """Tenants slow by their own doing: hurt, others not, and their own cost or load went up."""
    settings = scene.settings
    alone = (scene.seen.hurt & scene.seen.felt) & (scene.others_breadth < settings.breadth)
    steady = alone[:, -settings.smooth :].all(axis=1)
    dearer = scene.cost[:, -1] / scene.normal.cost
    louder = scene.deviation[:, -1] >= settings.surge
    own = steady & ((dearer >= 1.3) | louder) & (scene.work.operations[:, -1] >= 5)
    return [_own_fault(scene, int(i), float(dearer[i])) for i in np.nonzero(own)[0][:20]]


def _own_fault(scene: Scene, i: int, dearer: float) -> Finding:
    rise = float(scene.seen.rise[i, -1])
    z = float(scene.deviation[i, -1])
    base = _base(scene, Kind.SELF_INFLICTED, set(), rise, None, [])
    tenant = scene.windows.tenants[i]
    checks = (
        Check("others_calm", True, float(scene.others_breadth[i, -1]), scene.settings.breadth,
              "the other tenants are at their normal"),
        Check("own_cost", dearer >= 1.3, dearer, 1.3,
              f"its own operations cost {dearer:.2f} times their normal (from 1.30)"),
        Check("own_load", z >= scene.settings.surge, z, scene.settings.surge,
              f"its own load is {z:.1f} spreads above expectation"),
    )  # fmt: skip
    demand, expected = float(scene.demand[i, -1]), float(scene.expected[i, -1])
    share = demand / max(float(scene.demand[:, -1].sum()), 1e-12)
    return replace(
        base,
        aggressors=(Blame(tenant, 1.0, demand, expected, share, checks),),
        victims=(_harm(scene, i, None),),
        checks=checks,
        confidence=confidence.thinned(scene, 0.85),
    )


def _base(
    scene: Scene,
    kind: Kind,
    held: set[int],
    harm: float,
    without: float | None,
    suspects: list[Suspect],
) -> Finding:
    """Everything but the blame."""
    left = None if without is None else without / max(harm, 1e-9)
    hurt = np.nonzero((scene.seen.hurt & scene.seen.felt)[:, -1])[0]
    ranked = hurt[np.argsort(-(scene.seen.rise * scene.seen.weight)[hurt, -1], kind="stable")]
    victims = [_harm(scene, int(i), left) for i in ranked[:MAX_VICTIMS] if int(i) not in held]
    rivals = [
        Rival(scene.windows.tenants[s.index], round(s.relief, 4), s.why_not)
        for s in suspects
        if s.index not in held
    ]
    start, end = _span(scene, held)
    return Finding(
        resource=scene.windows.resource,
        kind=kind,
        window_start=start,
        window_end=end,
        aggressors=(),
        victims=tuple(victims),
        rivals=tuple(rivals[:MAX_RIVALS]),
        checks=(),
        caveats=_caveats(scene),
        confidence=0.0,
        stretch=float(np.exp(harm)),
        stretch_without=None if without is None else float(np.exp(without)),
        utilisation=float(scene.demand[:, -1].sum() / scene.capacity),
    )


def _harm(scene: Scene, i: int, left: float | None) -> Harm:
    """Before, during and without, in the unit of the signal that speaks loudest."""
    seen = scene.seen
    errors, rise = float(seen.by_errors[i, -1]), float(np.nan_to_num(seen.rise[i, -1]))
    tenant = scene.windows.tenants[i]
    if errors > 0 and errors >= rise:
        usual = float(scene.normal.error_ratio[i])
        now = float(scene.work.errors[i, -1] / max(float(scene.work.finished[i, -1]), 1e-9))
        without = None if left is None else usual + (now - usual) * left
        return Harm(tenant, Signal.ERRORS, usual, min(now, 1.0), without)
    signal = Signal.WAIT if np.isnan(scene.windows.log_latency).all() else Signal.LATENCY
    known = float(scene.normal.felt[i])
    before = float(np.exp(known)) if np.isfinite(known) else float(scene.normal.cost[i])
    without = None if left is None else before * float(np.exp(rise * left))
    return Harm(tenant, signal, before, before * float(np.exp(rise)), without)


def _span(scene: Scene, held: set[int]) -> tuple[datetime, datetime]:
    """From the first window of the unbroken harm (held back to the recent span) to the end."""
    harm = scene.slowdown
    if held:
        harm = scene.others_slowdown[min(held)]
    calm = np.nonzero(harm < 0.5 * np.log(scene.settings.harm))[0]
    first = min(int(calm[-1]) + 1 if calm.size else 0, harm.size - 1)
    stamps = scene.windows.ts[-harm.size :]
    step = np.timedelta64(int(scene.windows.window_s * 1e6), "us")
    return _aware(stamps[first]), _aware(stamps[-1] + step)


def _aware(stamp: np.datetime64) -> datetime:
    moment: datetime = stamp.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def _caveats(scene: Scene) -> tuple[str, ...]:
    found = []
    blind = int((scene.work.busy_known == 0).sum())
    if blind:
        found.append(
            f"server time is not measured for {blind} of {scene.work.busy_known.size} tenants: "
            "load is counted as operations times the time they usually take"
        )
    lost = int(scene.work.lost.sum())
    if lost:
        found.append(f"{lost} of the last {scene.work.lost.size} windows are missing")
    if scene.windows.capacity is None:
        found.append("no capacity is configured: it was estimated from the load seen")
    fresh = int(np.isnan(scene.normal.felt).sum())
    if fresh:
        found.append(f"{fresh} tenants have no history here and are compared with their peers")
    return tuple(found)


__all__ = ["DEARER", "GREW", "judge", "reason"]
