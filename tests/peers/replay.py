"""Real tenants replayed: the clients of one production service, time compressed, on three shards.

Rates and burstiness are those of the file (alibaba/ServeGen, Apache-2.0): arrivals of each client
are drawn as a renewal process with its rate and its coefficient of variation. What one operation
costs is ours, so that each shard is half full on average; shards are processor sharing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from collector.model import LATENCY_BOUNDS
from collector.receivers.simulated import stretch

TRACE = Path(__file__).parents[3] / "shared/data/usage/serving_clients_m_small.csv"
POINT_S = 600.0
CORES = 4.0
SHARDS = ("db:shard-1", "db:shard-2", "db:shard-3")
MEAN_LOAD = 0.35
OPERATIONS_S = 900.0
"""All clients together, on average: the trace's rates are scaled to this many a second."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Done:
    """What one tenant did in one step: its buckets are disjoint counts per latency bound."""

    tenant: str
    resource: str
    arrived: int
    finished: int
    busy_s: float
    latency_sum_s: float
    buckets: npt.NDArray[np.int64]


@dataclass
class Replay:
    """`compress` trace seconds pass in one of ours; `begins_s` is where in the trace we start."""

    begins_s: float
    compress: float = 6.0
    seed: int = 3
    surges: dict[str, float] = field(default_factory=dict)  # tenant -> its shard's load to reach

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.rates, self.variations = _trace()
        self.clients = sorted(self.rates)
        size = {client: float(self.rates[client].mean()) for client in self.clients}
        by_size = sorted(self.clients, key=lambda client: -size[client])
        self.shard = {client: SHARDS[i % len(SHARDS)] for i, client in enumerate(by_size)}
        self.scale = OPERATIONS_S / sum(size.values())
        mine = {s: sum(size[c] for c in by_size if self.shard[c] == s) for s in SHARDS}
        spread = self.random.lognormal(0, 0.25, len(by_size))
        self.cost = {
            client: CORES * MEAN_LOAD / (mine[self.shard[client]] * self.scale) * float(spread[i])
            for i, client in enumerate(by_size)
        }
        self._left = dict.fromkeys(self.clients, 0.0)

    def tenant(self, client: int) -> str:
        return f"client-{client:02d}"

    def idle(self, client: int) -> Done:
        """A tenant that has done nothing yet: every counter is there from the start, at zero."""
        none = np.zeros(len(LATENCY_BOUNDS) + 1, np.int64)
        return Done(self.tenant(client), self.shard[client], 0, 0, 0.0, 0.0, none)

    def step(self, at_s: float, seconds: float) -> Iterator[Done]:
        """What happens from `at_s` (our seconds since the start) for that long."""
        point = int((self.begins_s + at_s * self.compress) // POINT_S)
        arrived = {client: self._arrivals(client, point, seconds) for client in self.clients}
        for shard in SHARDS:
            inside = [client for client in self.clients if self.shard[client] == shard]
            self._surge(inside, arrived, seconds)
            yield from self._share(shard, inside, arrived, seconds)

    def _arrivals(self, client: int, point: int, seconds: float) -> int:
        """A renewal process counted over a while: gamma gaps of the given mean and variation."""
        series = self.rates[client]
        rate = float(series[point % len(series)]) * self.scale
        if rate <= 0:
            return 0
        variation = float(self.variations[client][point % len(series)])
        shape = 1 / variation**2
        most = int(rate * seconds + 12 * variation * np.sqrt(rate * seconds) + 50)
        scale = 1 / (shape * rate)
        # We look at any moment, more likely inside a long gap: length-biased, then a part of it.
        first = self.random.gamma(shape + 1, scale) * self.random.random()
        later = np.cumsum(self.random.gamma(shape, scale, most))
        return int(first < seconds) + int(np.searchsorted(later + first, seconds))

    def _surge(self, inside: list[int], arrived: dict[int, int], seconds: float) -> None:
        for client in inside:
            goal = self.surges.get(self.tenant(client))
            if goal is not None:
                work = sum(arrived[c] * self.cost[c] for c in inside)
                lacking = goal * CORES * seconds - work
                arrived[client] += max(0, int(lacking / self.cost[client]))

    def _share(
        self, shard: str, inside: list[int], arrived: dict[int, int], seconds: float
    ) -> Iterator[Done]:
        room = CORES * seconds
        work = {c: arrived[c] * self.cost[c] + self._left[c] for c in inside}
        total = sum(work.values())
        served = min(1.0, room / total) if total else 1.0
        left = total * (1 - served)
        kept = min(1.0, 5.0 * CORES / left) if left else 1.0
        slower = float(stretch(np.array([total / room]), CORES)[0])
        for c in inside:
            self._left[c] = work[c] * (1 - served) * kept
            finished = int(work[c] * served / self.cost[c] + self.random.random())
            felt = self.cost[c] * 1.5 * slower * self.random.lognormal(0, 0.45, finished)
            places = np.searchsorted(np.array(LATENCY_BOUNDS), felt)
            yield Done(
                self.tenant(c), shard, arrived[c], finished, work[c] * served, float(felt.sum()),
                np.bincount(places, minlength=len(LATENCY_BOUNDS) + 1),
            )  # fmt: skip


def _trace() -> tuple[dict[int, Floats], dict[int, Floats]]:
    """Rate and variation of every client at every point; a point left out has rate zero."""
    with TRACE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    points = max(int(row["t_s"]) for row in rows) // int(POINT_S) + 1
    clients = {int(row["client"]) for row in rows}
    rates = {client: np.zeros(points) for client in clients}
    variations = {client: np.ones(points) for client in clients}
    for row in rows:
        point = int(row["t_s"]) // int(POINT_S)
        rates[int(row["client"])][point] = float(row["rate_per_s"])
        variations[int(row["client"])][point] = max(float(row["interarrival_cv"]), 0.05)
    return rates, variations
