"""`python -m bench.ingest`: each case on each server in turn, repeated; medians and ratios.

A run starts a server on an empty directory, sends one step of series never seen (the storm), lets
the server settle, then sends the other steps. CPU is what the server's processes used from the
first byte until everything was settled: ours includes the fsync before each answer, the analyzer's
drain, its commits and a checkpoint; the peers do not sync before they answer.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ingest.bodies import FORMS, Load, load
from bench.ingest.send import send
from bench.ingest.servers import SERVERS, Server, installed


@dataclass(frozen=True, slots=True)
class Case:
    form: str
    tenants: int
    size: int
    connections: int
    steps: int

    @property
    def name(self) -> str:
        return f"{self.form}, {self.tenants:,} tenants, {self.size:,} a body, {self.connections} c"


@dataclass(frozen=True, slots=True)
class Result:
    """One run. Rates are samples (or new series) per second."""

    per_cpu: float
    per_wall: float
    new_per_cpu: float
    ack_p50_ms: float
    ack_p99_ms: float
    peak_mb: float
    parts: str


CASES = {
    "main": (Case("RW1", 10_000, 10_000, 1, 20), Case("RW1", 10_000, 10_000, 2, 20)),
    "sizes": (
        Case("RW1", 10_000, 1_000, 1, 12), Case("RW1", 10_000, 2_000, 1, 12),
        Case("RW1", 1_000, 1_000, 1, 60), Case("RW1", 1_000, 2_000, 2, 60),
        Case("RW1", 1_000, 10_000, 1, 60),
    ),
    "forms": (
        Case("RW2", 10_000, 10_000, 1, 12), Case("RW2", 1_000, 2_000, 1, 60),
        Case("OTLP", 10_000, 5_000, 1, 20), Case("OTLP", 1_000, 2_000, 1, 60),
    ),
    "curve": tuple(
        Case("RW1", tenants, 10_000, 1, max(6, min(400, 400_000 // tenants)))
        for tenants in (100, 1_000, 10_000, 100_000)
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--servers", nargs="*", default=None, help="of: " + ", ".join(SERVERS))
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--prometheus-steps", type=int, default=5, help="it is slow: fewer steps")
    args = parser.parse_args()
    servers = args.servers or [name for name in installed() if name != "whole"]
    for group in args.cases:
        chosen = ["partywall"] if group == "curve" and not args.servers else servers
        print(f"\n## {group}", flush=True)
        for case in CASES[group]:
            measure(case, chosen, args.reps, args.prometheus_steps)


def measure(case: Case, servers: Sequence[str], reps: int, few: int) -> None:
    """Run a case on all servers that take its form, interleaved, and print its lines."""
    form = FORMS[case.form]
    there = [name for name in servers if case.form in SERVERS[name].paths]
    body = load(form, case.tenants, case.size, case.connections, case.steps, _now_ms())
    found: dict[str, list[Result]] = {name: [] for name in there}
    for _ in range(reps):
        for name in there:
            slow = name.startswith("prometheus")
            steps = min(case.steps, few + 1) if slow else case.steps
            found[name].append(run(SERVERS[name], body, steps))
    show(case, found)


def run(kind: type[Server], body: Load, steps: int) -> Result:
    """One server, from empty."""
    directory = Path(tempfile.mkdtemp(prefix="bench-ingest-"))
    server = kind(directory / kind.name.split(",")[0])
    path, headers = kind.paths[body.form.name], body.form.headers
    try:
        server.start()
        idle = server.cpu_s()
        send(server.port, path, headers, body.bodies[:1])
        server.settle()
        begun, each = server.cpu_s(), server.cpu_of_each()
        sent = send(server.port, path, headers, body.bodies[1:steps])
        server.settle()
        used = server.cpu_s() - begun
        parts = " + ".join(f"{a - b:.2f}" for a, b in zip(server.cpu_of_each(), each, strict=True))
        count = body.samples_a_step * (steps - 1)
        return Result(
            count / used, count / sent.wall_s, body.samples_a_step / max(begun - idle, 0.01),
            sent.ack_ms(0.5), sent.ack_ms(0.99), sum(server.peak_mb()), parts,
        )  # fmt: skip
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def show(case: Case, found: dict[str, list[Result]]) -> None:
    """A line a server, and our ratios to each peer."""
    print(f"\n{case.name}")
    print(
        "| server | samples/CPU-s | all runs | wall samples/s | new series/CPU-s "
        "| ack p50 / p99 ms | peak MB | CPU s of its processes |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, runs in found.items():
        middle, far = (_median(r.ack_p50_ms for r in runs), _median(r.ack_p99_ms for r in runs))
        print(
            f"| {name} | {_k(r.per_cpu for r in runs)} | {_each(r.per_cpu for r in runs)} "
            f"| {_k(r.per_wall for r in runs)} | {_k(r.new_per_cpu for r in runs)} "
            f"| {middle:.1f} / {far:.1f} "
            f"| {max(r.peak_mb for r in runs):.0f} | {runs[-1].parts} |"
        )
    for name in found:
        if name not in {"partywall", "whole"} and "partywall" in found:
            print(f"ratio to {name}: {_ratios(found['partywall'], found[name])}", flush=True)


RATIOS = {
    "samples/CPU-s": "per_cpu",
    "wall": "per_wall",
    "new series/CPU-s": "new_per_cpu",
    "ack p99": "ack_p99_ms",
}


def _ratios(ours: Sequence[Result], theirs: Sequence[Result]) -> str:
    """The medians of the ratios of runs that followed each other."""
    pairs = list(zip(ours, theirs, strict=True))
    return ", ".join(
        f"{name} {_median(getattr(a, field) / getattr(b, field) for a, b in pairs):.2f}x"
        for name, field in RATIOS.items()
    )


def _median(numbers: Iterable[float]) -> float:
    return statistics.median(numbers)


def _k(rates: Iterable[float]) -> str:
    return f"{_median(rates) / 1000:,.0f} k"


def _each(rates: Iterable[float]) -> str:
    return ", ".join(f"{rate / 1000:,.0f}" for rate in rates)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main()
