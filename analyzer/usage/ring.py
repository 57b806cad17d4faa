"""A ring of one resource's newest usage at the finest grain, as arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from analyzer.detect.arrays import LOCKS, MEASURES, SIGNALS, Floats, Normal, ResourceWindows
from analyzer.usage.tape import Tape
from collector.model import GRAIN_S, ResourceId, ResourceKind, TenantId

Integers = npt.NDArray[np.int64]

BUSY = SIGNALS.index("busy_s")

AHEAD = 16
"""Grains a ring has room for after the newest one shown."""

EXACT = 72
"""Newest grains held exactly: what the detector looks at in windows of 10 s and of 30 s."""

RECENT = 60
"""Newest windows by which the detection window is chosen."""

CHOICES_S = (10, 20, 30, 60, 120, 300, 600)
"""Detection windows offered; one is chosen per resource from the data."""


class Ring:
    """Holds the last `length` windows of `GRAIN_S` seconds; grows with tenants.

    `trailing` is what its own windows taught, `normal` what is held to be normal now.
    """

    def __init__(
        self,
        resource: ResourceId,
        kind: ResourceKind,
        capacity: float | None,
        length: int,
        ahead: int = AHEAD,
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
        self.tape = Tape(length, EXACT, ahead)
        self._busy = np.zeros(0, np.int64)  # after the newest grain with server time, by tenant
        self._poisoned = np.zeros(length + ahead, np.bool_)
        self._widths = np.full(length + ahead, GRAIN_S, np.int64)

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
        self.tape.make_room(self.end, end)
        width = self._poisoned.size
        if self._first is None:
            self._origin = end - width
        elif end - self._origin > width:
            self._shift(max(min(self.end, end) - self.length, end - width))

    def advance(self, end: int) -> None:
        """Make `end` (a grain number, exclusive) the end of the newest window shown."""
        self.reserve(end)
        self.end = max(self.end, end)

    def _shift(self, origin: int) -> None:
        step, width = origin - self._origin, self._poisoned.size
        for array, fill in ((self._poisoned, False), (self._widths, GRAIN_S)):
            if step < width:
                array[: width - step] = array[step:].copy()
            array[max(width - step, 0) :] = fill
        self._origin = origin

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
        whose = self._places(tenants)[who]
        if grains.size:
            first = int(grains.min())
            self._first = first if self._first is None else min(self._first, first)
        self.tape.write(whose, grains, rows)
        timed = np.isfinite(rows[BUSY])
        np.maximum.at(self._busy, whose[timed], grains[timed] + 1)
        if widths is not None:
            at = grains - self._origin
            fits = (at >= 0) & (at < self._widths.size)
            np.maximum.at(self._widths, at[fits], widths[fits])

    def _places(self, tenants: list[TenantId]) -> Integers:
        """Rows of these tenants; new ones get the next."""
        places = [self._tenants.setdefault(t, len(self._tenants)) for t in tenants]
        self.tape.grow(len(self._tenants))
        if len(self._tenants) > self._busy.size:
            self._busy = np.pad(self._busy, (0, len(self._tenants) - self._busy.size))
        return np.array(places, np.int64)

    def clear(self, since: int) -> None:
        """Forget windows from grain `since` on: they are about to be read again."""
        self.tape.clear(since)
        self._widths[max(since - self._origin, 0) :] = GRAIN_S

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
        told = self.tape.read(len(self._tenants), self._origin + low, self._origin + high)
        there = np.zeros((len(self._tenants), high - low), np.bool_)
        for name in ("arrived", "count"):
            there |= np.isfinite(told.get(name, np.nan))
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

    def windows(self, last: int | None = None) -> ResourceWindows:
        """What the detector reads: complete detection windows, oldest first; the `last` so many."""
        low, high, factor = self._whole()
        if last is not None:
            low = max(low, high - last * factor)
        tenants, size = len(self._tenants), (high - low) // factor
        told = self.tape.read(tenants, self._origin + low, self._origin + high)
        trains = ~self._poisoned[low:high]
        if factor > 1:
            told = _coarser(told, factor)
            trains = np.asarray(trains.reshape(-1, factor).all(axis=1))
        nothing = np.broadcast_to(np.float32(np.nan), (tenants, size))
        start = _start((self._origin + low) * GRAIN_S)
        step = np.timedelta64(self.window_s * 1_000_000, "us")
        return ResourceWindows(
            resource=self.resource,
            kind=self.kind,
            tenants=self.tenants,
            ts=start + np.arange(size) * step,
            window_s=float(self.window_s),
            **{name: told.get(name, nothing) for name in MEASURES},
            **{name: told[name] for name in LOCKS if name in told},
            capacity=self.capacity,
            trains=trains,
            normal=self.normal,
            plans=self._plans(),
            busy_known=self._busy[:tenants] > self.end - self.length,
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


def _coarser(told: Mapping[str, Floats], factor: int) -> dict[str, Floats]:
    """Windows of `factor` grains: sums; log latency weighted by operations."""
    grouped = {k: v.reshape(v.shape[0], v.shape[1] // factor, factor) for k, v in told.items()}
    found = {}
    for name, values in grouped.items():
        known = ~np.isnan(values)
        zero = np.where(known, values, 0.0)
        if name == "log_latency":
            count = grouped.get("count")
            usual = 1.0 if count is None else np.where(np.isnan(count), 1.0, count)
            weight = np.where(known, usual, 0.0)
            zero *= weight
        # Slice by slice: a reduction over so short an axis costs many times as much.
        total = zero[..., 0].astype(np.float64)
        some = known[..., 0].copy()
        for k in range(1, factor):
            total += zero[..., k]
            some |= known[..., k]
        total[~some] = np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            if name == "log_latency":
                total /= weight.sum(-1)
        found[name] = total
    return found
