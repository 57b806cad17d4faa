"""Tenants on one resource, drawn from a seed, with one thing going wrong (or nothing).

A world keeps every operation that anyone would send; `run` can leave out the excess of some
tenants and simulate the same operations again (common random numbers), so that what would have
been without them is known and not modelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from analyzer.detect import Season
from bench.detect.queueing import Server, serve

NOBODY = -1


@dataclass(frozen=True, slots=True)
class Shape:
    """How a world is drawn. `collapse` names a way a server thrashes under load (`drawing`)."""

    tenants: int = 40
    seconds: int = 5400
    load: tuple[float, float] = (0.35, 0.6)
    cores: tuple[float, ...] = (2, 4, 8)
    job_s: tuple[float, float] = (0.04, 0.15)
    rate_cap: float = 60.0
    traces: str = ""  # "", "A" (bursty) or "B" (burstier): real clients
    collapse: str = ""


@dataclass(frozen=True, slots=True)
class Locks:
    """Per operation: `wait` seconds for a lock of tenant `holder` (`NOBODY`: none), and whether
    the wait is part of a script's `excess` and goes when its holder does; the others last as long
    as the holder's operation does and stretch with the load.
    """

    wait: np.ndarray
    holder: np.ndarray
    excess: np.ndarray


@dataclass(slots=True)
class World:
    """Operations in time order: `who`, `at`, `size`; `excess` marks those of an injected surge.

    `script` are the tenants the family makes misbehave; `begin` and `end` the seconds it lasts;
    `kind` what a verdict should say ("" silence); `coin` (0..1 an operation) decides which part of
    an excess goes when only a part of it is taken away. With `misses` volume above the usual makes
    everybody's operations dearer (a cache); callers send an operation again that took longer than
    `retry_s` (0: never), up to twice. `season` is what earlier weeks taught of the hour from
    `season_from` seconds on.
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
    coin: np.ndarray = field(default_factory=lambda: np.zeros(0))
    locks: Locks | None = None
    misses: bool = False
    retry_s: float = 0.0
    season: Season | None = None
    season_from: float = 0.0


@dataclass(frozen=True, slots=True)
class Ran:
    """Finished operations of a run: index into the world, arrival, finishing time, felt seconds
    (0: turned away), size served, seconds waited for locks."""

    index: np.ndarray
    at: np.ndarray
    done: np.ndarray
    felt: np.ndarray
    size: np.ndarray
    locked: np.ndarray


def run(world: World, without: Iterable[int] = (), part: float = 1.0) -> Ran:
    """Simulate the world, leaving out `part` of the excess of the tenants `without`.

    The excess of a tenant without a script is what it sends above its own median rate.
    """
    held = set(without)
    gone = np.isin(world.who, list(held)) & world.excess
    for i in held - set(world.script):
        gone |= _above_median(world, i)
    if part < 1.0:
        gone &= world.coin < part
    index = np.nonzero(~gone)[0]
    size = world.size[index].copy()
    if world.misses:
        size *= _cache_pressure(world, index)
    index, at, size, done = _with_retries(world, index, size)
    felt = done - at
    locked = _locked(world, index, felt, size, held, part)
    refused = felt <= 0
    return Ran(
        index,
        at,
        done + locked,
        np.where(refused, 0.0, felt + locked),
        np.where(refused, 0.0, size),
        locked,
    )


def _with_retries(
    world: World, index: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(index, arrival, size, finish); what is sent again depends on how slow it was: three rounds
    come close to where both agree."""
    at = world.at[index]
    done = serve(world.server, at, size)
    if not world.retry_s:
        return index, at, size, done
    first = done - at
    base = (index, at, size)
    for _ in range(3):
        again = np.nonzero((first > world.retry_s) | (first <= 0))[0]
        twice = np.nonzero((first > 2 * world.retry_s) | (first <= 0))[0]
        more = np.concatenate([again, twice])
        late = np.concatenate([base[1][again], base[1][twice] + world.retry_s]) + world.retry_s
        joined = np.concatenate([base[1], late])
        order = np.argsort(joined, kind="stable")
        index = np.concatenate([base[0], base[0][more]])[order]
        at, size = joined[order], np.concatenate([base[2], base[2][more]])[order]
        done = serve(world.server, at, size)
        original = np.nonzero(order < base[1].size)[0]
        first = (done - at)[original]
    return index, at, size, done


def _locked(
    world: World,
    index: np.ndarray,
    felt: np.ndarray,
    size: np.ndarray,
    held: set[int],
    part: float,
) -> np.ndarray:
    if world.locks is None:
        return np.zeros(index.size)
    wait = world.locks.wait[index]
    excess = world.locks.excess[index]
    stretch = np.clip(felt / np.maximum(size, 1e-6), 1.0, 20.0)
    wait = np.where(excess, wait, wait * stretch)
    gone = excess & np.isin(world.locks.holder[index], list(held)) & (world.coin[index] < part)
    return np.where(gone | (felt <= 0), 0.0, wait)


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
    factor: np.ndarray = 1.0 + 1.2 * np.clip(smooth / usual - 1.5, 0.0, 1.5)
    return np.asarray(factor[second])
