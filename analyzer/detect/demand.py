"""Offered demand: what a tenant asks of the resource, whether or not it is served.

A victim's longer waits are no demand (law 2): only server time and arrivals count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.arrays import Floats, ResourceWindows, trailing_sum

PRIOR_OPERATIONS = 5.0
"""Weight of a tenant's long-run cost per operation against what the last windows show."""


@dataclass(frozen=True, slots=True)
class Work:
    """Smoothed work, [tenants, windows], lost windows carried forward.

    `arrivals`, `finished`, `errors`, `volume` and `served` are per second (`served` in busy
    seconds per second); `operations` is the number finished in the smoothing span; `felt` the mean
    log latency over the span (NaN: nothing finished); `lost` [windows] marks windows without data;
    `busy_known` [tenants] says whose server time is measured.
    """

    arrivals: Floats
    finished: Floats
    operations: Floats
    errors: Floats
    served: Floats
    volume: Floats
    felt: Floats
    lost: Floats
    busy_known: Floats


def measure(windows: ResourceWindows, start: int, span: int) -> Work:
    """Work of the windows from `start` on, each smoothed over the `span` windows up to it."""
    cut = slice(max(start - span + 1, 0), None)
    keep = slice(min(start, span - 1), None)
    lost = np.isnan(windows.arrived[:, cut]).all(axis=0) & np.isnan(windows.count[:, cut]).all(0)
    carry = _carry(lost)
    count, arrived = windows.count[:, cut][:, carry], windows.arrived[:, cut][:, carry]
    finished = np.nan_to_num(np.where(np.isnan(count), arrived, count))
    begun = np.nan_to_num(np.where(np.isnan(arrived), count, arrived))
    busy = windows.busy_s[:, cut][:, carry]
    log_latency = _felt(windows, cut, carry, finished, busy)
    timed = np.where(np.isnan(log_latency), 0.0, finished)
    timed_span = trailing_sum(timed, span)
    logs = trailing_sum(timed * np.nan_to_num(log_latency), span)
    seconds = span * windows.window_s
    length = np.minimum(np.arange(count.shape[1]) + 1, span) / span * seconds

    def rate(values: Floats) -> Floats:
        return (trailing_sum(np.nan_to_num(values), span) / length)[:, keep]

    operations = trailing_sum(finished, span)
    with np.errstate(invalid="ignore", divide="ignore"):
        felt = np.where(timed_span > 0, logs / timed_span, np.nan)
    return Work(
        arrivals=rate(begun),
        finished=rate(finished),
        operations=operations[:, keep],
        errors=rate(windows.errors[:, cut][:, carry]),
        served=rate(busy),
        volume=rate(windows.volume[:, cut][:, carry]),
        felt=felt[:, keep],
        lost=lost[keep].astype(np.float64),
        busy_known=(~np.isnan(windows.busy_s)).any(axis=1).astype(np.float64),
    )


def _carry(lost: Floats) -> Floats:
    """Index of the newest window with data at or before each window."""
    at = np.where(lost, 0, np.arange(lost.size))
    return np.maximum.accumulate(at)


def _felt(
    windows: ResourceWindows, cut: slice, carry: Floats, finished: Floats, busy: Floats
) -> Floats:
    """Felt log latency; where none is sent but waits are (queues), log of wait plus work."""
    latency = windows.log_latency[:, cut][:, carry]
    wait = windows.wait_s[:, cut][:, carry]
    if not np.isnan(latency).all():
        return latency
    with np.errstate(invalid="ignore", divide="ignore"):
        each = (wait + np.nan_to_num(busy)) / finished
        return np.where(finished > 0, np.log(np.maximum(each, 1e-6)), np.nan)


def cost_per_operation(work: Work, usual: Floats, seconds: float) -> Floats:
    """Busy seconds per operation, shrunk toward the tenant's usual cost. [tenants, windows]"""
    done = work.finished * seconds
    spent = work.served * seconds
    shrunk = (spent + PRIOR_OPERATIONS * usual[:, None]) / (done + PRIOR_OPERATIONS)
    return np.where(work.busy_known[:, None] > 0, shrunk, usual[:, None])


def offered(work: Work, cost: Floats) -> Floats:
    """Offered demand in busy seconds per second: served work, or arrivals times cost if more."""
    return np.maximum(
        np.where(work.busy_known[:, None] > 0, work.served, 0.0), work.arrivals * cost
    )
