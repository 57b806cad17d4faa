"""`python -m bench.detect`: one table. Seeds below 1000 tune, seeds from 1000 on are reported."""

from __future__ import annotations

import argparse
import pickle
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.detect import figures
from bench.detect.ablations import ABLATIONS
from bench.detect.families import FAMILIES
from bench.detect.plan import LENSES, LOADS, REPORTED, Job, Plan
from bench.detect.rivals import RULES, Key
from bench.detect.score import Case, Row
from bench.detect.table import report

Done = list[tuple[tuple[str, str, str], Row]]


def main() -> None:
    args = _arguments()
    plan = Plan(
        quick=args.quick,
        first=args.first,
        seeds=args.seeds,
        loads=tuple(LOADS[k].name for k in args.loads),
        families=tuple(args.families),
        lenses=("",) if args.clear else tuple(LENSES),
        ablations=()
        if args.clear or args.quick or args.whole
        else tuple(k for k in ABLATIONS if k),
    )
    started = time.perf_counter()
    with ProcessPoolExecutor(args.jobs) as pool:
        levels = {} if args.alone else _levels(_through(pool, list(plan.tuning()), "tuning rivals"))
        jobs = [
            Job(j.load, j.shape, j.family, j.seed, j.lenses, j.without, not args.alone)
            for j in plan.jobs()
        ]
        viewed = _through(pool, jobs, "judging")
    spent = time.perf_counter() - started
    if args.keep:
        args.keep.write_bytes(pickle.dumps((viewed, levels)))
    print(f"# Detection: {len(jobs)} worlds from seed {args.first}, {spent / 60:.1f} minutes")
    for line in report(viewed, levels):
        print(line)
    if args.verbose:
        for (load, lens, without), rows in viewed.items():
            for line in details(rows):
                print(f"  {load} {lens} {without}: {line}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench.detect", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed of three loads: 1-2 minutes")
    parser.add_argument("--clear", action="store_true", help="no dirty lenses and no ablations")
    parser.add_argument("--whole", action="store_true", help="no ablations")
    parser.add_argument("--alone", action="store_true", help="without the rival rules")
    parser.add_argument("--first", type=int, default=REPORTED, help="below 1000: tuning seeds")
    parser.add_argument("--seeds", type=int, default=0, help="per family; 0: as each load says")
    parser.add_argument("--loads", type=int, nargs="*", default=list(range(len(LOADS))))
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), help="also: mild_surge")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--keep", type=Path, help="write the judged runs to this file")
    parser.add_argument("--verbose", action="store_true", help="list every run not as wanted")
    return parser.parse_args()


def _through(
    pool: ProcessPoolExecutor, jobs: Sequence[Job], what: str
) -> dict[tuple[str, str, str], list[Row]]:
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for done in _shown(pool.map(_work, jobs), len(jobs), what):
        for key, row in done:
            found[key].append(row)
    return dict(found)


def _shown(results: Iterable[Done], total: int, what: str) -> Iterator[Done]:
    """The same, with a line of progress on the terminal."""
    started = time.perf_counter()
    for k, done in enumerate(results, 1):
        spent = time.perf_counter() - started
        left = spent / k * (total - k)
        if sys.stderr.isatty() or k % max(total // 20, 1) == 0:
            end = "\r" if sys.stderr.isatty() and k < total else "\n"
            line = f"{what}: {k}/{total}, {spent:.0f} s, {left:.0f} s left   "
            print(line, end=end, file=sys.stderr, flush=True)
        yield done


def _work(job: Job) -> Done:
    case = Case(job.family, job.seed, job.shape)
    rivals = case.against() if job.rivals else {}
    done: Done = []
    for lens in job.lenses:
        row = case.judged(LENSES[lens])
        row.rivals = {} if lens else rivals
        done.append(((job.load, lens, ""), row))
    for without in job.without:
        if without:
            done.append(((job.load, "", without), case.judged(without=without)))
    if not job.lenses:
        done.append(((job.load, "", ""), case.unjudged(rivals)))
    return done


def _levels(viewed: Mapping[tuple[str, str, str], Sequence[Row]]) -> dict[tuple[str, str], Key]:
    """Each rival's best threshold by load on the tuning seeds: re-simulated, then plain F1."""
    best = {}
    for (load, _, _), rows in viewed.items():
        for rule, levels in RULES.items():
            keys = [(rule, level) for level in levels]

            def score(key: Key, rows: Sequence[Row] = rows) -> tuple[float, float]:
                plain = figures.rival_f1(rows, key, proven=False)
                return figures.rival_f1(rows, key, proven=True) + plain, plain

            best[load, rule] = max(keys, key=score)
    return best


def details(rows: Sequence[Row]) -> Iterator[str]:
    """Every run that is not as wanted."""
    for row in rows:
        blamed = {b.tenant for b in row.blames}
        if blamed != set(row.truth.aggressors) or set(row.kinds) != {row.want} - {""}:
            told = [
                f"t{b.tenant} {'right' if b.right else 'harmful' if b.harmful else 'WRONG'} "
                f"{b.confidence:.2f} after {b.delay:.0f} s"
                for b in row.blames
            ]
            yield (
                f"{row.family}/{row.seed} want {row.want or 'silence'} "
                f"{list(row.truth.aggressors)} (relief {row.truth.relief:.2f}) got "
                f"{list(row.kinds)} {told}"
            )


if __name__ == "__main__":
    main()
