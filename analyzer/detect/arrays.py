"""What the detector reads: one resource's recent windows as arrays, tenants x windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from collector.model import ResourceId, ResourceKind, TenantId

Floats = npt.NDArray[Any]
Bools = npt.NDArray[Any]
Stamps = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Normal:
    """Robust centres and spreads, one entry a tenant; rates are per second.

    `demand` in busy seconds per second with `demand_spread` of its logarithm; `felt` mean log
    latency with `felt_spread`; `capacity` fitted to the history, `doubt` the standard deviation of
    its logarithm, `carried` the most work the resource is known to serve, `job_s` the mean cost of
    an operation; `windows` how many windows taught it; `blocking` seconds per second others usually
    wait for this tenant's locks, `blocked` it for theirs.
    """

    arrivals: Floats
    cost: Floats
    demand: Floats
    demand_spread: Floats
    felt: Floats
    felt_spread: Floats
    error_ratio: Floats
    volume: Floats
    volume_spread: Floats
    capacity: float
    doubt: float
    carried: float
    job_s: float
    windows: int
    blocking: Floats
    blocked: Floats


@dataclass(frozen=True, slots=True)
class ResourceWindows:
    """Usage of one resource; every array but `ts` and `trains` is [tenants, windows].

    `ts` are window starts (datetime64[us], UTC, one `window_s` apart). NaN is unknown: a column of
    NaN is a lost window, a whole array of NaN a signal nobody sends. `log_latency` is the mean
    natural logarithm of the seconds felt by callers whose operation finished in the window.
    `busy_s` is resource time consumed, measured at the server. `capacity` is in busy seconds per
    second and may be missing or wrong by half. `trains` marks windows that may teach what is
    normal; `normal`, when given, is what was learned before. `blocked_s` is time waited for others'
    locks, `blocking_s` time others waited for this tenant's locks; None: nobody samples locks.
    `plans` are the tenants' plans in their order ("": none); None: nobody knows any. `busy_known`
    [tenants] marks whose server time is measured, where that is known of more windows than these.
    """

    resource: ResourceId
    kind: ResourceKind
    tenants: tuple[TenantId, ...]
    ts: Stamps
    window_s: float
    arrived: Floats
    count: Floats
    errors: Floats
    busy_s: Floats
    log_latency: Floats
    wait_s: Floats
    volume: Floats
    capacity: float | None = None
    trains: Bools | None = None
    normal: Normal | None = None
    blocked_s: Floats | None = None
    blocking_s: Floats | None = None
    plans: tuple[str, ...] | None = None
    busy_known: Bools | None = None


MEASURES = (
    "arrived", "count", "errors", "busy_s", "log_latency", "wait_s", "volume",
)  # fmt: skip
"""The array fields every `ResourceWindows` has, in the order rings keep them."""

LOCKS = ("blocked_s", "blocking_s")
"""The array fields only resources with sampled locks have."""

SIGNALS = MEASURES + LOCKS


def trailing_sum(values: Floats, span: int) -> Floats:
    """Sums over the last `span` windows along the last axis; early windows sum what there is."""
    total: Floats = np.array(values, dtype=np.float64)
    for lag in range(1, min(span, values.shape[-1])):
        total[..., lag:] += values[..., :-lag]
    return total


def zeroed(values: Floats) -> Floats:
    """Unknown counts as nothing."""
    known: Floats = np.where(np.isnan(values), 0.0, values)
    return known


def quantiles(values: Floats, qs: tuple[float, ...]) -> list[Floats]:
    """Quantiles along the last axis ignoring NaN (nearest rank); NaN where nothing is known.

    One sort instead of NumPy's per-row nanquantile: 50 times faster at 10,000 rows.
    """
    ordered = np.sort(values, axis=-1)
    known = np.count_nonzero(~np.isnan(ordered), axis=-1)
    picked = []
    for q in qs:
        at = np.maximum(np.rint((known - 1) * q).astype(np.intp), 0)
        picked.append(np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0])
    return picked


def weighted_median(values: Floats, weights: Floats) -> Floats:
    """Weighted median down the first axis of [tenants, windows]; 1.0 where no weight is."""
    order = np.argsort(values, axis=0, kind="stable")
    ranked = np.take_along_axis(values, order, axis=0)
    heights = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    total = heights[-1]
    at = np.argmax(heights >= total / 2.0, axis=0)
    middle = np.take_along_axis(ranked, at[None], axis=0)[0]
    answer: Floats = np.where(total > 0, middle, 1.0)
    return answer
