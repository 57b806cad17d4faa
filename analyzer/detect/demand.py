"""Offered demand: what a tenant asks of the resource, whether or not it is served.

A victim's longer waits are no demand (law 2): only server time and arrivals count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.arrays import Bools, Floats, ResourceWindows, trailing_sum, zeroed

PRIOR_OPERATIONS = 5.0
"""Weight of a tenant's long-run cost per operation against what the last windows show."""


@dataclass(frozen=True, slots=True)
class Work:
    """Smoothed work, [tenants, windows], lost windows carried forward.

    `arrivals`, `finished`, `errors`, `volume` and `served` are per second (`served` in busy
    seconds per second); `operations` is the number finished in the smoothing span; `felt` the mean
    log latency over the span (NaN: nothing finished); `lost` [windows] marks windows without data;
    `busy_known` [tenants] says whose server time is measured. `blocked` and `blocking` are seconds
    of lock waits per second, suffered and caused (0 where `locks_known` is false).
    """

    arrivals: Floats
    finished: Floats
    operations: Floats
    errors: Floats
    served: Floats
    volume: Floats
    felt: Floats
    lost: Bools
    busy_known: Bools
    blocked: Floats
    blocking: Floats
    locks_known: bool


def measure(windows: ResourceWindows, start: int, span: int) -> Work:
    """Work of the windows from `start` on, each smoothed over the `span` windows up to it."""
    cut = slice(max(start - span + 1, 0), None)
    keep = slice(min(start, span - 1), None)
    seen = _Raw(windows, cut)
    timed = np.where(np.isnan(seen.log_latency), 0.0, seen.finished)
    timed_span = trailing_sum(timed, span)
    logs = trailing_sum(timed * zeroed(seen.log_latency), span)
    length = np.minimum(np.arange(seen.lost.size) + 1, span) * windows.window_s
    operations = trailing_sum(seen.finished, span)

    def rate(values: Floats | None) -> Floats:
        if values is None:
            return np.zeros_like(operations[:, keep])
        smooth: Floats = trailing_sum(values, span) / length
        return smooth[:, keep]

    with np.errstate(invalid="ignore", divide="ignore"):
        felt = np.where(timed_span > 0, logs / timed_span, np.nan)
    return Work(
        arrivals=rate(seen.begun),
        finished=(operations / length)[:, keep],
        operations=operations[:, keep],
        errors=rate(seen.errors),
        served=rate(seen.busy),
        volume=rate(seen.volume),
        felt=felt[:, keep],
        lost=seen.lost[keep],
        busy_known=seen.busy_known,
        blocked=rate(seen.blocked),
        blocking=rate(seen.blocking),
        locks_known=windows.blocking_s is not None,
    )


class _Raw:
    """The windows of a cut with lost ones replaced by the last that came, unknown counts as 0."""

    def __init__(self, windows: ResourceWindows, cut: slice) -> None:
        unseen = np.isnan(windows.arrived[:, cut]) & np.isnan(windows.count[:, cut])
        self.lost: Bools = np.asarray(unseen.all(axis=0))
        at = _carry(self.lost) if self.lost.any() else None

        def taken(values: Floats) -> Floats:
            return values[:, cut] if at is None else values[:, cut][:, at]

        count, arrived = taken(windows.count), taken(windows.arrived)
        self.finished = zeroed(np.where(np.isnan(count), arrived, count))
        self.begun = zeroed(np.where(np.isnan(arrived), count, arrived))
        self.busy, self.errors = zeroed(taken(windows.busy_s)), zeroed(taken(windows.errors))
        self.volume = zeroed(taken(windows.volume))
        self.blocked, self.blocking = (
            None if known is None else zeroed(taken(known))
            for known in (windows.blocked_s, windows.blocking_s)
        )
        # A window without traffic shows no server time either: any known one in the ring counts.
        known = windows.busy_known
        self.busy_known: Bools = (
            np.asarray((~np.isnan(windows.busy_s)).any(axis=1)) if known is None else known
        )
        self.log_latency = taken(windows.log_latency)
        if np.isnan(self.log_latency).all():
            self.log_latency = _waited(taken(windows.wait_s), self.busy, self.finished)


def _carry(lost: Bools) -> Floats:
    """Index of the newest window with data at or before each window."""
    at: Floats = np.maximum.accumulate(np.where(lost, 0, np.arange(lost.size)))
    return at


def _waited(wait: Floats, busy: Floats, finished: Floats) -> Floats:
    """Queues that send waits and no latency: log of wait plus work per operation."""
    with np.errstate(invalid="ignore", divide="ignore"):
        each = (wait + busy) / finished
        felt: Floats = np.where(finished > 0, np.log(np.maximum(each, 1e-6)), np.nan)
    return felt


def cost_per_operation(work: Work, usual: Floats, seconds: float) -> Floats:
    """Busy seconds per operation, shrunk toward the tenant's usual cost. [tenants, windows]

    Where work arrives and hardly any finishes, server time belongs to operations still running:
    divided by the few that finished it would make a victim look dear, so the usual cost stands.
    Who was turned away finished at once and cost nothing; who failed late cost as much as any: the
    truth lies between counting failures and not counting them, as near the usual as it can.
    """
    done = work.finished * seconds
    spent = work.served * seconds
    believed = spent + PRIOR_OPERATIONS * usual[:, None]
    cheap = believed / (done + PRIOR_OPERATIONS)
    dear = believed / (np.maximum(done - work.errors * seconds, 0.0) + PRIOR_OPERATIONS)
    shrunk = np.clip(usual[:, None], cheap, dear)
    stuck = work.finished < 0.3 * work.arrivals
    told = work.busy_known[:, None] & ~stuck
    cost: Floats = np.where(told, shrunk, usual[:, None])
    return cost


def offered(work: Work, cost: Floats) -> Floats:
    """Busy seconds per second: served work, or arrivals times cost if that is more.

    Who catches up on what waited is served more than it asks: only arrivals count then (law 2).
    """
    catching_up = work.finished > 1.15 * work.arrivals
    served = np.where(work.busy_known[:, None] & ~catching_up, work.served, 0.0)
    demand: Floats = np.maximum(served, work.arrivals * cost)
    return demand
