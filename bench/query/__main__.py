"""`python -m bench.query`: the product's own questions beside PromQL on the same samples.

Ours are the functions the API calls (`analyzer.usage`, `analyzer.cost`), nothing written for the
bench. Answers are compared with VictoriaMetrics' in the same run: counts must be equal, seconds
within 1e-6. Each question is asked five times, servers in turn; medians of wall time and ratios.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from analyzer.cost.usage import read_use
from analyzer.usage import questions
from bench.query.stock import Peer, Plan, Stock, stocked
from collector.model import TenantId

REPS = 5
PLANS = {
    "hour": Plan(10_000, 1, 30),
    "day": Plan(1_000, 24, 60),
    "week": Plan(1_000, 168, 300),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of whom how, and whether the answers are the same (None: not compared)."""

    name: str
    ours: Callable[[Stock], object]
    theirs: Callable[[Peer, Stock], object]
    same: Callable[[Stock, Peer], str] | None = None


def top_shares(stock: Stock) -> dict[str, float]:
    """The ten largest of each shard, as the overview shows them."""
    start = stock.end - timedelta(hours=1)
    frame = questions.top_shares(stock.store, start=start, end=stock.end)
    rows = frame.select("resource", "tenant", "share").iter_rows()
    return {f"{shard}/{tenant}": share for shard, tenant, share in rows}


_SHARE = (
    "topk by (shard) (10, sum by (shard, tenant) (increase(partywall_busy_seconds_total[1h])) "
    "/ on (shard) group_left sum by (shard) (increase(partywall_busy_seconds_total[1h])))"
)
_P95 = (
    "histogram_quantile(0.95, sum by (tenant, le) "
    "(increase(partywall_latency_seconds_bucket[{w}])))"
)


def same_shares(stock: Stock, peer: Peer) -> str:
    ours, theirs = top_shares(stock), peer.instant(_SHARE, stock.end)
    named = {key.split(":", 1)[-1]: share for key, share in ours.items()}
    return _equal({key: named.get(key, -1.0) for key in theirs}, theirs, 1e-6)


def p95(stock: Stock) -> dict[str, float]:
    frame = questions.tenants(
        stock.store, at=stock.end, span_s=3600, sort="p95_s", limit=None
    ).frame
    return dict(frame.select("tenant", "p95_s").iter_rows())


def same_p95(stock: Stock, peer: Peer) -> str:
    return _equal(p95(stock), peer.instant(_P95.format(w="1h"), stock.end), 1e-9)


def cost(stock: Stock) -> dict[str, float]:
    """Busy seconds by tenant, as a statement reads them."""
    with stock.store.reader() as reader:
        use = read_use(reader, stock.start, stock.end)
    whole = pl.concat(use.by_resource.values()).group_by("tenant").agg(pl.col("busy").sum())
    return {tenant: busy / 1e6 for tenant, busy in whole.iter_rows()}


def same_cost(stock: Stock, peer: Peer) -> str:
    promql = f"sum by (tenant) (increase(partywall_busy_seconds_total[{stock.plan.hours}h]))"
    return _equal(cost(stock), peer.instant(promql, stock.end), 1e-6)


def one_tenant(stock: Stock) -> object:
    return questions.series(
        stock.store, start=stock.end - timedelta(hours=24), end=stock.end, step_s=300,
        tenant=TenantId("tenant-000007"),
    )  # fmt: skip


def heat(stock: Stock) -> object:
    return questions.heatmap(
        stock.store, start=stock.start, end=stock.end, step_s=900, limit=stock.plan.tenants
    )


def _increase(metric: str) -> Callable[[Peer, Stock], object]:
    def ask(peer: Peer, stock: Stock) -> object:
        promql = f"sum by (tenant) (increase({metric}[{stock.plan.hours}h]))"
        return peer.instant(promql, stock.end)

    return ask


QUESTIONS: Mapping[str, Sequence[Question]] = {
    "hour": (
        Question(
            "top 10 share of database time per shard, 1 h", top_shares,
            lambda peer, stock: peer.instant(_SHARE, stock.end), same_shares,
        ),
        Question(
            "p95 of every tenant, 1 h", p95,
            lambda peer, stock: peer.instant(_P95.format(w="1h"), stock.end), same_p95,
        ),
    ),
    "day": (
        Question("cost roll-up, 24 h", cost, _increase("partywall_busy_seconds_total"), same_cost),
        Question(
            "heatmap, 24 h by 15 min", heat,
            lambda peer, stock: peer.range(
                "sum by (tenant) (rate(partywall_busy_seconds_total[15m]))",
                stock.start, stock.end, 900,
            ),
        ),
        Question(
            "p95 of one tenant, 24 h by 5 min", one_tenant,
            lambda peer, stock: peer.range(
                'histogram_quantile(0.95, sum by (le) (increase('
                'partywall_latency_seconds_bucket{tenant="tenant-000007"}[5m])))',
                stock.end - timedelta(hours=24), stock.end, 300,
            ),
        ),
    ),
    "week": (
        Question("cost roll-up, 7 d", cost, _increase("partywall_busy_seconds_total"), same_cost),
    ),
}  # fmt: skip


def _equal(ours: Mapping[str, float], theirs: Mapping[str, float], bound: float) -> str:
    """Largest relative difference; raises when it is above the bound or a key is missing."""
    missing = set(theirs) - set(ours)
    if missing or not theirs:
        raise AssertionError(
            f"{len(missing)} of {len(theirs)} are missing in ours: {sorted(missing)[:3]}"
        )
    worst = max(abs(ours[key] - value) / max(abs(value), 1e-12) for key, value in theirs.items())
    if worst > bound:
        raise AssertionError(f"answers differ by {worst:.3g}, allowed is {bound:g}")
    return f"{len(theirs)} answers, largest difference {worst:.2g}"


def ask(stock: Stock, questions: Sequence[Question], reps: int) -> None:
    """Ask everything and print a line a question."""
    names = ["partywall", *(peer.name for peer in stock.peers)]
    print(
        "| question | "
        + " | ".join(f"{n} ms" for n in names)
        + " | ratios | equal to the first peer |"
    )
    print("|---|" + "---|" * (len(names) + 2))
    for question in questions:
        took: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(reps):
            took["partywall"].append(_timed(lambda q=question: q.ours(stock)))  # type: ignore[misc]
            for peer in stock.peers:
                took[peer.name].append(_timed(lambda q=question, p=peer: q.theirs(p, stock)))  # type: ignore[misc]
        middle = {name: statistics.median(each) for name, each in took.items()}
        ratios = ", ".join(f"{middle[n] / middle['partywall']:.1f}x {n}" for n in names[1:])
        same = (
            question.same(stock, stock.peers[0])
            if question.same and stock.peers
            else "not compared"
        )
        cells = " | ".join(f"{middle[name]:.1f}" for name in names)
        print(f"| {question.name} | {cells} | {ratios} | {same} |", flush=True)


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", nargs="*", default=list(PLANS), choices=list(PLANS))
    parser.add_argument("--peers", nargs="*", default=["victoria-metrics", "prometheus"])
    parser.add_argument("--reps", type=int, default=REPS)
    parser.add_argument("--tenants", type=int, default=0, help="fewer than planned")
    parser.add_argument("--step", type=int, default=0, help="seconds between samples")
    args = parser.parse_args()
    peers = [name for name in args.peers if shutil.which(name)]
    for name in args.plans:
        plan = PLANS[name]
        plan = Plan(args.tenants or plan.tenants, plan.hours, args.step or plan.step_s)
        print(f"\n## {name}: {plan.words}, {plan.samples / 1e6:.1f} M samples", flush=True)
        with stocked(plan, peers) as stock:
            print("loaded in " + ", ".join(f"{n} {s:.0f} s" for n, s in stock.load_s.items()))
            ask(stock, QUESTIONS[name], args.reps)


if __name__ == "__main__":
    main()
