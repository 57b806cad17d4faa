"""What every finding says whatever its kind: who is hurt, since when, who else was suspected."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from analyzer.detect.scene import Scene, harm_begins
from analyzer.detect.suspect import Suspect
from analyzer.model import Finding, Harm, Kind, Rival, Signal
from collector.model import ResourceKind

MAX_RIVALS = 5
MAX_VICTIMS = 200


def bare_finding(
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
    victims = [harm_of(scene, int(i), left) for i in ranked[:MAX_VICTIMS] if int(i) not in held]
    rivals = [
        Rival(scene.windows.tenants[s.index], round(s.way.relief, 4), s.why_not)
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
        caveats=_caveats(scene, kind),
        confidence=0.0,
        stretch=float(np.exp(harm)),
        stretch_without=None if without is None else float(np.exp(without)),
        utilisation=float(scene.demand[:, -1].sum() / scene.capacity),
    )


def harm_of(scene: Scene, i: int, left: float | None) -> Harm:
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
    first = harm_begins(scene, held)
    stamps = scene.windows.ts[-scene.slowdown.size :]
    step = np.timedelta64(int(scene.windows.window_s * 1e6), "us")
    return _aware(stamps[first]), _aware(stamps[-1] + step)


def _aware(stamp: np.datetime64) -> datetime:
    moment: datetime = stamp.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def _has_locks(scene: Scene) -> bool:
    return scene.windows.kind is ResourceKind.DATABASE


def _caveats(scene: Scene, kind: Kind) -> tuple[str, ...]:
    found = []
    blind = int((scene.work.busy_known == 0).sum())
    if blind:
        found.append(
            f"server time is not measured for {blind} of {scene.work.busy_known.size} tenants: "
            "load is counted as operations times the time they usually take, or longer where one's "
            "latency rises beyond everybody's"
        )
    if kind is Kind.DEGRADED and not scene.work.locks_known and _has_locks(scene):
        found.append("waits for locks are not sampled: who holds them cannot be seen")
    lost = int(scene.work.lost.sum())
    if lost:
        found.append(f"{lost} of the last {scene.work.lost.size} windows are missing")
    if scene.windows.capacity is None:
        found.append("no capacity is configured: it was estimated from the load seen")
    fresh = int((np.isnan(scene.normal.felt) & (scene.work.operations[:, -1] > 0)).sum())
    if fresh:
        whom = "their peers" if scene.windows.plans is None else "their plan's peers"
        found.append(f"{fresh} tenants have no history here and are compared with {whom}")
    return tuple(found)
