"""Real clients: rates and burstiness of a production service, resampled onto our steps.

Source: shared `usage/serving_clients_m_small.csv` (alibaba/ServeGen, Apache-2.0).
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

TRACE = Path(__file__).parents[2] / ".." / "shared" / "data" / "usage"


@cache
def _clients() -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
    """(t_s, rate, cv) of each client with at least a day of points."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    with (TRACE / "serving_clients_m_small.csv").open() as file:
        for row in csv.DictReader(file):
            point = (float(row["t_s"]), float(row["rate_per_s"]), float(row["interarrival_cv"]))
            found.setdefault(row["client"], []).append(point)
    long = [np.array(points).T for points in found.values() if len(points) >= 100]
    return tuple((a[0], a[1], a[2]) for a in long)


def client_rates(rng: np.random.Generator, n: int, steps: int, which: str) -> np.ndarray:
    """[n, steps of 10 s]: real rates, with bursts of the client's own coefficient of variation.

    "A" caps the variation of a 10 s step at 1, "B" at 2. A client's rate moves between its
    600 s points; tenants beyond the number of clients reuse a client at another time.
    """
    clients = _clients()
    cap = 1.0 if which == "A" else 2.0
    rows = np.zeros((n, steps))
    for i in range(n):
        t, rate, cv = clients[int(rng.integers(len(clients)))]
        start = rng.uniform(t[0], max(t[-1] - steps * 10, t[0] + 1))
        moment = start + np.arange(steps) * 10.0
        base = np.interp(moment, t, rate)
        base = base / max(base.mean(), 1e-9)
        vary = min(float(np.interp(moment[0], t, cv)) * 0.3, cap)
        gamma = rng.gamma(1 / vary**2, vary**2, steps) if vary > 0.05 else np.ones(steps)
        weight = rng.pareto(1.2) + 0.1
        rows[i] = np.minimum(weight, 6.0) * base * gamma
    return rows
