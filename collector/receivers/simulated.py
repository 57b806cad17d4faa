"""A platform that does not exist: tenants of very different sizes on shared shards, pool, queue and
cache, with days and nights. What it sends goes through the real receivers; only the load is made.

Model, per resource of C cores: offered work is Poisson arrivals times the tenant's own cost, with a
daily and weekly rhythm; operations share the processors, so that they take 1 + ErlangC(C, ρC) /
(C (1 - ρ)) times as long at utilisation ρ, and longer while a backlog of unfinished work remains.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.model import BUCKETS, LATENCY_BOUNDS, Family, ResourceId, ResourceKind, TenantId

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

FIRST_NAMES = (
    *("acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "tyrell"),
    *("cyberdyne", "soylent", "wonka", "duff", "oscorp", "aperture", "monarch", "vandelay"),
)
LONGEST_STRETCH = 12.0
"""Clients give up beyond this many times the normal latency, so it does not grow further."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A resource of the platform: `cores` busy seconds a second, `load` mean utilisation at noon,
    `cost_s` typical server seconds an operation, `reach` the part of the tenants that use it.
    """

    id: ResourceId
    kind: ResourceKind
    family: Family
    cores: float
    load: float
    cost_s: float
    reach: float = 1.0
    shard: int | None = None  # of how many shards this is one: only its own tenants use it


@dataclass(frozen=True, slots=True)
class Surge:
    """One tenant takes a resource for a while: its demand rises until utilisation reaches `to`."""

    tenant: TenantId
    resource: ResourceId
    begins: datetime
    ends: datetime
    to: float = 1.08


@dataclass(frozen=True, slots=True)
class _Group:
    """The tenants of one resource: cost an operation and operations a second, parallel arrays."""

    shared: Shared
    tenants: tuple[TenantId, ...]
    cost_s: Floats
    rate: Floats


def resources(shards: int = 4) -> list[Shared]:
    """What the tenants of the platform share."""
    database, compute = ResourceKind.DATABASE, ResourceKind.COMPUTE
    named = [
        Shared(ResourceId(f"db:shard-{k + 1}"), database, Family.QUERY, 8, 0.50, 0.012, shard=k)
        for k in range(shards)
    ]
    return [
        *named,
        Shared(ResourceId("pool:web"), compute, Family.REQUEST, 32, 0.45, 0.045),
        Shared(
            ResourceId("queue:exports"), ResourceKind.QUEUE, Family.QUEUE, 6, 0.40, 0.8, reach=0.2
        ),
        Shared(
            ResourceId("cache:redis-1"),
            ResourceKind.CACHE,
            Family.CACHE,
            1,
            0.25,
            0.0004,
            reach=0.3,
        ),
    ]


def rhythm(seconds: Floats) -> Floats:
    """Demand relative to a weekday's noon at Unix seconds UTC: nights a third, weekends lower."""
    hour = (seconds / 3600.0) % 24.0
    day = 0.66 + 0.34 * np.cos((hour - 13.0) / 24.0 * 2 * np.pi)
    weekday = (np.floor(seconds / 86400.0) + 3) % 7
    return np.where(weekday >= 5, 0.7, 1.0) * day


def stretch(utilisation: Floats, cores: float) -> Floats:
    """How many times longer operations take in processor sharing (Erlang C by recursion)."""
    rho = np.clip(utilisation, 0.0, 0.995)
    offered = rho * cores
    blocked = np.ones_like(rho)
    for k in range(1, max(round(cores), 1) + 1):
        blocked = offered * blocked / (k + offered * blocked)
    waits = blocked / (1 - rho * (1 - blocked))
    return np.minimum(1 + waits / (cores * (1 - rho)), LONGEST_STRETCH)


class Platform:
    """Tenants and what they share. `history` is calm, without memory; `live` keeps a backlog."""

    def __init__(self, tenants: int = 200, *, seed: int = 7, shared: Sequence[Shared] = ()) -> None:
        self._random = np.random.default_rng(seed)
        self.shared = list(shared) or resources()
        self.tenants = [tenant_name(i) for i in range(tenants)]
        sizes: Floats = np.arange(2, tenants + 2, dtype=np.float64) ** -0.9
        self._groups = [self._group(one, sizes) for one in self.shared]
        self._backlog: dict[ResourceId, Floats] = {
            group.shared.id: np.zeros((1, len(group.tenants))) for group in self._groups
        }

    def _group(self, shared: Shared, sizes: Floats) -> _Group:
        shards = sum(one.shard is not None for one in self.shared)
        inside = [i for i, tenant in enumerate(self.tenants) if _uses(shared, i, tenant, shards)]
        share = sizes[inside] / sizes[inside].sum()
        cost = shared.cost_s * np.exp(self._random.normal(0, 0.3, len(inside)))
        rate = share * shared.cores * shared.load / cost
        return _Group(shared, tuple(self.tenants[i] for i in inside), cost, rate)

    @property
    def rows_a_window(self) -> int:
        """Most rows one window can have."""
        return sum(len(group.tenants) for group in self._groups)

    def middling(self, resource: ResourceId, rank: int) -> TenantId:
        """The tenant of this resource at a place by size: not the largest, so size is no guide."""
        group = next(group for group in self._groups if group.shared.id == resource)
        return group.tenants[min(rank, len(group.tenants) - 1)]

    def history(self, begins: datetime, window_s: int, windows: int) -> pa.Table:
        """Calm usage of that many windows in a row."""
        starts = begins.timestamp() + window_s * np.arange(windows, dtype=np.float64)
        return pa.concat_tables([self._calm(group, starts, window_s) for group in self._groups])

    def _calm(self, group: _Group, starts: Floats, window_s: int) -> pa.Table:
        arrived = self._arrivals(group, starts, window_s)
        busy = arrived * group.cost_s
        utilisation = busy.sum(axis=1) / (group.shared.cores * window_s)
        slower = stretch(utilisation, group.shared.cores)
        return self._table(group, starts, window_s, arrived, arrived, busy, slower)

    def live(self, begins: datetime, window_s: int, surges: Sequence[Surge] = ()) -> pa.Table:
        """Usage of the next window, with the surges of that moment and the work left over."""
        starts = np.array([begins.timestamp()])
        return pa.concat_tables(
            [
                self._now(group, starts, window_s, _active(surges, group, begins))
                for group in self._groups
            ]
        )

    def _now(
        self, group: _Group, starts: Floats, window_s: int, surges: Sequence[Surge]
    ) -> pa.Table:
        shared, room = group.shared, group.shared.cores * window_s
        arrived = self._arrivals(group, starts, window_s)
        for surge in surges:
            lacking = surge.to * room - float((arrived * group.cost_s).sum())
            i = group.tenants.index(surge.tenant)
            arrived[0, i] += max(int(lacking / group.cost_s[i]), 0)
        work = arrived * group.cost_s + self._backlog[shared.id]
        served = min(1.0, room / max(float(work.sum()), 1e-9))
        left = work * (1 - served)
        # Callers time out: what cannot be done within half a window is given up, not queued.
        self._backlog[shared.id] = left * min(1.0, 0.5 * room / max(float(left.sum()), 1e-9))
        slower = stretch(np.array([work.sum() / room]), shared.cores)
        finished = np.floor(work * served / group.cost_s + self._random.random(arrived.shape))
        done = finished.astype(np.int64)
        return self._table(group, starts, window_s, arrived, done, work * served, slower)

    def _arrivals(self, group: _Group, starts: Floats, window_s: int) -> Counts:
        """Poisson around the rhythm, with a wander of its own for every tenant."""
        wander = 0.18 if window_s <= 60 else 0.08
        shape = (len(starts), len(group.tenants))
        mean = rhythm(starts)[:, None] * group.rate[None, :] * window_s
        return self._random.poisson(mean * np.exp(self._random.normal(0, wander, shape)))

    def _table(
        self, group: _Group, starts: Floats, window_s: int,
        arrived: Counts, finished: Counts, busy: Floats, slower: Floats,
    ) -> pa.Table:  # fmt: skip
        """Rows of the native door, window by window; a tenant without any operation sends none."""
        windows, tenants = arrived.shape
        felt = group.cost_s[None, :] * 1.4 * slower[:, None]
        sent = ((arrived > 0) | (finished > 0)).ravel()
        rows = int(sent.sum())
        count = finished.ravel()[sent]
        seconds = np.repeat(starts, tenants)[sent]
        buckets, total_s = self._latencies(count, felt.ravel()[sent])
        wait = np.maximum(felt - group.cost_s[None, :] * 1.4, 0).ravel()[sent] * count
        names = pa.array(group.tenants * windows, pa.string()).filter(pa.array(sent))
        errors = self._random.binomial(count, np.repeat(_error_ratio(slower), tenants)[sent])
        return pa.table({
            "ts": pa.array((seconds * 1e6).astype("int64"), pa.timestamp("us", "UTC")),
            "window_s": pa.array(np.full(rows, window_s, np.int32)),
            "tenant": names,
            "resource": pa.array([group.shared.id] * rows, pa.string()),
            "family": pa.array([group.shared.family.value] * rows, pa.string()),
            "arrived": pa.array(arrived.ravel()[sent]),
            "count": pa.array(count),
            "errors": pa.array(errors),
            "busy_s": pa.array(np.round(busy.ravel()[sent], 6)),
            "latency_sum_s": pa.array(np.round(total_s, 6)),
            "latency_buckets": _lists(buckets),
            "waiting": pa.array(np.round(wait / window_s, 3)),
            "wait_s": pa.array(np.round(wait, 6)),
            "volume": pa.array(count * 40),
        })  # fmt: skip

    def _latencies(self, count: Counts, median_s: Floats) -> tuple[Counts, Floats]:
        """Counts per bucket of log-normal latencies (σ 0.5), and the sum they stand for."""
        edges = (np.log(np.array(LATENCY_BOUNDS))[None, :] - np.log(median_s)[:, None]) / 0.5
        below = np.concatenate([_normal_cdf(edges), np.ones((len(median_s), 1))], axis=1)
        parts = np.clip(np.diff(below, axis=1, prepend=0.0), 0.0, None)
        buckets = self._random.multinomial(count, parts / parts.sum(axis=1, keepdims=True))
        return buckets.astype(np.int64), count * median_s * float(np.exp(0.125))


def tenant_name(i: int) -> TenantId:
    """The i-th tenant of the cast; the first names, then the same with numbers."""
    lap, place = divmod(i, len(FIRST_NAMES))
    return TenantId(FIRST_NAMES[place] + (f"-{lap + 1}" if lap else ""))


def _uses(shared: Shared, i: int, tenant: TenantId, shards: int) -> bool:
    if shared.shard is not None:
        return i % shards == shared.shard
    return zlib.crc32(f"{shared.id} {tenant}".encode()) % 1000 < shared.reach * 1000


def _active(surges: Sequence[Surge], group: _Group, at: datetime) -> list[Surge]:
    here = [surge for surge in surges if surge.resource == group.shared.id]
    return [surge for surge in here if surge.begins <= at < surge.ends]


def _error_ratio(slower: Floats) -> Floats:
    return np.clip(0.001 + 0.004 * (slower - 2.0), 0.001, 0.04)


def _normal_cdf(z: Floats) -> Floats:
    """Logistic approximation of the normal distribution function, error < 0.0002."""
    return 1.0 / (1.0 + np.exp(-np.clip(1.5976 * z + 0.070565992 * z**3, -60, 60)))


def _lists(buckets: Counts) -> pa.Array:
    offsets = np.arange(0, buckets.size + 1, BUCKETS, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(buckets.ravel()))
