"""Draws one world step by step: tenants, their usual load, what each family adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bench.detect.clients import client_rates
from bench.detect.queueing import Server
from bench.detect.worlds import NOBODY, Locks, Shape, World

COLLAPSES: dict[str, dict[str, float]] = {
    "": {},
    "soft": {"collapse": 0.15, "knee": 4.0, "most_lost": 2.5},
    "hard": {"collapse": 0.3, "knee": 6.0, "most_lost": 4.0},
}
"""How a server loses efficiency as work piles up."""

STRUCK = 0.03
"""Part of the operations that wait for somebody's lock on any day."""


@dataclass(slots=True)
class Drawn:
    """Operations of all tenants before they are put in order."""

    who: list[np.ndarray] = field(default_factory=list)
    at: list[np.ndarray] = field(default_factory=list)
    size: list[np.ndarray] = field(default_factory=list)
    excess: list[np.ndarray] = field(default_factory=list)
    volume: list[np.ndarray] = field(default_factory=list)

    def add(
        self, i: int, at: np.ndarray, size: np.ndarray, volume: np.ndarray, *, excess: bool
    ) -> None:
        self.who.append(np.full(at.size, i))
        self.at.append(at)
        self.size.append(size)
        self.excess.append(np.full(at.size, excess))
        self.volume.append(volume)

    def ordered(self) -> list[np.ndarray]:
        order = np.argsort(np.concatenate(self.at), kind="stable")
        columns = (self.who, self.at, self.size, self.excess, self.volume)
        return [np.concatenate(column)[order] for column in columns]


class Draw:
    """One world; families change it, `world` makes it."""

    def __init__(self, family: str, seed: int, shape: Shape) -> None:
        self.rng = np.random.default_rng([seed, *family.encode()])
        self.family, self.seed, self.shape = family, seed, shape
        rng, n = self.rng, shape.tenants
        self.job = float(np.exp(rng.uniform(*np.log(shape.job_s))))
        cores = float(rng.choice(shape.cores))
        target = float(rng.uniform(*shape.load))
        # Keep the number of operations within what a bench can afford.
        self.cores = max(2.0, min(cores, round(shape.rate_cap * self.job / target)))
        self.cost = self.job * np.exp(rng.normal(0, 0.5, n))
        steps = shape.seconds // 10
        if shape.traces:
            pattern = client_rates(rng, n, steps, shape.traces)
        else:
            pattern = _synthetic(rng, n, steps)
        load = (pattern.mean(axis=1) * self.cost).sum()
        self.rates = pattern * (target * self.cores / load)
        self.usual = self.rates.mean(axis=1)
        self.begin = float(rng.uniform(0.5, 0.65) * shape.seconds)
        self.end = self.begin + float(rng.uniform(420, 900))
        self.speed = np.ones(shape.seconds + 1)
        self.cost_factor = np.ones(shape.seconds + 1)
        self.extra: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []

    def small(self) -> int:
        """A tenant that is not among the largest."""
        load = self.usual * self.cost
        return int(self.rng.choice(np.argsort(load)[: max(int(load.size * 0.8), 1)]))

    def room(self) -> float:
        """Free cores at the usual load."""
        return self.cores - float((self.usual * self.cost).sum())

    def times(self, rate: np.ndarray) -> np.ndarray:
        """Poisson arrivals at a rate per 10 s step."""
        counts = self.rng.poisson(np.maximum(rate, 0) * 10)
        starts = np.repeat(np.arange(rate.size) * 10.0, counts)
        return np.asarray(starts + self.rng.uniform(0, 10, starts.size))

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

    def world(self, script: tuple[int, ...], kind: str) -> World:
        """Put base and excess operations together in time order."""
        drawn = Drawn()
        for i in range(self.shape.tenants):
            at = self.times(self.rates[i])
            size = self.cost[i] * self.rng.gamma(2.0, 0.5, at.size)
            drawn.add(i, at, size * self._factor(at), np.ones(at.size), excess=False)
        for i, at, size, volume in self.extra:
            drawn.add(i, at, size * self._factor(at), volume, excess=True)
        who, at, size, excess, volume = drawn.ordered()
        discipline = "fifo" if self.family == "queue_flood" else "ps"
        return World(
            self.family, self.seed, self.shape,
            Server(self.cores, self.speed, discipline, **COLLAPSES[self.shape.collapse]),
            who, at, size, excess, volume,
            script=script, begin=self.begin, end=self.end, kind=kind,
            coin=self.rng.uniform(size=who.size),
            locks=None if discipline == "fifo" else self._everyday_locks(who),
        )  # fmt: skip

    def _factor(self, at: np.ndarray) -> np.ndarray:
        return np.asarray(self.cost_factor[at.astype(int)])

    def _everyday_locks(self, who: np.ndarray) -> Locks:
        """A few operations wait a little for others' locks, whoever works much holds most."""
        load = self.usual * self.cost
        chance = load / load.sum()
        holder = self.rng.choice(load.size, who.size, p=chance)
        struck = (self.rng.uniform(size=who.size) < STRUCK) & (holder != who)
        wait = self.rng.exponential(0.5, who.size) * self.cost[holder]
        return Locks(
            np.where(struck, wait, 0.0), np.where(struck, holder, NOBODY), np.zeros(who.size, bool)
        )


def _synthetic(rng: np.random.Generator, n: int, steps: int) -> np.ndarray:
    """Heavy-tailed sizes, a slow common wave, own slow wander and short bursts."""
    weight = rng.pareto(1.3, n) + 0.15
    weight = np.minimum(weight / weight.sum(), 0.25)
    wave = 1 + 0.15 * np.sin(np.linspace(0, np.pi, steps) + rng.uniform(0, 6))
    wander = np.cumsum(rng.normal(0, 0.015, (n, steps)), axis=1)
    noise = rng.normal(0, 0.2, (n, steps))
    rates: np.ndarray = (
        weight[:, None] * wave * np.exp(wander - wander.mean(axis=1, keepdims=True) + noise)
    )
    return rates
