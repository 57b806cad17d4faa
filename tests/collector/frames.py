"""Frames, and how two lists of them are compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from collector.decode.usage import SPOOLED_SCHEMA
from collector.model import (
    Column,
    Family,
    Frame,
    MeterKind,
    ResourceId,
    Samples,
    Series,
    TenantId,
    UsageRows,
)


def series(sid: int = 0, tenant: str = "acme", column: Column = Column.COUNT) -> Series:
    return Series(
        sid,
        f"{sid:016x}",
        TenantId(tenant),
        ResourceId("db:shard-1"),
        Family.QUERY,
        column,
        MeterKind.CUMULATIVE,
        bound=float("inf") if column is Column.LATENCY_BUCKET else None,
    )


def samples(*values: float, sid: int = 0, start: int | None = None) -> Samples:
    count = len(values)
    return Samples(
        np.full(count, sid, np.uint32),
        np.arange(count, dtype=np.int64) + 1_700_000_000_000,
        np.array(values, np.float64),
        None if start is None else np.full(count, start, np.int64),
    )


def rows(batch: str = "") -> UsageRows:
    return UsageRows(SPOOLED_SCHEMA.empty_table(), batch)


def plain(frame: Frame) -> object:
    """A frame as a value that compares by its bits (NaN included)."""
    if isinstance(frame, Samples):
        starts = None if frame.start_ms is None else frame.start_ms.tobytes()
        return (frame.sids.tobytes(), frame.ts_ms.tobytes(), frame.values.tobytes(), starts)
    if isinstance(frame, UsageRows):
        return (frame.batch_id, frame.table.to_pylist())
    return frame


def plains(frames: Iterable[Frame]) -> list[object]:
    return [plain(frame) for frame in frames]


def is_prefix(part: Sequence[object], whole: Sequence[object]) -> bool:
    return list(part) == list(whole[: len(part)])
