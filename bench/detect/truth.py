"""What really happened: the same operations re-run without a tenant's excess."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bench.detect.worlds import Ran, World, run

HARMFUL = 1.3
"""A tenant is an aggressor when others' pooled p95 is this many times what it would be without."""

RECOVERED = 1.3
"""Victims are back when their p95 is at most this many times the calm one."""

REFUSED_S = 30.0
"""What a refusal counts for."""


@dataclass(frozen=True, slots=True)
class Truth:
    """`aggressors` by re-simulation; `onset` seconds when the harm began (nan: none);
    `relief` p95 ratio of the joint removal.
    """

    aggressors: tuple[int, ...]
    onset: float
    relief: float


@dataclass(slots=True)
class Replay:
    """A world as it ran, and as it would have run without some (each asked once is kept)."""

    world: World
    ran: Ran
    _without: dict[tuple[tuple[int, ...], float], Ran] = field(default_factory=dict)

    def without(self, held: tuple[int, ...], part: float = 1.0) -> Ran:
        """The re-run with `part` of the excess of `held` left out."""
        key = (tuple(sorted(held)), part)
        if key not in self._without:
            self._without[key] = run(self.world, held, part)
        return self._without[key]

    def truth(self) -> Truth:
        """Joint removal first: together harmful means each scripted tenant is an aggressor.

        Law 3: whoever surges a little while the resource itself fails is none, even if the failing
        resource would bear the others better without.
        """
        world, script = self.world, self.world.script
        if not script or world.kind in ("self_inflicted", "degraded"):
            return Truth((), self._onset(None), 1.0)
        alone = self.without(script)
        relief = self.p95(self.ran, script) / max(self.p95(alone, script), 1e-9)
        if relief < HARMFUL:
            return Truth((), self._onset(None), relief)
        return Truth(script, self._onset(alone), relief)

    def harmful(self, tenant: int, begin: float, end: float) -> bool:
        """Would others have been better off between these seconds without this one's excess?"""
        without = self.p95(self.without((tenant,)), (tenant,), begin, end)
        return self.p95(self.ran, (tenant,), begin, end) >= HARMFUL * without

    def logs(
        self, held: tuple[int, ...], part: float, begin: float, end: float
    ) -> tuple[float, float, float]:
        """Logarithms of the others' p95: calm, observed, and without `part` of the excess."""
        calm = self.p95(self.ran, held, 0.0, self.world.begin - 60)
        seen = self.p95(self.ran, held, begin, end)
        true = self.p95(self.without(held, part), held, begin, end)
        low, middle, high = np.log(np.maximum([calm, seen, true], 1e-4))
        return float(low), float(middle), float(high)

    def p95(self, ran: Ran, held: tuple[int, ...], *span: float) -> float:
        """Pooled p95 of everybody but `held` in a span of seconds (default: the episode)."""
        felt = ran.felt[self._others(ran, held, *span)]
        felt = np.where(felt <= 0, REFUSED_S, felt)
        return float(np.quantile(felt, 0.95)) if felt.size else 0.0

    def _others(
        self,
        ran: Ran,
        held: tuple[int, ...],
        begin: float | None = None,
        end: float | None = None,
    ) -> np.ndarray:
        low = self.world.begin if begin is None else begin
        high = self.world.end if end is None else end
        inside = (ran.at >= low) & (ran.at < high)
        return np.asarray(inside & ~np.isin(self.world.who[ran.index], held))

    def _rise(self, ran: Ran) -> np.ndarray:
        """Log felt seconds over each tenant's own calm mean."""
        logs = np.log(np.where(ran.felt <= 0, REFUSED_S, np.maximum(ran.felt, 1e-4)))
        who, tenants = self.world.who[ran.index], self.world.shape.tenants
        calm = ran.at < self.world.begin - 60
        count = np.bincount(who[calm], minlength=tenants)
        total = np.bincount(who[calm], logs[calm], tenants)
        return np.asarray(logs - (total / np.maximum(count, 1))[who])

    def _onset(self, alone: Ran | None) -> float:
        """Start of the first 10 s after the begin in which others are 1.25 times slower: nobody
        can see that before its end, 10 s later."""
        size = int(self.world.end // 10) + 1
        mean, count = self._by_step(self.ran, size)
        usual = np.zeros(size) if alone is None else self._by_step(alone, size)[0]
        slow = np.nonzero((mean - usual > np.log(1.25)) & (count > 0))[0]
        return float(slow[0] * 10) if slow.size else float("nan")

    def _by_step(self, ran: Ran, size: int) -> tuple[np.ndarray, np.ndarray]:
        mine = self._others(ran, self.world.script, self.world.begin - 10, self.world.end)
        step = (ran.at[mine] // 10).astype(int)
        count = np.bincount(step, minlength=size)
        sums = np.bincount(step, self._rise(ran)[mine], size)
        return sums / np.maximum(count, 1), count
