"""What goes wrong in a world: one short function each, named in `FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.detect.drawing import Draw
from bench.detect.habit import taught
from bench.detect.worlds import Locks, Shape, World

NOISY = "noisy_neighbour"


def surge(draw: Draw) -> World:
    """One tenant suddenly asks for more than is free."""
    i = draw.small()
    draw.surge(i, draw.room() * draw.rng.uniform(0.95, 1.3), draw.span())
    return draw.world((i,), NOISY)


def slow_burn(draw: Draw) -> World:
    """One tenant grows over minutes."""
    i, span = draw.small(), draw.span()
    on = np.nonzero(span)[0]
    span[on] = np.clip(np.linspace(0, 1.6, on.size), 0, 1)
    draw.surge(i, draw.room() * draw.rng.uniform(1.0, 1.25), span)
    return draw.world((i,), NOISY)


def heavy_queries(draw: Draw) -> World:
    """Not more operations: much dearer ones."""
    i = draw.small()
    cores = draw.room() * draw.rng.uniform(1.0, 1.3)
    draw.surge(i, cores, draw.span(), cost=draw.rng.uniform(5, 20))
    return draw.world((i,), NOISY)


def queue_flood(draw: Draw) -> World:
    """A flood of jobs before workers in FIFO order."""
    i, span = draw.small(), draw.span()
    on = np.nonzero(span)[0]
    span[on[6:]] = 0.6
    draw.surge(i, draw.room() * draw.rng.uniform(1.5, 2.0), span)
    return draw.world((i,), NOISY)


def two_aggressors(draw: Draw) -> World:
    """Two at once; neither hides behind the other."""
    i, j = draw.rng.choice(draw.shape.tenants, 2, replace=False)
    for k in (i, j):
        draw.surge(int(k), draw.room() * draw.rng.uniform(0.6, 0.75), draw.span())
    return draw.world((int(i), int(j)), NOISY)


def flapping(draw: Draw) -> World:
    """On and off every few minutes."""
    i, span = draw.small(), draw.span()
    step = np.arange(span.size)
    draw.surge(i, draw.room() * draw.rng.uniform(1.1, 1.4), span * ((step // 12) % 2 == 0))
    return draw.world((i,), NOISY)


def retry_storm(draw: Draw) -> World:
    """A surge, and everybody sends again what takes too long: the victims grow, too."""
    i = draw.small()
    draw.surge(i, draw.room() * draw.rng.uniform(0.95, 1.2), draw.span())
    world = draw.world((i,), NOISY)
    world.retry_s = 25.0 * draw.job
    return world


def cache_thrash(draw: Draw) -> World:
    """One tenant's scans push everybody's data out of the cache."""
    i = draw.small()
    each = 0.06 * draw.cores
    volume = draw.rng.uniform(1.5, 2.5) * float(draw.usual.sum()) * draw.cost[i] / each
    draw.surge(i, each, draw.span(), volume=volume)
    world = draw.world((i,), NOISY)
    world.misses = True
    return world


def lock_hog(draw: Draw) -> World:
    """One tenant holds locks others wait for; its usage shows next to nothing. Either many short
    transactions on a hot row, or a few that stay open for seconds."""
    i = draw.small()
    world = draw.world((i,), NOISY)
    assert world.locks is not None
    rng, who, at = draw.rng, world.who, world.at
    touches = rng.uniform(size=draw.shape.tenants) < rng.uniform(0.5, 1.0)
    within = (at >= world.begin) & (at < world.end) & (who != i) & touches[who]
    if rng.uniform() < 0.5:
        struck = within & (rng.uniform(size=who.size) < 0.6)
        wait = rng.exponential(6 * draw.job, who.size)
    else:
        held = rng.uniform(4, 9)
        struck = within & (rng.uniform(size=who.size) < 0.5) & (at % 10 < held)
        wait = held - at % 10
    everyday = world.locks
    world.locks = Locks(
        np.where(struck, wait, everyday.wait),
        np.where(struck, i, everyday.holder),
        struck,
    )
    return world


def global_incident(draw: Draw) -> World:
    """The resource loses half its power or more: nobody's fault."""
    draw.speed[int(draw.begin) : int(draw.end)] = draw.rng.uniform(0.3, 0.5)
    return draw.world((), "degraded")


def incident_with_surge(draw: Draw) -> World:
    """The same, while somebody happens to double."""
    draw.speed[int(draw.begin) : int(draw.end)] = draw.rng.uniform(0.3, 0.5)
    i = draw.small()
    draw.surge(i, 0.04 * draw.cores, draw.span())
    return draw.world((i,), "degraded")


def deploy(draw: Draw) -> World:
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
    """A large surge into free room: of a resource twice as large as the tenants need on other
    days, so that even the others' p95 by re-simulation stays what it was."""
    i = draw.small()
    surge = draw.room() * 0.3
    draw.cores *= 2
    draw.surge(i, surge, draw.span())
    return draw.world((i,), "")


def mild_surge(draw: Draw) -> World:
    """The same in no larger a resource: some lift the others' p95 past the bar of the truth while
    their typical latency hardly moves."""
    i = draw.small()
    draw.surge(i, draw.room() * 0.3, draw.span())
    return draw.world((i,), NOISY)


def self_inflicted(draw: Draw) -> World:
    """One tenant's own operations become dear; the resource has room."""
    i = int(np.argsort(draw.usual)[-draw.shape.tenants // 3])
    own = draw.rates[i].copy()
    draw.rates[i] = own * (1 - draw.span())
    at = draw.times(own * draw.span())
    size = draw.cost[i] * draw.rng.uniform(4, 8) * draw.rng.gamma(2.0, 0.5, at.size)
    draw.extra.append((i, at, size, np.ones(at.size)))
    return draw.world((i,), "self_inflicted")


def new_tenant(draw: Draw) -> World:
    """Somebody nobody knows: half of them are large enough to hurt."""
    i = draw.small()
    draw.rates[i] = 0.0
    loud = draw.seed % 2 == 0
    cores = draw.room() * (draw.rng.uniform(1.0, 1.3) if loud else draw.rng.uniform(0.1, 0.3))
    draw.surge(i, cores, draw.span())
    return draw.world((i,), NOISY if loud else "")


def daily_batch(draw: Draw) -> World:
    """What one tenant does at this hour every day, and everybody feels every day: a habit."""
    i = draw.small()
    draw.begin, draw.end = 3600.0, float(draw.shape.seconds)
    cores = draw.room() * draw.rng.uniform(0.4, 0.65)
    season = taught(draw, i, cores)
    draw.extra.clear()
    draw.surge(i, cores, draw.span())
    world = draw.world((), "")
    world.season, world.season_from = season, 3600.0
    return world


def quiet(draw: Draw) -> World:
    """Nothing happens."""
    return draw.world((), "")


FAMILIES: dict[str, Callable[[Draw], World]] = {
    f.__name__: f
    for f in (
        surge, slow_burn, heavy_queries, queue_flood, two_aggressors, flapping, retry_storm,
        cache_thrash, lock_hog, global_incident, incident_with_surge, deploy, everyone_peaks,
        big_but_harmless, self_inflicted, new_tenant, daily_batch, quiet,
    )
}  # fmt: skip

BORDERLINE: dict[str, Callable[[Draw], World]] = {mild_surge.__name__: mild_surge}
"""Run only when named: near the bar of the truth its label is a matter of the bar."""


def world_of(family: str, seed: int, shape: Shape | None = None) -> World:
    """Draw the world of a family and seed."""
    return (FAMILIES | BORDERLINE)[family](Draw(family, seed, shape or Shape()))
