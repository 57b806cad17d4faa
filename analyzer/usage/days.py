"""Daily usage of one resource as arrays, for the detector of growth over days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from analyzer.detect.arrays import Floats
from analyzer.detect.days import DAY_S, ResourceDays
from analyzer.store.database import Store
from analyzer.usage.quantiles import middles
from collector.model import BUCKETS, LATENCY_BOUNDS, UNKNOWN_TENANT, ResourceId, TenantId

_BUCKETS = [f"b{k:02d}" for k in range(BUCKETS)]


def daily(store: Store, *, until: datetime, days: int) -> Iterator[ResourceDays]:
    """Each resource used in the day before `until` (midnight UTC, naive), over `days` of them."""
    since = until - timedelta(days=days)
    bounds = {int(i): tuple(b) for i, b in store.rows("windows_bounds")}
    newest = until - timedelta(days=1)
    for resource, capacity in store.rows("slow_resources", newest=newest, until=until):
        asked = {"resource": resource, "since": since, "until": until}
        rows = store.frame("slow_days", **asked, unknown=UNKNOWN_TENANT)
        if not rows.height:
            continue
        peaks = dict(store.rows("slow_peaks", **asked))
        yield _arrays(ResourceId(resource), rows, peaks, bounds, capacity, until)


def _arrays(
    resource: ResourceId,
    rows: pl.DataFrame,
    peaks: Mapping[datetime, float],
    bounds: Mapping[int, Sequence[float]],
    capacity: float | None,
    until: datetime,
) -> ResourceDays:
    """From the first day there is; days without a row of a tenant are days it used nothing."""
    begin: datetime = rows["day"].min()  # type: ignore[assignment]
    span = (until - begin).days
    tenants = rows["tenant"].unique(maintain_order=True)
    place = dict(zip(tenants, range(tenants.len()), strict=True))
    at = (
        np.array([place[name] for name in rows["tenant"]]),
        ((rows["day"] - begin).dt.total_days()).to_numpy(),
    )
    shape = (len(place), span)
    demand, operations, timed, logs = (np.zeros(shape) for _ in range(4))
    np.add.at(demand, at, rows["load"].fill_null(0.0).to_numpy() / DAY_S)
    np.add.at(operations, at, rows["operations"].fill_null(0.0).to_numpy())
    counts, weighted = _latency(rows, bounds)
    np.add.at(timed, at, counts)
    np.add.at(logs, at, weighted)
    with np.errstate(invalid="ignore", divide="ignore"):
        felt = np.where(timed > 0, logs / timed, np.nan)
    days = [begin + timedelta(days=k) for k in range(span)]
    return ResourceDays(
        resource=resource,
        tenants=tuple(TenantId(name) for name in place),
        days=np.array(days, "datetime64[D]"),
        demand=demand,
        felt=felt,
        operations=operations,
        peak=np.array([peaks.get(day) or 1.0 for day in days]),
        capacity=capacity or None,
    )


def _latency(rows: pl.DataFrame, bounds: Mapping[int, Sequence[float]]) -> tuple[Floats, Floats]:
    """(operations timed, sum of their log latencies) of each row."""
    counts = np.nan_to_num(rows.select(_BUCKETS).fill_null(0.0).to_numpy())
    ids = rows["bounds"].to_numpy()
    weighted = np.zeros(rows.height)
    for known in np.unique(ids):
        mine = ids == known
        middle = middles(bounds.get(int(known), LATENCY_BOUNDS))
        weighted[mine] = counts[mine][:, : middle.size] @ middle[:BUCKETS]
    return counts.sum(axis=1), weighted
