"""A ring of one resource's newest usage at the finest grain, as arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from analyzer.detect.arrays import MEASURES, SIGNALS, Floats, Normal, ResourceWindows
from collector.model import GRAIN_S, ResourceId, ResourceKind, TenantId

Integers = npt.NDArray[np.int64]

SLACK = 60
"""Windows written before the ring is moved back to the start of its memory."""

RECENT = 60
"""Newest windows by which the detection window is chosen."""

CHOICES_S = (10, 20, 30, 60, 120, 300, 600)
"""Detection windows offered; one is chosen per resource from the data."""


class Ring:
    """Holds the last `length` windows of `GRAIN_S` seconds; grows with tenants.

    Memory is one float32 array [measures, tenants, length + SLACK] with the newest window at a
    moving column, so that what the detector sees is a view and not a copy. `trailing` is what its
    own windows taught, `normal` what is held to be normal now.
    """

    def __init__(
        self,
        resource: ResourceId,
        kind: ResourceKind,
        capacity: float | None,
        length: int,
    ) -> None:
        self.resource = resource
        self.kind = kind
        self.capacity = capacity
        self.length = length
        self.window_s = GRAIN_S
        self.trailing: Normal | None = None
        self.normal: Normal | None = None
        self.learned_at = -1
        self.plans: Mapping[str, str] = {}
        self._planned: tuple[tuple[int, int] | None, tuple[str, ...] | None] = (None, None)
        self.end = 0
        self._origin = 0
        self._first: int | None = None
        self._tenants: dict[TenantId, int] = {}
        self._values = np.full((len(MEASURES), 0, length + SLACK), np.nan, np.float32)
        self._poisoned = np.zeros(length + SLACK, np.bool_)
        self._widths = np.full(length + SLACK, GRAIN_S, np.int64)

    @property
    def tenants(self) -> tuple[TenantId, ...]:
        """In the order of the rows."""
        return tuple(self._tenants)

    def _plans(self) -> tuple[str, ...] | None:
        """Of the tenants in their order; made anew when either changed."""
        key = (id(self.plans), len(self._tenants))
        if self._planned[0] != key:
            told = tuple(self.plans.get(name, "") for name in self._tenants)
            self._planned = key, told if any(told) else None
        return self._planned[1]

    def reserve(self, end: int) -> None:
        """Make room for windows up to grain `end` (exclusive) without showing them yet."""
        if self._first is None:
            self._origin = end - self.length - SLACK
        elif end - self._origin > self._values.shape[2]:
            self._shift(end - self.length)

    def advance(self, end: int) -> None:
        """Make `end` (a grain number, exclusive) the end of the newest window shown."""
        self.reserve(end)
        self.end = max(self.end, end)

    def _shift(self, origin: int) -> None:
        keep = max(self._origin + self._values.shape[2] - origin, 0)
        fresh = np.full_like(self._values, np.nan)
        poisoned = np.zeros_like(self._poisoned)
        widths = np.full_like(self._widths, GRAIN_S)
        if keep:
            fresh[:, :, :keep] = self._values[:, :, -keep:]
            poisoned[:keep] = self._poisoned[-keep:]
            widths[:keep] = self._widths[-keep:]
        self._values, self._poisoned, self._origin = fresh, poisoned, origin
        self._widths = widths

    def write(
        self,
        tenants: list[TenantId],
        who: Integers,
        grains: Integers,
        rows: Floats,
        widths: Integers | None = None,
    ) -> None:
        """Set windows: `rows` [measures (and locks), n] of tenant `tenants[who[n]]` at `grains[n]`,
        each a part of a row that was `widths[n]` seconds long (None: a grain).

        Windows older than the ring or past what is reserved are dropped; a window written again
        replaces what it held.
        """
        places = np.array([self._place(t) for t in tenants], np.int64)
        if grains.size:
            first = int(grains.min())
            self._first = first if self._first is None else min(self._first, first)
        at = grains - self._origin
        fits = (at >= 0) & (at < self._values.shape[2])
        self._make_room(rows.shape[0])
        self._values[: rows.shape[0], places[who[fits]], at[fits]] = rows[:, fits]
        if widths is not None:
            np.maximum.at(self._widths, at[fits], widths[fits])

    def _make_room(self, signals: int) -> None:
        """Locks get memory when the first is sampled."""
        missing = signals - self._values.shape[0]
        if missing > 0:
            more = np.full((missing, *self._values.shape[1:]), np.nan, np.float32)
            self._values = np.concatenate([self._values, more])

    def clear(self, since: int) -> None:
        """Forget windows from grain `since` on: they are about to be read again."""
        self._values[:, :, max(since - self._origin, 0) :] = np.nan
        self._widths[max(since - self._origin, 0) :] = GRAIN_S

    def _place(self, tenant: TenantId) -> int:
        at = self._tenants.setdefault(tenant, len(self._tenants))
        if at >= self._values.shape[1]:
            grow = max(8, self._values.shape[1] // 2)
            more = np.full((self._values.shape[0], grow, self._values.shape[2]), np.nan, np.float32)
            self._values = np.concatenate([self._values, more], axis=1)
        return at

    def poison(self, since: int, until: int) -> None:
        """Windows of an incident never teach what is normal."""
        low, high = max(since - self._origin, 0), max(until - self._origin, 0)
        self._poisoned[low:high] = True

    def choose_window(self) -> None:
        """Detection window: the smallest choice that holds whole sample intervals.

        Tenants scraped every 15 s have rows in two of three 10 s windows; 30 s windows hold two
        samples each. Judged on the newest windows (history often comes coarser than what is live)
        and on the busier half of the tenants.
        """
        low, high = self._bounds()
        low = max(low, high - RECENT)
        count = self._values[1, : len(self._tenants), low:high]
        arrived = self._values[0, : len(self._tenants), low:high]
        there = ~(np.isnan(count) & np.isnan(arrived))
        alive = there.any(axis=0)
        if there.shape[1] < 12 or not alive.any():
            return
        filled = float(np.quantile(there.mean(axis=1), 0.75))
        widest = float(np.quantile(self._widths[low:high][alive], 0.5))
        if filled > 0:
            self.window_s = _window(max(GRAIN_S / filled, widest))

    def _bounds(self) -> tuple[int, int]:
        high = self.end - self._origin
        low = max(high - self.length, 0)
        if self._first is not None:
            low = max(low, self._first - self._origin)
        return low, high

    def _whole(self) -> tuple[int, int, int]:
        """(low, high, factor): where complete detection windows lie, and grains in one."""
        factor = self.window_s // GRAIN_S
        low, high = self._bounds()
        low += -(self._origin + low) % factor
        high -= (self._origin + high) % factor
        return low, max(high, low), factor

    @property
    def newest(self) -> np.datetime64 | None:
        """Start of the newest complete detection window; None: there is none yet."""
        low, high, factor = self._whole()
        return None if high == low else _start((self._origin + high - factor) * GRAIN_S)

    def windows(self) -> ResourceWindows:
        """What the detector reads: complete detection windows, oldest first."""
        low, high, factor = self._whole()
        values = self._values[:, : len(self._tenants), low:high]
        trains = ~self._poisoned[low:high]
        if factor > 1:
            values = _coarser(values, factor)
            trains = np.asarray(trains.reshape(-1, factor).all(axis=1))
        measures = dict(zip(SIGNALS, values, strict=False))
        start = _start((self._origin + low) * GRAIN_S)
        step = np.timedelta64(self.window_s * 1_000_000, "us")
        return ResourceWindows(
            resource=self.resource,
            kind=self.kind,
            tenants=self.tenants,
            ts=start + np.arange(values.shape[2]) * step,
            window_s=float(self.window_s),
            **measures,
            capacity=self.capacity,
            trains=trains,
            normal=self.normal,
            plans=self._plans(),
        )


def _start(seconds: int) -> np.datetime64:
    return np.datetime64(seconds * 1_000_000, "us")


def _window(interval_s: float) -> int:
    """The smallest choice that is a multiple of the interval, or at least three of them."""
    for choice in CHOICES_S:
        parts = choice / interval_s
        if parts >= 2.9 or (parts >= 0.97 and abs(parts - round(parts)) < 0.06):
            return choice
    return CHOICES_S[-1]


def _coarser(values: Floats, factor: int) -> Floats:
    """Windows of `factor` grains: sums; log latency weighted by operations, waiting a mean."""
    measures, tenants, width = values.shape
    grouped = values.reshape(measures, tenants, width // factor, factor)
    known = ~np.isnan(grouped)
    zero = np.where(known, grouped, 0.0)
    # Slice by slice: a reduction over so short an axis costs many times as much.
    total = zero[..., 0].astype(np.float64)
    some = known[..., 0].copy()
    for k in range(1, factor):
        total += zero[..., k]
        some |= known[..., k]
    total[~some] = np.nan
    log_at, wait_at = MEASURES.index("log_latency"), MEASURES.index("waiting")
    weight = np.where(known[log_at], np.where(known[1], grouped[1], 1.0), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        total[log_at] = (zero[log_at] * weight).sum(-1) / weight.sum(-1)
        total[wait_at] /= known[wait_at].sum(-1)
    return total
