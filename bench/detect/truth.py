"""What really happened: the same operations re-run without a tenant's excess."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.detect.worlds import Ran, World, run

HARMFUL = 1.3
"""A tenant is an aggressor when others' pooled p95 is this many times what it would be without."""


@dataclass(frozen=True, slots=True)
class Truth:
    """`aggressors` by re-simulation; `onset` seconds when the harm began (nan: none);
    `relief` p95 ratio of the joint removal.
    """

    aggressors: tuple[int, ...]
    onset: float
    relief: float


def truth_of(world: World, ran: Ran) -> Truth:
    """Joint removal first: together harmful means each scripted tenant is an aggressor."""
    if not world.script or world.kind == "self_inflicted":
        return Truth((), _onset(world, ran, None), 1.0)
    alone = run(world, world.script)
    relief = _p95(world, ran, world.script) / max(_p95(world, alone, world.script), 1e-9)
    if relief < HARMFUL:
        return Truth((), _onset(world, ran, None), relief)
    return Truth(world.script, _onset(world, ran, alone), relief)


def counterfactual_miss(
    world: World, ran: Ran, blamed: tuple[int, ...], left: float, begin: float, end: float
) -> float:
    """|ln error| of the others' p95 between these seconds had the blamed not had their excess.

    The claim is `left`, the part of the (logarithmic) slowdown that stays: it is held against a
    re-simulation by going that part of the way from the calm p95 to the observed one.
    """
    calm = np.log(_p95(world, ran, blamed, 0.0, world.begin - 60))
    seen = np.log(_p95(world, ran, blamed, begin, end))
    true = np.log(_p95(world, run(world, blamed), blamed, begin, end))
    return float(abs(calm + left * (seen - calm) - true))


def harmful(world: World, ran: Ran, tenant: int, begin: float, end: float) -> bool:
    """Would the others have been better off between these seconds without this tenant's excess?"""
    alone = run(world, (tenant,))
    without = _p95(world, alone, (tenant,), begin, end)
    return _p95(world, ran, (tenant,), begin, end) >= HARMFUL * without


def _others(
    world: World,
    ran: Ran,
    held: tuple[int, ...],
    begin: float | None = None,
    end: float | None = None,
) -> np.ndarray:
    at = world.at[ran.index]
    low = world.begin if begin is None else begin
    high = world.end if end is None else end
    return (at >= low) & (at < high) & ~np.isin(world.who[ran.index], held)


def _p95(world: World, ran: Ran, held: tuple[int, ...], *span: float) -> float:
    mine = _others(world, ran, held, *span)
    felt = np.where(ran.felt[mine] <= 0, 30.0, ran.felt[mine])
    return float(np.quantile(felt, 0.95)) if felt.size else 0.0


def _logs(world: World, ran: Ran) -> np.ndarray:
    """Log felt seconds over each tenant's own calm mean; a refusal counts as thirty seconds."""
    logs = np.log(np.where(ran.felt <= 0, 30.0, np.maximum(ran.felt, 1e-4)))
    who = world.who[ran.index]
    calm = world.at[ran.index] < world.begin - 60
    count = np.bincount(who[calm], minlength=world.shape.tenants)
    total = np.bincount(who[calm], logs[calm], world.shape.tenants)
    return logs - (total / np.maximum(count, 1))[who]


def _onset(world: World, ran: Ran, alone: Ran | None) -> float:
    """Start of the first 10 s after the begin in which others are 1.25 times slower: nobody can
    see that before its end, 10 s later."""
    logs, at = _logs(world, ran), world.at[ran.index]
    mine = _others(world, ran, world.script, world.begin - 10, world.end)
    step = (at[mine] // 10).astype(int)
    count = np.bincount(step)
    mean = np.bincount(step, logs[mine]) / np.maximum(count, 1)
    usual = np.zeros_like(mean)
    if alone is not None:
        other = _others(world, alone, world.script, world.begin - 10, world.end)
        steps = (world.at[alone.index][other] // 10).astype(int)
        sums = np.bincount(steps, _logs(world, alone)[other], mean.size)[: mean.size]
        usual = sums / np.maximum(np.bincount(steps, minlength=mean.size)[: mean.size], 1)
    slow = np.nonzero((mean - usual > np.log(1.25)) & (count > 0))[0]
    return float(slow[0] * 10) if slow.size else float("nan")
