"""`python -m bench.backtest`: how much faster than real time recorded history is judged.

A simulated platform (200 tenants on four shards, a pool, a queue and a cache) is recorded in
windows of 10 s, a row group an hour, with a noisy neighbour for ten minutes every three hours;
then `partywall backtest`'s engine reads it. No peer judges; the figure is seconds of history a
second of wall time, reading included.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from analyzer.backtest.replay import backtest
from bench.backtest.history import write_history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--hours", type=int, nargs="*", default=[6, 24])
    told = parser.parse_args()
    for hours in told.hours:
        with tempfile.TemporaryDirectory() as folder:
            with ProcessPoolExecutor(1, get_context("spawn")) as other:  # its memory is not ours
                rows = other.submit(write_history, Path(folder), told.tenants, hours).result()
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
