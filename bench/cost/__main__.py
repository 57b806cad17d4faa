"""`python -m bench.cost`: close one week of many tenants, then ask for the cost page.

Each size runs in a process of its own, so that its peak of memory is its own. Two worlds: in
`cells` every tenant uses every one of 50 resources in four hours of the week (tenants x resources
is the size of the table); in `hours` a tenant uses four resources in each of the 168 hours (rows of
usage are the load). Time is wall and CPU of closing the week: read, split, explain, write the
statement and one account a tenant, render the CSV. The page is asked for over the API's app.

Beside OpenCost as published, not run here: it allocates in float64, clamps negative idle (PR #3393)
and has no closed week; its API answers from memory after an ETL of the days.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI

from analyzer.api.money import router
from analyzer.cost.bills.rules import BillRule
from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.cost.weeks import parse_week
from analyzer.reports.ledger import close_weeks
from analyzer.store.database import Store

RESOURCES = 50
WEEK = parse_week("2026-W47", "Europe/Berlin")
NOW = WEEK.end + timedelta(hours=6)
ASKED = 60
MONTH = "2026-11"
SETTINGS = CostSettings(
    currency="EUR",
    zone="Europe/Berlin",
    prices=(
        *(Price(f"res:{n}", "0.4812", idle="proportional") for n in range(RESOURCES)),
        Price("support", per_month="5000", kind="fixed"),
    ),
    plans=(Plan("pro", "49"), Plan("free", "0")),
    bill_rules=(BillRule("res:0", resource_id="i-0"),),
)
_USE = {
    "cells": """
        INSERT INTO hot_1h (ts, window_s, tenant, resource, family, busy_us, "count", volume)
        SELECT $start + INTERVAL 1 HOUR * ((t * 7 + r * 3 + h * 41) % 168), 3600, 't' || t,
            'res:' || r, 'query', 1000 + (t * 7919 + r * 104729 + h) % 900000, 1 + t % 9, t
        FROM range($tenants) AS a(t), range(50) AS b(r), range(4) AS c(h)""",
    "hours": """
        INSERT INTO hot_1h (ts, window_s, tenant, resource, family, busy_us, "count", volume)
        SELECT $start + INTERVAL 1 HOUR * h, 3600, 't' || t, 'res:' || ((t + r * 13) % 50),
            'query', 1000 + (t * 7919 + r * 104729 + h) % 900000, 1 + t % 9, t
        FROM range($tenants) AS a(t), range(4) AS b(r), range(168) AS c(h)""",
}


def fill(store: Store, tenants: int, world: str) -> None:
    """A week of usage, straight into the hourly roll-up."""
    run = store._connection.execute
    start = WEEK.start.astimezone(UTC).replace(tzinfo=None)
    run(
        "INSERT INTO tenants (id, name, plan) SELECT 't' || t, 'Tenant ' || t,"
        " CASE WHEN t % 3 = 0 THEN 'pro' ELSE 'free' END FROM range($1) AS a(t)",
        [tenants],
    )
    run("INSERT INTO resources (id, kind, capacity) SELECT 'res:' || r, 'database',"
        " greatest(1, $1 // 1000) FROM range(50) AS b(r)", [tenants])  # fmt: skip
    run(_USE[world], {"start": start, "tenants": tenants})
    run("INSERT INTO watermark VALUES ($1)", [NOW.astimezone(UTC).replace(tzinfo=None)])
    store.checkpoint()


def room(tenants: int) -> str:
    """Memory DuckDB may use: one gigabyte up to 25,000 tenants, then in step with the table."""
    return f"{max(1, tenants // 25_000)}GB"


def measure(tenants: int, world: str) -> dict[str, float]:
    """One run in this process."""
    with tempfile.TemporaryDirectory(prefix="bench-cost-") as folder:
        store = Store.open(Path(folder) / "cost.duckdb", memory_limit=room(tenants), threads=2)
        fill(store, tenants, world)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        (report,) = close_weeks(
            store, now=NOW, settings=SETTINGS, directory=Path(folder), formats=("csv",)
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pages, months = (asyncio.run(ask(store, period)) for period in (WEEK.id, MONTH))
        store.close()
    assert report.week == WEEK.id
    return {
        "tenants": tenants, "wall": wall, "cpu": cpu, "peak_mb": peak / 1024,
        "filled_mb": before / 1024, "first_ms": pages[0], "p50_ms": sorted(pages[1:])[ASKED // 2],
        "p95_ms": sorted(pages[1:])[int(ASKED * 0.95) - 1],
        "month_p95_ms": sorted(months[1:])[int(ASKED * 0.95) - 1], "month_first_ms": months[0],
    }  # fmt: skip


async def ask(store: Store, period: str) -> list[float]:
    """Milliseconds of each answer of the page of a week or month, the first one cold."""
    app = FastAPI()
    app.include_router(router(store, lambda: NOW, SETTINGS))
    found = []
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        for _ in range(ASKED + 1):
            started = time.perf_counter()
            answer = await client.get(f"/costs?week={period}", timeout=600)
            found.append(1000 * (time.perf_counter() - started))
            answer.raise_for_status()
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", default="2500,5000,10000", help="Tenants, with commas.")
    options.add_argument("--world", default="cells,hours", help="cells, hours or both.")
    options.add_argument("--one", nargs=2, metavar=("TENANTS", "WORLD"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps(measure(int(given.one[0]), given.one[1])))
        return
    print(f"week close and cost page, {RESOURCES} resources, {datetime.now(UTC):%Y-%m-%d}")
    print(
        "world   tenants   wall s   cpu s   cpu us/tenant   peak MB   page p50 / p95 ms (cold)"
        "   month p95 (cold)"
    )
    for world in given.world.split(","):
        for size in given.sizes.split(","):
            command = [sys.executable, "-m", "bench.cost", "--one", size, world]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{world:6}  {int(size):>7,}   failed: {done.stderr.strip()[-1500:]}")
                continue
            r = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{world:6}  {int(size):>7,}  {r['wall']:>7.1f}  {r['cpu']:>6.1f}"
                f"  {1e6 * r['cpu'] / r['tenants']:>14,.0f}  {r['peak_mb']:>8,.0f}"
                f"   {r['p50_ms']:.0f} / {r['p95_ms']:.0f} ({r['first_ms']:.0f})"
                f"   {r['month_p95_ms']:.0f} ({r['month_first_ms']:.0f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
