"""`python -m bench.detect`: one table. Seeds below 1000 tune, seeds from 1000 on are reported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from bench.detect.families import FAMILIES
from bench.detect.rivals import RULES
from bench.detect.score import (
    Row,
    calibration,
    counterfactual,
    counts,
    delays,
    f1,
    judge_run,
    told_apart,
)
from bench.detect.worlds import Shape

LOADS = {
    "synthetic, 40 tenants": Shape(),
    "synthetic, 12 tenants": Shape(tenants=12),
    "synthetic, 120 tenants": Shape(tenants=120),
    "real clients A, bursty": Shape(traces="A"),
    "real clients B, burstier": Shape(traces="B"),
}

HARD = ("lock_hog", "cache_thrash", "collapse")
"""Families reported apart, as the published figures do."""

Job = tuple[str, int, Shape]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="seeds per family and load")
    parser.add_argument("--first", type=int, default=1000, help="first seed; below 1000 is tuning")
    parser.add_argument("--loads", type=int, nargs="*", default=list(range(len(LOADS))))
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    chosen = [name for k, name in enumerate(LOADS) if k in args.loads]
    seeds = range(args.first, args.first + args.seeds)
    with ProcessPoolExecutor(args.jobs) as pool:
        for name in chosen:
            jobs = [(f, s, LOADS[name]) for f in args.families for s in seeds]
            rows = list(pool.map(_job, jobs, chunksize=2))
            print(f"\n## {name} (seeds {seeds.start}..{seeds.stop - 1})")
            table(rows)
            if args.verbose:
                details(rows)


def _job(job: Job) -> Row:
    return judge_run(*job)


def table(rows: Sequence[Row]) -> None:
    """Ours, then each rival at its best threshold on these very rows (a gift to them)."""
    plain = [r for r in rows if r.family not in HARD]
    print(
        "| set (runs, aggressors) | P | R | F1 | F1 re-simulated | wrong/tenant-week "
        "| TTD50 | TTD90 |"
    )
    print("|---|---|---|---|---|---|---|---|")
    _line("all but the hard ones", plain)
    for family in HARD:
        _line(family, [r for r in rows if r.family == family])
    right, of = told_apart(plain)
    error, brier = calibration(plain)
    middle, far = counterfactual(plain)
    print(
        f"capacity/degraded told apart {right}/{of} · calibration error {error:.3f}, Brier "
        f"{brier:.3f} · counterfactual |ln error| median {middle:.2f}, p90 {far:.2f}"
    )
    for rule, levels in RULES.items():
        scored = [(_rival(plain, (rule, level)), level) for level in levels]
        best, level = max(scored)
        print(f"rival {rule} at {level:g}: F1 {best:.3f}")


def _rival(rows: Sequence[Row], key: tuple[str, float]) -> float:
    summed = np.array([r.rivals.get(key, (0, 0, len(r.truth.aggressors))) for r in rows]).sum(0)
    return f1(*(int(v) for v in summed))[2]


def _line(name: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    p, r, f = f1(*counts(rows))
    again = f1(*counts(rows, simulated=True))[2]
    wrong = counts(rows, simulated=True)[1] / sum(row.tenant_weeks for row in rows)
    half, most = delays(rows)
    true = sum(len(row.truth.aggressors) for row in rows)
    print(
        f"| {name} ({len(rows)}, {true}) | {p:.3f} | {r:.3f} | {f:.3f} | {again:.3f} "
        f"| {wrong:.3f} | {half:.0f} s | {most:.0f} s |"
    )


def details(rows: Sequence[Row]) -> None:
    """Every run that is not as wanted."""
    for row in rows:
        blamed = {b.tenant for b in row.blames}
        kinds = set(row.kinds)
        wanted = {row.want} - {""}
        if blamed != set(row.truth.aggressors) or kinds != wanted:
            print(
                f"  {row.family}/{row.seed} want {row.want or 'silence'} {row.truth.aggressors} "
                f"(relief {row.truth.relief:.2f}) got {row.kinds} "
                f"{[(b.tenant, b.right, b.harmful, b.confidence, b.delay) for b in row.blames]}"
            )


if __name__ == "__main__":
    main()
