"""What the collector would have seen of a run, as `ResourceWindows`."""

from __future__ import annotations

import numpy as np

from analyzer.detect import ResourceWindows
from bench.detect.worlds import Ran, World
from collector.model import ResourceId, ResourceKind, TenantId

EPOCH = np.datetime64("2026-11-16T00:00:00", "us")


def observe(
    world: World, ran: Ran, *, window_s: int = 10, capacity: float | None = None
) -> ResourceWindows:
    """Counts by arrival and by finish; server time lands where the operation finished."""
    width = world.shape.seconds // window_s
    n = world.shape.tenants

    def table(who: np.ndarray, at: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        w = (at // window_s).astype(int)
        ok = (w >= 0) & (w < width)
        flat = who[ok] * width + w[ok]
        summed = np.bincount(flat, None if weight is None else weight[ok], n * width)
        return summed.reshape(n, width).astype(float)

    who = world.who[ran.index]
    failed = ran.felt <= 0.0
    arrived = table(who, world.at[ran.index])
    count = table(who, ran.done)
    served = np.where(failed, 0.0, 1.0)
    timed = table(who, ran.done, served)
    logs = table(who, ran.done, served * np.log(np.maximum(ran.felt, 1e-4)))
    with np.errstate(invalid="ignore", divide="ignore"):
        log_latency = np.where(timed > 0, logs / timed, np.nan)
    waiting = np.cumsum(arrived - count, axis=1)
    return ResourceWindows(
        resource=ResourceId(f"db:{world.family}-{world.seed}"),
        kind=ResourceKind.QUEUE if world.server.discipline == "fifo" else ResourceKind.DATABASE,
        tenants=tuple(TenantId(f"t{i:03d}") for i in range(n)),
        ts=EPOCH + np.arange(width) * np.timedelta64(window_s, "s"),
        window_s=float(window_s),
        arrived=arrived,
        count=count,
        errors=table(who, ran.done, 1.0 - served),
        busy_s=_work_done(world, ran, table),
        log_latency=log_latency,
        waiting=np.maximum(waiting, 0),
        wait_s=np.full_like(count, np.nan),
        volume=table(who, world.at[ran.index], world.volume[ran.index]),
        capacity=world.server.cores if capacity is None else capacity,
    )


def _work_done(world: World, ran: Ran, table: object) -> np.ndarray:
    """Server time: counted when the operation finishes, as servers report it."""
    return table(world.who[ran.index], ran.done, ran.size)  # type: ignore[operator,no-any-return]
