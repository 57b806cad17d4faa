"""kill -9 of each role amid a replay of known totals: nothing is lost, nothing counts twice."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from analyzer.jobs import wall_clock
from analyzer.store.database import Store
from analyzer.usage.windows import bucket_middles
from collector.receivers.simulated import Platform
from partywall.feeder import aligned
from partywall.prometheus import Counters
from tests.acceptance.house import House, house

WINDOWS = 30


def totals(table: pa.Table) -> Counter[tuple[str, str]]:
    """Finished operations of every tenant on every resource."""
    found: Counter[tuple[str, str]] = Counter()
    for row in table.select(["tenant", "resource", "count"]).to_pylist():
        found[row["tenant"], row["resource"]] += row["count"]
    return found


@pytest.mark.acceptance
@pytest.mark.timeout(300)
def test_totals_survive_the_death_of_every_role(tmp_path: Path) -> None:
    platform = Platform(24)
    begins = aligned(wall_clock()) - timedelta(seconds=10 * (WINDOWS + 6))
    tables = [platform.live(begins + timedelta(seconds=10 * k), 10) for k in range(WINDOWS)]
    sent = totals(pa.concat_tables(tables))
    counters = Counters()
    deaths = {8: "collector", 15: "analyzer", 22: "dashboard"}
    with house(tmp_path / "killed") as service:
        first = {role: service.pid(role) for role in deaths.values()}
        for k, table in enumerate(tables):
            if k in deaths:
                service.kill(deaths[k])
            send(service, counters, table, k)
        for role, pid in first.items():
            service.until(partial(reborn, service, role, pid), 60, f"{role} again")
        asked = by_resource(sent)
        service.until(lambda: told(service, list(asked)) == asked, 90, "all totals are there")
        assert service.stop() == 0
        said = [line for line in service.lines if "starting it again" in line]
    assert [line.split(" | ")[1].split()[0] for line in said] == list(deaths.values())
    assert in_file(tmp_path / "killed" / "data" / "partywall.duckdb", begins) == sent


def send(service: House, counters: Counters, table: pa.Table, k: int) -> None:
    """One window: queue and pool by remote write, the rest through the native door."""
    wire = [name.startswith(("queue:", "pool:")) for name in table["resource"].to_pylist()]
    mask = pa.array(wire)
    service.send(table.filter(pa.array([not one for one in wire])), f"window-{k}")
    ends_ms = int(table["ts"][0].as_py().timestamp() * 1000) + 10_000
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
    service.post("/api/v1/write", counters.request(table.filter(mask), ends_ms), headers)


def reborn(service: House, role: str, before: int) -> bool:
    try:
        return service.pid(role) != before
    except AssertionError:
        return False


def by_resource(totals_: Counter[tuple[str, str]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (_, resource), count in totals_.items():
        found[resource] += count
    return dict(found)


def told(service: House, resources: list[str]) -> dict[str, int]:
    """Totals as the API tells them: rates times the window."""
    found = {}
    for resource in resources:
        asked = {"resource": resource, "from": "now-1h", "step": "10"}
        usages = service.get("/usage", **asked).json()
        found[resource] = round(
            sum((p["requests_per_s"] or 0.0) * u["window_s"] for u in usages for p in u["points"])
        )
    return found


def in_file(path: Path, begins: datetime) -> Counter[tuple[str, str]]:
    """Totals as the store has them after the service has stopped."""
    since = begins.replace(tzinfo=None)
    store = Store.open(path)
    try:
        rows = store.frame(
            "recent_usage",
            since=since,
            until=since + timedelta(hours=1),
            middles=bucket_middles({}),
        )
    finally:
        store.close()
    found: Counter[tuple[str, str]] = Counter()
    for tenant, resource, count in rows.select("tenant", "resource", "count").iter_rows():
        found[tenant, resource] += int(count or 0)
    return +found
