"""`python -m bench.backtest`: how much faster than real time recorded history is judged.

A simulated platform (200 tenants on four shards, a pool, a queue and a cache) is recorded in
windows of 10 s, a row group an hour, with a noisy neighbour for ten minutes every three hours;
then `partywall backtest`'s engine reads it. No peer judges; the figure is seconds of history a
second of wall time, reading included.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analyzer.backtest.replay import backtest
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--hours", type=int, nargs="*", default=[6, 24])
    told = parser.parse_args()
    for hours in told.hours:
        with tempfile.TemporaryDirectory() as folder:
            rows = write_history(Path(folder), told.tenants, hours)
            wall, cpu = time.perf_counter(), time.process_time()
            verdicts = list(backtest(Path(folder)))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{told.tenants} tenants, 7 resources, {hours} h, {rows:,} rows: {wall:.1f} s "
            f"(c {cpu:.1f}), {hours * 3600 / wall:,.0f} x real time; {len(verdicts)} incidents; "
            f"peak so far {peak:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
