"""What goes wrong in a world: one short function each, named in `FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.detect.worlds import Draw, Shape, World


def _small(draw: Draw) -> int:
    """A tenant that is not among the largest."""
    load = draw.usual * draw.cost
    return int(draw.rng.choice(np.argsort(load)[: max(int(load.size * 0.8), 1)]))


def _room(draw: Draw) -> float:
    """Free cores at the usual load."""
    return draw.cores - float((draw.usual * draw.cost).sum())


def surge(draw: Draw) -> World:
    """One tenant suddenly asks for more than is free."""
    i = _small(draw)
    draw.surge(i, _room(draw) * draw.rng.uniform(0.95, 1.3), draw.span())
    return draw.world((i,), "noisy_neighbour")


def slow_burn(draw: Draw) -> World:
    """One tenant grows over minutes."""
    i, span = _small(draw), draw.span()
    on = np.nonzero(span)[0]
    span[on] = np.clip(np.linspace(0, 1.6, on.size), 0, 1)
    draw.surge(i, _room(draw) * draw.rng.uniform(1.0, 1.25), span)
    return draw.world((i,), "noisy_neighbour")


def heavy_queries(draw: Draw) -> World:
    """Not more operations: much dearer ones."""
    i = _small(draw)
    draw.surge(
        i, _room(draw) * draw.rng.uniform(1.0, 1.3), draw.span(), cost=draw.rng.uniform(5, 20)
    )
    return draw.world((i,), "noisy_neighbour")


def queue_flood(draw: Draw) -> World:
    """A flood of jobs before workers in FIFO order."""
    i, span = _small(draw), draw.span()
    on = np.nonzero(span)[0]
    span[on[6:]] = 0.6
    draw.surge(i, _room(draw) * draw.rng.uniform(1.5, 2.0), span)
    return draw.world((i,), "noisy_neighbour")


def two_aggressors(draw: Draw) -> World:
    """Two at once; neither hides behind the other."""
    i, j = draw.rng.choice(draw.shape.tenants, 2, replace=False)
    for k in (i, j):
        draw.surge(int(k), _room(draw) * draw.rng.uniform(0.6, 0.75), draw.span())
    return draw.world((int(i), int(j)), "noisy_neighbour")


def flapping(draw: Draw) -> World:
    """On and off every few minutes."""
    i, span = _small(draw), draw.span()
    step = np.arange(span.size)
    draw.surge(i, _room(draw) * draw.rng.uniform(1.1, 1.4), span * ((step // 12) % 2 == 0))
    return draw.world((i,), "noisy_neighbour")


def collapse(draw: Draw) -> World:
    """The resource thrashes under load: efficiency falls as work piles up."""
    i = _small(draw)
    draw.surge(i, _room(draw) * draw.rng.uniform(0.95, 1.2), draw.span())
    return draw.world((i,), "noisy_neighbour")


def cache_thrash(draw: Draw) -> World:
    """One tenant's scans push everybody's data out of the cache."""
    i = _small(draw)
    each = 0.06 * draw.cores
    base = float(draw.usual.sum())
    share = each / draw.cost[i]
    draw.surge(i, each, draw.span(), volume=draw.rng.uniform(1.5, 2.5) * base / share)
    return draw.world((i,), "noisy_neighbour", misses=True)


def global_incident(draw: Draw) -> World:
    """The resource loses half its power or more: nobody's fault."""
    draw.speed[int(draw.begin) : int(draw.end)] = draw.rng.uniform(0.3, 0.5)
    return draw.world((), "degraded")


def incident_with_surge(draw: Draw) -> World:
    """The same, while somebody happens to double."""
    draw.speed[int(draw.begin) : int(draw.end)] = draw.rng.uniform(0.3, 0.5)
    i = _small(draw)
    draw.surge(i, 0.04 * draw.cores, draw.span())
    return draw.world((i,), "degraded")


def dearer_operations(draw: Draw) -> World:
    """A deploy: everybody's operations cost two to three times as much."""
    draw.cost_factor[int(draw.begin) : int(draw.end)] = draw.rng.uniform(2.0, 3.0)
    return draw.world((), "degraded")


def everyone_peaks(draw: Draw) -> World:
    """Everyone grows at once."""
    load = float((draw.usual * draw.cost).sum()) / draw.cores
    factor = draw.rng.uniform(0.98, 1.1) / load
    draw.rates *= 1 + draw.span() * (factor - 1)
    return draw.world((), "capacity")


def big_but_harmless(draw: Draw) -> World:
    """A large surge into free room."""
    i = _small(draw)
    draw.surge(i, _room(draw) * 0.3, draw.span())
    return draw.world((i,), "")


def self_inflicted(draw: Draw) -> World:
    """One tenant's own operations become dear; the resource has room."""
    i = int(np.argsort(draw.usual)[-draw.shape.tenants // 3])
    own = draw.rates[i].copy()
    draw.rates[i] = own * (1 - draw.span())
    at = draw.times(own * draw.span())
    size = draw.cost[i] * draw.rng.uniform(4, 8) * draw.rng.gamma(2.0, 0.5, at.size)
    draw.extra.append((i, at, size, np.ones(at.size)))
    return draw.world((i,), "self_inflicted")


def quiet(draw: Draw) -> World:
    """Nothing happens."""
    return draw.world((), "")


def lock_hog(draw: Draw) -> World:
    """One tenant holds locks others wait for; its usage shows next to nothing."""
    i = _small(draw)
    world = draw.world((i,), "noisy_neighbour")
    within = (world.at >= draw.begin) & (world.at < draw.end) & (world.who != i)
    struck = within & (draw.rng.uniform(size=world.at.size) < 0.6)
    world.lock = np.where(struck, draw.rng.exponential(0.5, world.at.size), 0.0)
    world.blocker = i
    return world


FAMILIES: dict[str, Callable[[Draw], World]] = {
    f.__name__: f
    for f in (
        surge, slow_burn, heavy_queries, queue_flood, two_aggressors, flapping, collapse,
        cache_thrash, global_incident, incident_with_surge, dearer_operations, everyone_peaks,
        big_but_harmless, self_inflicted, quiet, lock_hog,
    )
}  # fmt: skip


def world_of(family: str, seed: int, shape: Shape | None = None) -> World:
    """Draw the world of a family and seed."""
    return FAMILIES[family](Draw(family, seed, shape or Shape()))
