"""One tenant floods the collector with new series; nobody else may notice.

The long form sends a million (`make soak`).
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import threading
import time
from collections import Counter, defaultdict

import httpx
import pytest
import uvicorn

from collector import app, loops
from collector.config import CollectorSettings, LimitSettings
from collector.keys import SCAN
from tests.collector.rooms import client, collector, readings
from tests.collector.senders import RW1_HEADERS, series, snappy, write_request

NOW = time.time_ns() // 1_000_000
QUIET = ("acme", "globex", "initech")
LIMIT = 500


def body(tenant: str, numbers: range) -> bytes:
    name = {"__name__": "partywall_finished_total", "tenant": tenant, "resource": "db:x"}
    entries = (series({**name, "n": str(n)}, [(n + 1.0, NOW)]) for n in numbers)
    return snappy(write_request(*entries))


async def flood(tmp_path, total: int, each: int) -> tuple[Counter[str], Counter[tuple[str, int]]]:
    """Bodies of a noisy tenant, each followed by one of every quiet tenant."""
    app = collector(tmp_path, limits=LimitSettings(active_series=LIMIT, series_total=10_000))
    written, statuses = Counter[str](), Counter[tuple[str, int]]()
    async with client(app) as http:

        async def send(tenant: str, numbers: range) -> None:
            answer = await http.post(
                "/api/v1/write", content=body(tenant, numbers), headers=RW1_HEADERS
            )
            statuses[tenant, answer.status_code] += 1
            written[tenant] += int(answer.headers["X-Prometheus-Remote-Write-Samples-Written"])

        for begin in range(0, total, each):
            await send("umbrella", range(begin, begin + each))
            for number, tenant in enumerate(QUIET):
                at = (begin // each) % 40 + 40 * number
                await send(tenant, range(at, at + 10))
    app.close()
    return written, statuses


def check(written: Counter[str], statuses: Counter[tuple[str, int]], rounds: int) -> None:
    for tenant in QUIET:
        assert statuses[tenant, 204] == rounds
        assert written[tenant] == 10 * rounds
    assert written["umbrella"] == LIMIT, "the limit is exact"
    assert statuses["umbrella", 503] == 0


def test_one_tenants_flood_of_series_costs_the_others_nothing(tmp_path):
    written, statuses = asyncio.run(flood(tmp_path, 40_000, 4_000))

    check(written, statuses, 10)
    assert sum(s.tenant == "umbrella" for s, _, _ in readings(tmp_path)) == LIMIT


@pytest.mark.soak
def test_a_million_series_of_one_tenant_cost_the_others_nothing(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    written, statuses = asyncio.run(flood(tmp_path, 1_000_000, 5_000))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    check(written, statuses, 200)
    assert grown < 300 * 1024, f"{grown} KiB more memory"


@pytest.mark.parametrize("compiled", [False, True])
def test_bodies_let_by_while_series_are_learnt_declare_and_count_each_once(tmp_path, compiled):
    """The long body and those let by bring the same new series and known ones, in the same room."""
    loops._loaded.clear()
    assert not compiled or loops.load(SCAN)
    try:
        statuses, known = asyncio.run(_crossing(tmp_path))
    finally:
        loops._loaded.clear()
    assert statuses == [204] * 7
    assert known == 1030, "no series twice"
    found = defaultdict[tuple[str, str], list[float]](list)
    for one, _, value in readings(tmp_path):
        found[one.tenant, one.identity].append(value)
    assert all(len(set(values)) == 1 for values in found.values()), "each its own value"
    again = Counter((tenant, len(values)) for (tenant, _), values in found.items())
    assert again == {("umbrella", 2): 940, ("umbrella", 3): 60, ("acme", 2): 30}


async def _crossing(tmp_path) -> tuple[list[int], int]:
    app, go = collector(tmp_path), threading.Event()

    async def send(content: bytes, port: int) -> int:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", port))
        async with httpx.AsyncClient(transport=transport, base_url="http://collector") as http:
            answer = await http.post("/api/v1/write", content=content, headers=RW1_HEADERS)
        return answer.status_code

    known = await send(body("acme", range(30)), 1)
    held = asyncio.create_task(app.intake.aside(lambda: go.wait(10), "held"))
    await asyncio.sleep(0.05)
    long = asyncio.create_task(send(body("umbrella", range(1000)), 2))
    await asyncio.sleep(0.2)
    crossing = [
        asyncio.create_task(send(content, port))
        for port, content in enumerate(
            [
                body("acme", range(30)),
                body("umbrella", range(50, 80)),  # the 64th among them, at which it pauses
                body("umbrella", range(970, 1000)),
            ],
            3,
        )
    ]
    await asyncio.sleep(0.2)
    go.set()
    statuses = [known, 204 if await held else 0, *await asyncio.gather(long, *crossing)]
    statuses.append(await send(body("umbrella", range(1000)), 2))
    app.close()
    return statuses, app.intake.known_series


def test_a_tenant_in_a_body_of_many_is_shed_alone(tmp_path):
    limits = LimitSettings(active_series=5)
    crowd = write_request(
        *(
            series({"__name__": "partywall_waiting", "tenant": tenant, "n": str(n)}, [(1.0, NOW)])
            for n in range(20)
            for tenant in ("umbrella", "acme")
            if tenant == "umbrella" or n < 5
        )
    )

    async def run() -> httpx.Response:
        app = collector(tmp_path, limits=limits)
        async with client(app) as http:
            answer = await http.post("/api/v1/write", content=snappy(crowd), headers=RW1_HEADERS)
        app.close()
        return answer

    answer = asyncio.run(run())
    assert answer.status_code == 400
    assert Counter(s.tenant for s, _, _ in readings(tmp_path)) == {"acme": 5, "umbrella": 5}


def test_a_process_hands_over_soon_and_does_not_look_through_its_libraries(tmp_path, monkeypatch):
    seen: dict[str, float] = {}

    def serve(served: object, **_: object) -> None:
        for thread in threading.enumerate():
            if thread.name == "compile":
                thread.join(60)
        seen.update(hand_over_s=sys.getswitchinterval(), frozen=gc.get_freeze_count())

    monkeypatch.setattr(uvicorn, "run", serve)
    before = sys.getswitchinterval()
    try:
        app.run(CollectorSettings(data=tmp_path))
    finally:
        gc.unfreeze()
        sys.setswitchinterval(before)
    assert seen["hand_over_s"] == pytest.approx(app.HAND_OVER_S)
    assert seen["frozen"] > 10_000
