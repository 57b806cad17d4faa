"""Small worlds as arrays: five tenants on one database, drawn by a formula and not by a queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from analyzer.detect import ResourceWindows
from analyzer.detect.arrays import SIGNALS
from collector.model import ResourceId, ResourceKind, TenantId

CAST = tuple(TenantId(t) for t in ("acme", "globex", "initech", "umbrella", "hooli"))
COST = np.array([0.06, 0.05, 0.04, 0.06, 0.05])
RATE = np.array([8.0, 10.0, 6.0, 5.0, 4.0])
CORES = 4.0
EPOCH = np.datetime64("2026-11-16T00:00:00", "us")


def world(
    *,
    windows: int = 240,
    seed: int = 1,
    surge: dict[str, float] | None = None,
    slower: dict[str, float] | None = None,
    last: int = 12,
) -> ResourceWindows:
    """Calm windows whose `last` ones have rates times `surge` and latencies times `slower`.

    Latency does not follow load here: each test says who is slow.
    """
    rng = np.random.default_rng(seed)
    rates = np.repeat(RATE[:, None], windows, axis=1)
    stretch = np.ones_like(rates)
    for k, tenant in enumerate(CAST):
        rates[k, -last:] *= (surge or {}).get(tenant, 1.0)
        stretch[k, -last:] *= (slower or {}).get(tenant, 1.0)
    count = rng.poisson(rates * 10).astype(float)
    noise = rng.normal(0, 0.05, count.shape)
    return ResourceWindows(
        resource=ResourceId("db:main"),
        kind=ResourceKind.DATABASE,
        tenants=CAST,
        ts=EPOCH + np.arange(windows) * np.timedelta64(10, "s"),
        window_s=10.0,
        arrived=count,
        count=count.copy(),
        errors=np.zeros_like(count),
        busy_s=count * COST[:, None],
        log_latency=np.log(COST[:, None] * 1.1 * stretch) + noise,
        wait_s=np.full_like(count, np.nan),
        volume=count * 10,
        capacity=CORES,
    )


def noisy(seed: int = 1) -> ResourceWindows:
    """acme takes the database and the others are four times slower."""
    rest: dict[str, float] = dict.fromkeys(CAST, 4.0)
    return world(seed=seed, surge={"acme": 7.0}, slower=rest)


def sampled(windows: ResourceWindows) -> list[str]:
    """The signals somebody sends."""
    return [name for name in SIGNALS if getattr(windows, name) is not None]


def permuted(windows: ResourceWindows, order: list[int]) -> ResourceWindows:
    """The same tenants in another order."""
    arrays: dict[str, Any] = {name: getattr(windows, name)[order] for name in sampled(windows)}
    return replace(windows, tenants=tuple(windows.tenants[i] for i in order), **arrays)


def with_idle(windows: ResourceWindows) -> ResourceWindows:
    """One more tenant, who never does anything."""
    width = windows.ts.size
    arrays: dict[str, Any] = {}
    for name in sampled(windows):
        fill = np.nan if name in ("log_latency", "wait_s") else 0.0
        arrays[name] = np.vstack([getattr(windows, name), np.full((1, width), fill)])
    return replace(windows, tenants=(*windows.tenants, TenantId("idle")), **arrays)


def without(windows: ResourceWindows, *names: str) -> ResourceWindows:
    """The same with some signals never sent."""
    unknown: dict[str, Any] = {n: np.full_like(windows.count, np.nan) for n in names}
    return replace(windows, **unknown)
