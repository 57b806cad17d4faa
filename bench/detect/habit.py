"""What earlier weeks taught of an hour, by the rules of `analyzer/sql/baseline.sql`."""

from __future__ import annotations

import numpy as np

from analyzer.detect import ResourceWindows, Season
from bench.detect.drawing import Draw
from bench.detect.observe import observe
from bench.detect.worlds import run

WEEKS = 4
FIRST_SPREAD = 0.3


def taught(draw: Draw, i: int, cores: float) -> Season:
    """Simulate `WEEKS` earlier weeks in which tenant i did the same (a little more or less)."""
    demands, felts, earlier = [], [], []
    for _ in range(WEEKS):
        draw.extra.clear()
        draw.surge(i, cores * draw.rng.uniform(0.85, 1.15), draw.span())
        world = draw.world((), "")
        seen = observe(world, run(world), window_s=60)
        begin = int(draw.begin // 60)
        demands.append(_log_demand(seen, slice(begin, None)))
        felts.append(_felt(seen, slice(begin, None)))
        before = slice(max(begin - 60, 0), begin)
        earlier.append((_log_demand(seen, before), _felt(seen, before)))
    centre, spread = _learned(demands)
    felt, felt_spread = _learned(felts)
    return Season(
        weeks=np.full(centre.size, float(WEEKS)),
        demand=np.exp(centre),
        demand_spread=spread,
        felt=felt,
        felt_spread=felt_spread,
        demand_before=np.exp(_learned([demand for demand, _ in earlier])[0]),
        felt_before=_learned([felt for _, felt in earlier])[0],
    )


def _log_demand(seen: ResourceWindows, minutes: slice) -> np.ndarray:
    busy = seen.busy_s[:, minutes] / 60.0
    usual = np.maximum(np.median(busy, 1), 0.5 * busy.mean(1))
    return np.asarray(np.log(np.maximum(usual, 1e-6)))


def _felt(seen: ResourceWindows, minutes: slice) -> np.ndarray:
    count = np.where(np.isnan(seen.log_latency), 0.0, seen.count)[:, minutes]
    logs = np.nan_to_num(seen.log_latency[:, minutes])
    with np.errstate(invalid="ignore"):
        return np.asarray((count * logs).sum(axis=1) / count.sum(axis=1))


def _learned(weeks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(centre, spread) after the first week and the moves of the later ones."""
    centre = weeks[0].copy()
    spread = np.full(centre.size, FIRST_SPREAD)
    for seen, value in enumerate(weeks[1:], 1):
        move = np.nan_to_num(value - centre)
        bounded = move if seen < 2 else np.clip(move, -2 * spread, 2 * spread)
        spread += (np.minimum(1.25 * np.abs(move), 3 * spread) - spread) / (seen + 1)
        centre += bounded / (seen + 1)
    return centre, spread
