"""A spool in memory, and short ways to say what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.store.database import Store
from collector.model import (
    Column,
    Family,
    Frame,
    MeterKind,
    ResourceId,
    Samples,
    SegmentId,
    Series,
    TenantId,
)

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
NOW = datetime(2026, 1, 5, 13, 0, tzinfo=UTC)
SPOOL = Path("spool")
STALE = np.array([0x7FF0000000000002], dtype=np.uint64).view(np.float64)[0]


class FakeDoor:
    """Segments by name. `keep` leaves drained ones in place, as a crash before discard does."""

    def __init__(self) -> None:
        self.segments: dict[Path, list[Frame]] = {}
        self.keep = False

    def put(self, number: int, frames: Sequence[Frame], generation: str = "g1") -> None:
        self.segments[SPOOL / f"{generation}-{number:08d}.seg"] = list(frames)

    def sealed(self, directory: Path) -> list[Path]:
        return sorted(self.segments)

    def segment_id(self, path: Path) -> SegmentId:
        return SegmentId(path.stem)

    def read_segment(self, path: Path) -> Iterator[Frame]:
        return iter(self.segments[path])

    def discard(self, path: Path) -> None:
        if not self.keep:
            self.segments.pop(path, None)


def series(
    sid: int,
    tenant: str = "acme",
    *,
    column: Column = Column.COUNT,
    kind: MeterKind = MeterKind.CUMULATIVE,
    bound: float | None = None,
    resource: str = "db:shard-1",
    identity: int | None = None,
) -> Series:
    return Series(
        sid,
        f"{(sid if identity is None else identity) + 0xABC000:016x}",
        TenantId(tenant),
        ResourceId(resource),
        Family.REQUEST,
        column,
        kind,
        bound,
        None if bound is None else f"latency {tenant}",
    )


def samples(
    *readings: tuple[int, float, float], starts_s: Sequence[float] | None = None
) -> Samples:
    """Readings as (sid, seconds after START, value)."""
    sids, seconds, values = zip(*readings, strict=True)
    starts = None
    if starts_s is not None:
        starts = np.array([START_MS + int(1000 * s) for s in starts_s], dtype=np.int64)
    return Samples(
        np.array(sids, dtype=np.uint32),
        np.array([START_MS + round(1000 * s) for s in seconds], dtype=np.int64),
        np.array(values, dtype=np.float64),
        starts,
    )


def sums(store: Store, name: str = "test_sums") -> dict[str, int | float | None]:
    """Totals of usage_10s by column, null where nothing was ever said."""
    return dict(zip(_TOTALS, _ask(store, _SUMS)[0], strict=True))


def windows(store: Store, column: str = "count") -> dict[int, float]:
    """Seconds after START -> sum of a column over the window that begins there."""
    found = _ask(store, f'SELECT ts, sum("{column}") FROM usage_10s GROUP BY ts')  # noqa: S608
    return {
        int((ts.replace(tzinfo=UTC) - START).total_seconds()): value
        for ts, value in found
        if value is not None
    }


_TOTALS = ("rows", "count", "errors", "busy_us", "b00", "b01", "b02", "b03", "waiting")
_SUMS = """SELECT count(*), sum("count"), sum(errors), sum(busy_us), sum(b00), sum(b01), sum(b02),
sum(b03), sum(waiting) FROM usage_10s"""


def _ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    cursor = store._connection.cursor()
    store.cold.show(cursor, 0)
    return cursor.execute(sql).fetchall()
