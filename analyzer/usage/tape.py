"""What a ring holds: signals of tenants, a column a grain; the newest exact, the older in half."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analyzer.detect.arrays import SIGNALS, Bools, Floats

Integers = npt.NDArray[np.int64]
Halves = npt.NDArray[np.uint16]

_LOG = SIGNALS.index("log_latency")
_WAIT = SIGNALS.index("wait_s")


class Tape:
    """The last `length` grains before `make_room`'s `shown`, and room for `ahead` after them.

    The newest `exact` grains are float32 and read as views. Older ones, which only teach what is
    normal, take two bytes: the upper half of a float32 (relative error at most 2^-8, any
    magnitude), a float16 for the logarithm of latencies (absolute error at most 2^-8 below 8).
    They lie in a circle, so that nothing is moved as time goes on. A signal nobody sends takes no
    memory at all.
    """

    def __init__(self, length: int, exact: int, ahead: int) -> None:
        self._exact = min(exact, length)
        self._kept = max(length - self._exact, 1)
        self._held: list[int] = []  # of SIGNALS, in the order of the first axis
        self._new = np.full((0, 0, self._exact + ahead), np.nan, np.float32)
        self._old = np.zeros((0, 0, self._kept), np.uint16)
        self._origin: int | None = None  # the grain of the first exact column

    def make_room(self, shown: int, end: int) -> None:
        """Be able to hold grains up to `end` (exclusive), of which those to `shown` are read."""
        width = self._new.shape[2]
        if self._origin is None:
            self._origin = end - width
        elif end - self._origin > width:
            self._turn(max(min(shown, end) - self._exact, end - width))

    def _turn(self, origin: int) -> None:
        """Columns before grain `origin` leave the exact part for the older one."""
        assert self._origin is not None
        leaving = np.arange(max(self._origin, origin - self._kept), origin)
        self._old[:, :, leaving % self._kept] = self._halved(self._exactly(leaving))
        step, width = origin - self._origin, self._new.shape[2]
        if step < width:
            self._new[:, :, : width - step] = self._new[:, :, step:]
        self._new[:, :, max(width - step, 0) :] = np.nan
        self._origin = origin

    def _exactly(self, grains: Integers) -> Floats:
        """Of these grains at or after the origin what is there; NaN past the end."""
        at = grains - (self._origin or 0)
        inside = at < self._new.shape[2]
        found = np.full((*self._new.shape[:2], grains.size), np.nan, np.float32)
        found[:, :, inside] = self._new[:, :, at[inside]]
        return found

    def grow(self, tenants: int) -> None:
        """Have rows for so many tenants; some more when they come one by one."""
        rows = self._new.shape[1]
        if tenants > rows:
            more = tenants - rows + (tenants // 16 if rows else 0)
            self._new = _wider(self._new, more, 1, np.float32(np.nan))
            self._old = _wider(self._old, more, 1, UNKNOWN)

    def write(self, who: Integers, grains: Integers, rows: Floats) -> None:
        """Set `rows` [signals, n] of tenant row `who[n]` at `grains[n]`; what is older than the
        tape or past its room is dropped."""
        if self._origin is None:
            return
        self._hold(rows)
        at = grains - self._origin
        new: Bools = (at >= 0) & (at < self._new.shape[2])
        old: Bools = (at < 0) & (at >= -self._kept)
        late = bool(np.any(old))
        for slot, signal in enumerate(self._held):
            if signal < rows.shape[0]:
                self._new[slot, who[new], at[new]] = rows[signal, new]
                if late:
                    told = _half(rows[signal, old].astype(np.float32), log=signal == _LOG)
                    self._old[slot, who[old], grains[old] % self._kept] = told

    def _hold(self, rows: Floats) -> None:
        """A signal gets memory when it is first told. Waits are read only where nobody tells a
        latency: where somebody does, they get none."""
        told = np.asarray(np.isfinite(rows).any(axis=1))
        told[_WAIT] &= not (told[_LOG] or _LOG in self._held)
        fresh = [k for k in range(rows.shape[0]) if told[k] and k not in self._held]
        if fresh:
            self._new = _wider(self._new, len(fresh), 0, np.float32(np.nan))
            self._old = _wider(self._old, len(fresh), 0, UNKNOWN)
            self._held += fresh

    def clear(self, since: int) -> None:
        """Forget grains from `since` on."""
        if self._origin is None:
            return
        self._new[:, :, max(since - self._origin, 0) :] = np.nan
        if since < self._origin:
            gone = np.arange(max(since, self._origin - self._kept), self._origin)
            self._old[:, :, gone % self._kept] = UNKNOWN

    def read(self, tenants: int, low: int, high: int) -> dict[str, Floats]:
        """Told signals by name, each [tenants, high - low] of grains low..high; a view where all
        of it is exact."""
        origin = self._origin or 0
        found = {}
        for slot, signal in enumerate(self._held):
            new = self._new[slot, :tenants, max(low - origin, 0) : max(high - origin, 0)]
            if low < origin:
                grains = np.arange(low, min(origin, high))
                older = self._old[slot, :tenants][:, grains % self._kept]
                new = np.concatenate([_whole(older, log=signal == _LOG), new], axis=1)
            found[SIGNALS[signal]] = new
        return found

    def _halved(self, values: Floats) -> Halves:
        found = np.empty(values.shape, np.uint16)
        for slot, signal in enumerate(self._held):
            found[slot] = _half(values[slot], log=signal == _LOG)
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        return self._new.nbytes + self._old.nbytes


UNKNOWN = np.uint16(0x7FFF)
"""Not a number, read either way."""


def _half(values: Floats, *, log: bool) -> Halves:
    """float32 in two bytes, rounded to nearest."""
    if log:
        short: Halves = values.astype(np.float16).view(np.uint16)
        return np.where(np.isnan(values), UNKNOWN, short)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    upper: Halves = ((bits + np.uint32(0x8000)) >> np.uint32(16)).astype(np.uint16)
    return np.where(np.isnan(values), UNKNOWN, upper)


def _whole(halves: Halves, *, log: bool) -> Floats:
    if log:
        found: Floats = halves.view(np.float16).astype(np.float32)
        return found
    return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _wider(array: Floats, more: int, axis: int, fill: np.generic) -> Floats:
    shape = list(array.shape)
    shape[axis] = more
    return np.concatenate([array, np.full(shape, fill, array.dtype)], axis=axis)
