"""`python -m bench.cycle`: what one cycle costs, from roll-up to decision, as tenants grow.

A simulated platform of 200 tenants a database sends windows of 10 s through the collector's door
into a store on disk; one shard has a noisy neighbour, so that the judgement has something to do.
The drain is timed apart (`bench.ingest` compares it with peers), and the checkpoint, a job of its
own in the service. No peer judges: the curve is what
there is to compare with.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from analyzer.app import Analyzer
from analyzer.config import AnalyzerSettings, ResourceSettings
from analyzer.upkeep.fold import fold_long_log
from analyzer.usage import baseline, questions, rollup
from bench.cycle.sender import PER_SHARD, begin, history, live, shards

WINDOW = timedelta(seconds=10)
HISTORY_S = 2400
FINE = 66  # windows
LIVE = 18


@dataclass
class Times:
    """Seconds of one phase, a figure for each cycle: on the wall and of CPU."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, work: Callable[[], object]) -> object:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return result


class House:
    """An analyzer with its store, and a sender in another process."""

    def __init__(self, directory: Path, tenants: int, memory_limit: str) -> None:
        today = datetime.now(UTC)
        self.begins = today.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
        self.analyzer = Analyzer.open(
            AnalyzerSettings(
                data=directory,
                memory_limit=memory_limit,
                resources=tuple(ResourceSettings(s.id, s.kind, s.cores) for s in shards(tenants)),
            ),
            clock=lambda: self.begins,
        )
        self._sender = ProcessPoolExecutor(
            1, get_context("spawn"), initializer=begin, initargs=(directory, tenants)
        )

    def close(self) -> None:
        self._sender.shutdown()
        self.analyzer.close()

    def history(self) -> None:
        """Most of an hour in minutes, then windows as they come live: by those the detector's own
        window is chosen."""
        for width_s, windows in ((60, HISTORY_S // 60), (10, FINE)):
            self._sender.submit(history, self.begins, width_s, windows).result()
            self.begins += windows * timedelta(seconds=width_s)
            self.cycle({})

    def live(self, times: dict[str, Times]) -> int:
        """Cycles, one a window; the incidents and decisions that moved."""
        moved, surge_from = 0, self.begins + 3 * WINDOW
        for _ in range(LIVE):
            self._sender.submit(live, self.begins, surge_from).result()
            self.begins += WINDOW
            moved += self.cycle(times)
        return moved

    def cycle(self, times: dict[str, Times]) -> int:
        """`run_cycle`, call by call."""
        rooms = self.analyzer.rooms
        now = self.begins + timedelta(seconds=rooms.retention.grace_s + 1)

        def timed(name: str, work: Callable[[], object]) -> object:
            return times.setdefault(name, Times()).measure(work)

        def learn() -> None:
            until = rollup.watermark(rooms.store)
            if until is not None:
                baseline.refresh(rooms.store, until=until)
                questions.learn_expected(rooms.store, until=until)

        def judge() -> int:
            until = rollup.watermark(rooms.store)
            judged = rooms.judge.judge(until, now=now) if until is not None else ()
            return sum(len(one.transitions) + len(one.decisions) for one in judged)

        def drain() -> None:
            rooms.judge.wrote(rooms.ingest.drain(rooms.spool, now=now).oldest)

        timed("checkpoint", lambda: fold_long_log(rooms.store))
        timed("drain", drain)
        timed("roll up", lambda: rollup.roll_up(rooms.store, now=now, settings=rooms.retention))
        timed("learn", learn)
        moved = timed("judge", judge)
        assert isinstance(moved, int)
        return moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--tenants", type=int, nargs="*", default=[1_000, 3_000, 10_000, 30_000])
    parser.add_argument("--memory-limit", default=AnalyzerSettings().memory_limit)
    args = parser.parse_args()
    print(f"seconds a cycle, median (p90) on the wall; c: CPU; memory_limit {args.memory_limit}")
    for tenants in args.tenants:
        with tempfile.TemporaryDirectory() as folder:
            house = House(Path(folder), tenants, args.memory_limit)
            _forget_peak()
            house.history()
            times: dict[str, Times] = {}
            whole_peak = _peak_mib()
            _forget_peak()
            moved = house.live(times)
            live_peak = _peak_mib()
            house.close()
        told = {name: _told(one) for name, one in times.items()}
        judged = ("roll up", "learn", "judge")
        whole = [sum(t) for t in zip(*(times[n].wall for n in judged), strict=True)]
        cpu = [sum(t) for t in zip(*(times[n].cpu for n in judged), strict=True)]
        print(
            f"{tenants:>7} tenants, {max(tenants // PER_SHARD, 1):>4} resources: "
            f"roll-up to decision {_told(Times(whole, cpu))}; "
            + ", ".join(f"{name} {text}" for name, text in told.items())
            + f"; {moved} transitions; peak of the cycles {live_peak:.0f} MiB, "
            f"of reading the history before them {whole_peak:.0f} MiB",
            flush=True,
        )


def _peak_mib() -> float:
    """Most memory the process held since `_forget_peak` (Linux)."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["VmHWM"].split()[0]) / 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _told(times: Times) -> str:
    wall, cpu = np.array(times.wall), np.array(times.cpu)
    return f"{np.median(wall):.3f} ({np.quantile(wall, 0.9):.3f}) c {np.median(cpu):.3f}"


if __name__ == "__main__":
    main()
