"""`python -m bench.storage`: bytes on disk per sample received, beside the peers, same samples.

Ours: the database file after compaction and a checkpoint, roll-ups, ledgers and counter states
included, and every Parquet file; the spool is empty by then, and a saved state (`[compaction]
state_h`), which peers have no equivalent of, is shown apart. VictoriaMetrics: its data directory
after a forced merge, index included. Prometheus: its directory as it lies, write-ahead log and all,
because blocks are only cut after two hours.
"""

from __future__ import annotations

import argparse
import shutil
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from analyzer.upkeep import backup, slack
from bench.query.stock import Peer, Plan, Stock, stocked

PLANS = {"hour": Plan(1_000, 1, 15), "day": Plan(200, 24, 60)}


def size(directory: Path) -> int:
    """Bytes of all files under a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def ours(stock: Stock) -> dict[str, float]:
    data = stock.directory / "partywall" / "data"
    before = (data / "partywall.duckdb").stat().st_size
    slack.give_back(stock.store, data)  # as the job does once a day
    cold = dict.fromkeys(("10s", "1m", "1h"), 0)
    for grain, _, _, _, _, _, of_file, _ in stock.store.rows("cold_manifest"):
        cold[grain] += of_file
    state = backup.write_state(stock.store, data, now=datetime.fromtimestamp(time.time(), UTC))
    database = (data / "partywall.duckdb").stat().st_size
    whole = database + sum(cold.values())
    return {
        "whole": whole, "files of 10 s": cold["10s"], "files of 1 min": cold["1m"],
        "files of 1 h": cold["1h"], "database": database, "database before `shrink`": before,
        "saved state, apart": state.bytes,
    }  # fmt: skip


def theirs(peer: Peer, stock: Stock) -> dict[str, float]:
    base = f"http://127.0.0.1:{peer.server.port}"
    directory = stock.directory / peer.name / "data"
    if peer.name == "victoria-metrics":
        _get(base + "/internal/force_flush")
        _get(base + "/internal/force_merge")
        before = -1
        while before != (before := size(directory)):
            time.sleep(8)
        return {"whole": size(directory)}
    return {"whole": size(directory)}


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=300):
        return


def show(stock: Stock, found: Mapping[str, Mapping[str, float]]) -> None:
    samples = stock.plan.samples
    print("| store | bytes a sample | of it |\n|---|---|---|")
    for name, parts in found.items():
        rest = ", ".join(f"{k} {v / samples:.2f}" for k, v in parts.items() if k != "whole")
        print(f"| {name} | {parts['whole'] / samples:.2f} | {rest} |")
    for name, parts in found.items():
        if name != "partywall":
            ratio = found["partywall"]["whole"] / parts["whole"]
            print(f"ours is {ratio:.2f}x of {name}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", nargs="*", default=list(PLANS), choices=list(PLANS))
    parser.add_argument("--peers", nargs="*", default=["victoria-metrics", "prometheus"])
    parser.add_argument("--tenants", type=int, default=0, help="fewer than planned")
    parser.add_argument("--step", type=int, default=0, help="seconds between samples")
    args = parser.parse_args()
    peers = [name for name in args.peers if shutil.which(name)]
    for name in args.plans:
        plan = PLANS[name]
        plan = Plan(args.tenants or plan.tenants, plan.hours, args.step or plan.step_s)
        print(f"\n## {name}: {plan.words}, {plan.samples / 1e6:.1f} M samples", flush=True)
        with stocked(plan, peers) as stock:
            found = {"partywall": ours(stock)}
            found |= {peer.name: theirs(peer, stock) for peer in stock.peers}
            show(stock, found)


if __name__ == "__main__":
    main()
