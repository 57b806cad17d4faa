"""Operations summed into usage rows: one cell per window, resource, tenant and family."""

from __future__ import annotations

import bisect
import threading
from dataclasses import dataclass, field

LATENCY_BOUNDS: tuple[float, ...] = tuple(2.0 ** (k / 2) for k in range(-20, 11))
"""Seconds; the collector's default bounds, so rows need not carry them."""

Key = tuple[str, str, str]
"""Resource, tenant, family."""

Row = dict[str, object]


@dataclass(slots=True)
class Observation:
    """What happened to some operations of one tenant. None: not measured."""

    resource: str
    tenant: str
    family: str = "request"
    arrived: int | None = None
    finished: int | None = None
    errors: int | None = None
    latency_s: float | None = None
    busy_s: float | None = None
    wait_s: float | None = None
    volume: int | None = None
    throttled: int | None = None


@dataclass(slots=True)
class _Cell:
    sums: dict[str, float] = field(default_factory=dict)
    buckets: list[int] | None = None

    def add(self, one: Observation) -> None:
        self._sum("arrived", one.arrived)
        self._sum("count", one.finished)
        self._sum("errors", one.errors)
        self._sum("busy_s", one.busy_s)
        self._sum("wait_s", one.wait_s)
        self._sum("volume", one.volume)
        self._sum("throttled", one.throttled)
        if one.latency_s is not None:
            self._sum("latency_sum_s", one.latency_s)
            if self.buckets is None:
                self.buckets = [0] * (len(LATENCY_BOUNDS) + 1)
            self.buckets[bisect.bisect_left(LATENCY_BOUNDS, one.latency_s)] += 1

    def _sum(self, name: str, value: float | None) -> None:
        if value is not None:
            self.sums[name] = self.sums.get(name, 0) + value


class Windows:
    """Thread safe. Holds at most `max_cells` cells; what does not fit is counted in `dropped`."""

    def __init__(self, *, window_s: int = 10, max_cells: int = 20_000) -> None:
        self.dropped = 0
        self._window_s = window_s
        self._max_cells = max_cells
        self._lock = threading.Lock()
        self._cells: dict[int, dict[Key, _Cell]] = {}
        self._count = 0
        self._levels: dict[Key, int] = {}

    def add(self, one: Observation, *, now_s: float) -> None:
        """Count an observation in the window of `now_s`."""
        with self._lock:
            cell = self._cell((one.resource, one.tenant, one.family), now_s)
            if cell is not None:
                cell.add(one)

    def shift(self, key: Key, by: int, *, now_s: float) -> None:
        """Change how many operations are in flight; a row reports the peak of its window."""
        with self._lock:
            level = max(self._levels.get(key, 0) + by, 0)
            if level:
                self._levels[key] = level
            else:
                self._levels.pop(key, None)
            cell = self._cell(key, now_s)
            if cell is not None:
                peak = max(cell.sums.get("waiting", 0), level, level - by)
                cell.sums["waiting"] = peak

    def take(self, *, now_s: float) -> list[Row]:
        """Remove the windows that ended before `now_s`, as rows of the native format."""
        open_start = self._start(now_s)
        with self._lock:
            ended = [start for start in self._cells if start < open_start]
            taken = {start: self._cells.pop(start) for start in sorted(ended)}
            self._count -= sum(len(cells) for cells in taken.values())
        return [
            self._row(start, key, cell)
            for start, cells in taken.items()
            for key, cell in cells.items()
        ]

    def _start(self, now_s: float) -> int:
        return int(now_s // self._window_s) * self._window_s

    def _cell(self, key: Key, now_s: float) -> _Cell | None:
        cells = self._cells.setdefault(self._start(now_s), {})
        cell = cells.get(key)
        if cell is None:
            if self._count >= self._max_cells:
                self.dropped += 1
                return None
            self._count += 1
            cell = cells[key] = _Cell()
        return cell

    def _row(self, start: int, key: Key, cell: _Cell) -> Row:
        resource, tenant, family = key
        row: Row = {"ts": start, "window_s": self._window_s, "tenant": tenant}
        row |= {"resource": resource, "family": family, **cell.sums}
        if cell.buckets is not None:
            row["latency_buckets"] = cell.buckets
        return row
