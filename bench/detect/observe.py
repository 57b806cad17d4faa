"""What the collector would have seen of a run, as `ResourceWindows`, through a clear lens or a
dirty one (design section 4: signals missing, windows lost, latencies sampled, late, renamed)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analyzer.detect import MEASURES, ResourceWindows
from bench.detect.worlds import Ran, World
from collector.model import ResourceId, ResourceKind, TenantId

EPOCH = np.datetime64("2026-11-16T00:00:00", "us")


@dataclass(frozen=True, slots=True)
class Lens:
    """What is lost between a resource and the detector. `capacity` multiplies the configured one
    (0: none is configured); `sampled` is the part of latencies measured; `lost` the part of windows
    that never come; `late` the part of the tenants whose rows come up to 30 s late; `renamed` the
    part of the tenants with a new id ten minutes before the trouble."""

    window_s: int = 10
    busy: bool = True
    locks: bool = True
    sampled: float = 1.0
    lost: float = 0.0
    capacity: float = 1.0
    late: float = 0.0
    renamed: float = 0.0


CLEAR = Lens()


class _Table:
    """Sums per tenant and window."""

    def __init__(self, tenants: int, seconds: int, window_s: int) -> None:
        self.tenants, self.width, self.window_s = tenants, seconds // window_s, window_s

    def __call__(
        self, who: np.ndarray, at: np.ndarray, weight: np.ndarray | None = None
    ) -> np.ndarray:
        w = (at // self.window_s).astype(int)
        ok = (w >= 0) & (w < self.width) & (who >= 0)
        flat = who[ok] * self.width + w[ok]
        size = self.tenants * self.width
        summed = np.bincount(flat, None if weight is None else weight[ok], size)
        return np.asarray(summed.reshape(self.tenants, self.width), dtype=float)


def observe(
    world: World, ran: Ran, *, window_s: int = 10, capacity: float | None = None, lens: Lens = CLEAR
) -> ResourceWindows:
    """Counts by arrival and by finish; server time lands where the operation finished."""
    window_s = window_s if lens is CLEAR else lens.window_s
    n = world.shape.tenants
    table = _Table(n, world.shape.seconds, window_s)
    who = world.who[ran.index]
    arrived, count = table(who, ran.at), table(who, ran.done)
    served = np.where(ran.felt <= 0.0, 0.0, 1.0)
    blocked, blocking = _sampled_locks(world, ran, table)
    clear = ResourceWindows(
        resource=ResourceId(f"db:{world.family}-{world.seed}"),
        kind=ResourceKind.QUEUE if world.server.discipline == "fifo" else ResourceKind.DATABASE,
        tenants=tuple(TenantId(f"t{i:03d}") for i in range(n)),
        ts=EPOCH + np.arange(table.width) * np.timedelta64(window_s, "s"),
        window_s=float(window_s),
        arrived=arrived,
        count=count,
        errors=table(who, ran.done, 1.0 - served),
        busy_s=table(who, ran.done, ran.size),
        log_latency=_log_latency(world, ran, table, lens, served),
        wait_s=np.full_like(count, np.nan),
        volume=table(who, ran.at, world.volume[ran.index]),
        capacity=world.server.cores if capacity is None else capacity,
        blocked_s=blocked,
        blocking_s=blocking,
    )
    return clear if lens is CLEAR else _through(clear, world, lens)


def _log_latency(
    world: World, ran: Ran, table: _Table, lens: Lens, served: np.ndarray
) -> np.ndarray:
    who = world.who[ran.index]
    if lens.sampled < 1.0:
        coin = np.random.default_rng(world.seed).uniform(size=who.size)
        served = served * (coin < lens.sampled)
    timed = table(who, ran.done, served)
    logs = table(who, ran.done, served * np.log(np.maximum(ran.felt, 1e-4)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(timed > 0, logs / timed, np.nan)


def _sampled_locks(
    world: World, ran: Ran, table: _Table
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(blocked, blocking) seconds by a look once a second at who waits for whom."""
    if world.locks is None:
        return None, None
    waited = np.nonzero(ran.locked > 0)[0]
    begin = np.floor(ran.done[waited] - ran.locked[waited])
    looks = (np.floor(ran.done[waited]) - begin).astype(int)
    op = np.repeat(waited, looks)
    rank = np.arange(op.size) - np.repeat(np.cumsum(looks) - looks, looks)
    at = np.repeat(begin, looks) + 1 + rank
    who, holder = world.who[ran.index[op]], world.locks.holder[ran.index[op]]
    return table(who, at), table(holder, at)


def _through(windows: ResourceWindows, world: World, lens: Lens) -> ResourceWindows:
    rng = np.random.default_rng([world.seed, 7])
    if not lens.busy:
        windows = replace(windows, busy_s=np.full_like(windows.busy_s, np.nan))
    if not lens.locks:
        windows = replace(windows, blocked_s=None, blocking_s=None)
    if lens.capacity != 1.0:
        told = windows.capacity * lens.capacity if windows.capacity and lens.capacity else None
        windows = replace(windows, capacity=told)
    if lens.lost:
        gone = rng.uniform(size=windows.ts.size) < lens.lost
        arrays: dict[str, Any] = {n: getattr(windows, n).copy() for n in MEASURES}
        for values in arrays.values():
            values[:, gone] = np.nan
        windows = replace(windows, **arrays)
    if lens.renamed:
        windows = _renamed(windows, world, rng.uniform(size=world.shape.tenants) < lens.renamed)
    return windows


def _renamed(windows: ResourceWindows, world: World, who: np.ndarray) -> ResourceWindows:
    """Rows of the renamed end ten minutes before the trouble; rows of new ids begin."""
    at = int((world.begin - 600) // windows.window_s)
    fresh = np.nonzero(who)[0]
    arrays: dict[str, Any] = {}
    for name in (*MEASURES, "blocked_s", "blocking_s"):
        values = getattr(windows, name)
        if values is None:
            continue
        old, new = values.copy(), values[fresh].copy()
        old[fresh, at:] = np.nan
        new[:, :at] = np.nan
        arrays[name] = np.vstack([old, new])
    named = tuple(TenantId(f"{windows.tenants[i]}-renamed") for i in fresh)
    return replace(windows, tenants=(*windows.tenants, *named), **arrays)


def late_rows(windows: ResourceWindows, lens: Lens, seed: int) -> np.ndarray:
    """Windows each tenant's rows are behind, [tenants]."""
    rng = np.random.default_rng([seed, 11])
    tenants = len(windows.tenants)
    slow = rng.uniform(size=tenants) < lens.late
    most = max(int(30 // windows.window_s), 1)
    return np.where(slow, rng.integers(1, most + 1, tenants), 0)
