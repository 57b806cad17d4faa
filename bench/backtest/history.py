"""The recorded history the backtest bench reads, made by a simulated platform."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector.receivers.simulated import Platform, Surge

BEGINS = datetime(2026, 11, 2, tzinfo=UTC)
WINDOW = timedelta(seconds=10)
HOUR = 360  # windows


def write_history(directory: Path, tenants: int, hours: int) -> int:
    """Record the platform; returns the rows."""
    platform = Platform(tenants)
    shard = platform.shared[0].id
    noisy = platform.middling(shard, 20)
    surges = [
        Surge(noisy, shard, BEGINS + timedelta(hours=at), BEGINS + timedelta(hours=at, minutes=10))
        for at in range(2, hours, 3)
    ]
    rows, writer = 0, None
    for hour in range(hours):
        at = BEGINS + timedelta(hours=hour)
        calm = not any(s.begins < at + timedelta(hours=1) and s.ends > at for s in surges)
        if calm:
            table = platform.history(at, 10, HOUR).sort_by("ts")
        else:
            windows = [platform.live(at + k * WINDOW, 10, surges) for k in range(HOUR)]
            table = pa.concat_tables(windows)
        if writer is None:
            writer = pq.ParquetWriter(directory / "usage.parquet", table.schema)
        writer.write_table(table)
        rows += table.num_rows
    assert writer is not None
    writer.close()
    told = {one.id: {"kind": one.kind.value, "capacity": one.cores} for one in platform.shared}
    (directory / "resources.json").write_text(json.dumps(told), "utf-8")
    return rows
