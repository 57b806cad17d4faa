"""Tenants on one resource, drawn from a seed, with one thing going wrong (or nothing).

A world keeps every operation that anyone would send; `run` can leave out the excess of some
tenants and simulate the same operations again (common random numbers), so that what would have
been without them is known and not modelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from bench.detect.queueing import Server, serve


@dataclass(frozen=True, slots=True)
class Shape:
    """How a world is drawn."""

    tenants: int = 40
    seconds: int = 5400
    load: tuple[float, float] = (0.35, 0.6)
    cores: tuple[float, ...] = (2, 4, 8)
    job_s: tuple[float, float] = (0.04, 0.15)
    rate_cap: float = 60.0
    traces: str = ""  # "", "A" (bursty) or "B" (burstier): real clients


@dataclass(slots=True)
class World:
    """Operations in time order: `who`, `at`, `size`; `excess` marks those of an injected surge.

    `script` are the tenants the family makes misbehave; `begin` and `end` the seconds it lasts;
    `kind` what a verdict should say ("" silence); `lock` and `errors` what else the caller feels.
    """

    family: str
    seed: int
    shape: Shape
    server: Server
    who: np.ndarray
    at: np.ndarray
    size: np.ndarray
    excess: np.ndarray
    volume: np.ndarray
    script: tuple[int, ...]
    begin: float
    end: float
    kind: str
    lock: np.ndarray | None = None
    blocker: int = -1
    misses: bool = False
    usual: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class Ran:
    """Finished operations of a run: index into the world, finishing time, felt seconds, size."""

    index: np.ndarray
    done: np.ndarray
    felt: np.ndarray
    size: np.ndarray


def run(world: World, without: Iterable[int] = ()) -> Ran:
    """Simulate the world, leaving out the excess of the tenants `without`.

    The excess of a tenant without a script is what it sends above its own median rate.
    """
    left = [i for i in without if i not in world.script]
    gone = np.isin(world.who, list(without)) & world.excess
    for i in left:
        gone |= _above_median(world, i)
    index = np.nonzero(~gone)[0]
    size = world.size[index].copy()
    if world.misses:
        size *= _cache_pressure(world, index)
    done = serve(world.server, world.at[index], size)
    felt = done - world.at[index]
    if world.lock is not None and world.blocker not in set(without):
        felt = felt + world.lock[index]
        done = done + world.lock[index]
    return Ran(index, done, felt, np.where(felt > 0, size, 0.0))


def _above_median(world: World, i: int) -> np.ndarray:
    """Every operation of a 10 s step past the tenant's median number."""
    mine = np.nonzero(world.who == i)[0]
    step = (world.at[mine] // 10).astype(int)
    counts = np.bincount(step, minlength=world.shape.seconds // 10)
    rank = np.arange(mine.size) - np.searchsorted(step, step)
    gone = np.zeros(world.who.size, bool)
    gone[mine[rank >= max(np.median(counts), 1)]] = True
    return gone


def _cache_pressure(world: World, index: np.ndarray) -> np.ndarray:
    """Everybody's operations cost more while somebody's volume pushes the cache out."""
    second = world.at[index].astype(int)
    moved = np.bincount(second, world.volume[index], world.shape.seconds + 1)
    smooth = np.convolve(moved, np.ones(20) / 20)[: moved.size]
    usual = np.median(smooth[: world.shape.seconds // 2]) + 1e-9
    factor = 1.0 + 1.2 * np.clip(smooth / usual - 1.5, 0.0, 1.5)
    return factor[second]


# -- drawing ---------------------------------------------------------------------------------------


class Draw:
    """Draws one world step by step."""

    def __init__(self, family: str, seed: int, shape: Shape) -> None:
        from bench.detect.clients import client_rates

        self.rng = np.random.default_rng([seed, *family.encode()])
        self.family, self.seed, self.shape = family, seed, shape
        rng, n = self.rng, shape.tenants
        self.job = np.exp(rng.uniform(*np.log(shape.job_s)))
        cores = float(rng.choice(shape.cores))
        target = rng.uniform(*shape.load)
        # Keep the number of operations within what a bench can afford.
        cores = max(2.0, min(cores, round(shape.rate_cap * self.job / target)))
        self.cores = cores
        self.cost = self.job * np.exp(rng.normal(0, 0.5, n))
        steps = shape.seconds // 10
        if shape.traces:
            pattern = client_rates(rng, n, steps, shape.traces)
        else:
            pattern = _synthetic(rng, n, steps)
        load = (pattern.mean(axis=1) * self.cost).sum()
        self.rates = pattern * (target * cores / load)
        self.usual = self.rates.mean(axis=1)
        self.begin = float(rng.uniform(0.5, 0.65) * shape.seconds)
        self.end = self.begin + float(rng.uniform(420, 900))
        self.speed = np.ones(shape.seconds + 1)
        self.cost_factor = np.ones(shape.seconds + 1)
        self.extra: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []

    def times(self, rate: np.ndarray) -> np.ndarray:
        """Poisson arrivals at a rate per 10 s step."""
        counts = self.rng.poisson(np.maximum(rate, 0) * 10)
        starts = np.repeat(np.arange(rate.size) * 10.0, counts)
        return starts + self.rng.uniform(0, 10, starts.size)

    def span(self) -> np.ndarray:
        """1 within the episode, 0 outside, per 10 s step."""
        step = np.arange(self.rates.shape[1]) * 10.0
        return ((step >= self.begin) & (step < self.end)).astype(float)

    def surge(
        self, i: int, cores: float, shape: np.ndarray, *, cost: float = 1.0, volume: float = 1.0
    ) -> None:
        """Add `cores` of excess work of tenant i, shaped per step; `cost` multiplies its size."""
        each = self.cost[i] * cost
        at = self.times(shape * cores / each)
        size = each * self.rng.gamma(2.0, 0.5, at.size)
        self.extra.append((i, at, size, np.full(at.size, volume)))

    def world(self, script: tuple[int, ...], kind: str, **more: object) -> World:
        """Put base and excess operations together in time order."""
        who, at, size, excess, volume = [], [], [], [], []
        for i in range(self.shape.tenants):
            t = self.times(self.rates[i])
            factor = self.cost_factor[t.astype(int)]
            who.append(np.full(t.size, i))
            at.append(t)
            size.append(self.cost[i] * self.rng.gamma(2.0, 0.5, t.size) * factor)
            excess.append(np.zeros(t.size, bool))
            volume.append(np.ones(t.size))
        for i, t, x, v in self.extra:
            who.append(np.full(t.size, i))
            at.append(t)
            size.append(x * self.cost_factor[t.astype(int)])
            excess.append(np.ones(t.size, bool))
            volume.append(v)
        order = np.argsort(np.concatenate(at), kind="stable")
        joined = [np.concatenate(c)[order] for c in (who, at, size, excess, volume)]
        discipline = "fifo" if self.family == "queue_flood" else "ps"
        collapse = 0.15 if self.family == "collapse" else 0.0
        server = Server(self.cores, self.speed, discipline, collapse)
        return World(
            self.family,
            self.seed,
            self.shape,
            server,
            *joined,
            script=script,
            begin=self.begin,
            end=self.end,
            kind=kind,
            **more,
        )  # type: ignore[arg-type]


def _synthetic(rng: np.random.Generator, n: int, steps: int) -> np.ndarray:
    """Heavy-tailed sizes, a slow common wave, own slow wander and short bursts."""
    weight = rng.pareto(1.3, n) + 0.15
    weight = np.minimum(weight / weight.sum(), 0.25)
    wave = 1 + 0.15 * np.sin(np.linspace(0, np.pi, steps) + rng.uniform(0, 6))
    wander = np.cumsum(rng.normal(0, 0.015, (n, steps)), axis=1)
    noise = rng.normal(0, 0.2, (n, steps))
    return weight[:, None] * wave * np.exp(wander - wander.mean(axis=1, keepdims=True) + noise)
