"""A real PostgreSQL is probed: shares against its own count by role, locks, and its absence."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from collector.app import Collector
from collector.config import ProbeSettings
from collector.receivers.postgres import PostgresProbe
from tests.collector.rooms import collector, usage_rows
from tests.peers.postgres import Postgres, postgres

pytestmark = pytest.mark.peer

FASTER = 4
"""The clock of windows runs faster here, so that a window takes 2.5 s of waiting; seconds stay."""

WORK = "SELECT count(*) FROM generate_series(1, $1::int) AS one WHERE one % 7 = 3"


def hurried() -> Callable[[], int]:
    began = time.monotonic()
    return lambda: 1_790_000_000_000 + int((time.monotonic() - began) * 1000 * FASTER)


def probe_of(room: Collector, dsn: str, **more: Any) -> PostgresProbe:
    settings = ProbeSettings("one", dsn, interval_s=0.05, **more)
    limits = room.settings.limits
    return PostgresProbe(settings, room.intake, limits, room.metrics, now_ms=hurried())


def seconds(tmp_path: Path, column: str) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for row in usage_rows(tmp_path):
        assert (row["resource"], row["family"]) == ("db:one", "query")
        found[str(row["tenant"])] += int(str(row[column] or 0)) / 1e6
    return dict(found)


async def session(server: Postgres, tenant: str) -> Any:
    """As the platform has it: a role a tenant here, only so that the server knows the truth."""
    return await asyncpg.connect(
        server.dsn_of(f"role_{tenant}"), server_settings={"application_name": f"tenant={tenant}"}
    )


async def busy(server: Postgres, tenant: str, size: int, pause_s: float, until: float) -> None:
    connection = await session(server, tenant)
    while time.monotonic() < until:
        await connection.fetchval(WORK, size)
        await asyncio.sleep(pause_s)
    await connection.close()


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def ran(road: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(road, 90))


@pytest.fixture(scope="module")
def server():
    with postgres("shared_preload_libraries=pg_stat_statements") as one:
        asyncio.run(_furnish(one))
        yield one


async def _furnish(server: Postgres) -> None:
    admin = await asyncpg.connect(server.dsn)
    await admin.execute("CREATE EXTENSION pg_stat_statements; CREATE TABLE seats (id int, n int)")
    await admin.execute("INSERT INTO seats VALUES (1, 0)")
    for tenant in ("noisy", "calm", "small", "hog", "late"):
        await admin.execute(f"CREATE ROLE role_{tenant} LOGIN; GRANT ALL ON seats TO PUBLIC")
    await admin.execute("CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher")
    await admin.close()


def test_shares_are_the_servers_own(server, tmp_path):
    """The truth is what the server counts by role; a client's clock would blame the quiet ones."""
    room = collector(tmp_path)

    async def road() -> None:
        admin = await asyncpg.connect(server.dsn)
        probe = probe_of(room, server.dsn_of("watcher"))
        probe.start()
        await until(lambda: probe.health.up)
        await admin.execute("SELECT pg_stat_statements_reset()")
        ends = time.monotonic() + 6
        await asyncio.gather(
            busy(server, "noisy", 300_000, 0.0, ends),
            busy(server, "calm", 60_000, 0.13, ends),
            busy(server, "small", 20_000, 0.17, ends),
        )
        windows = probe.health.at_ms
        await until(lambda: probe.health.at_ms > windows)
        await probe.stop()
        for record in await admin.fetch(
            "SELECT rolname, sum(total_exec_time) AS ms FROM pg_stat_statements "
            "JOIN pg_roles ON pg_roles.oid = userid WHERE rolname LIKE 'role_%' GROUP BY 1"
        ):
            truth[record["rolname"].removeprefix("role_")] = record["ms"]
        await admin.close()

    truth: dict[str, float] = {}
    ran(road())
    room.close()
    found = seconds(tmp_path, "busy_us")
    whole, seen = sum(truth.values()), sum(found.values())
    assert set(truth) == {"noisy", "calm", "small"}
    for tenant, ms in truth.items():
        assert found.get(tenant, 0.0) / seen == pytest.approx(ms / whole, abs=0.1), (truth, found)
    assert seen == pytest.approx(whole / 1000, rel=0.2), (truth, found)


def test_who_holds_a_lock_is_told_of_who_waits_for_it(server, tmp_path):
    room = collector(tmp_path)

    async def road() -> None:
        probe = probe_of(room, server.dsn_of("watcher"))
        probe.start()
        await until(lambda: probe.health.up)
        hog, one, two = [await session(server, name) for name in ("hog", "calm", "late")]
        await hog.execute("BEGIN; UPDATE seats SET n = n + 1")
        waits = [
            asyncio.create_task(each.execute("UPDATE seats SET n = n + 1")) for each in (one, two)
        ]
        await asyncio.sleep(5)
        await hog.execute("COMMIT")
        await asyncio.gather(*waits)
        windows = probe.health.at_ms
        await until(lambda: probe.health.at_ms > windows)
        await probe.stop()
        for each in (hog, one, two):
            await each.close()

    ran(road())
    room.close()
    blocked, blocking = seconds(tmp_path, "blocked_us"), seconds(tmp_path, "blocking_us")
    assert blocked["calm"] == pytest.approx(5, abs=2)
    assert blocked["late"] == pytest.approx(5, abs=2)
    assert blocking["hog"] == pytest.approx(blocked["calm"] + blocked["late"])
    assert blocking.get("calm", 0) == blocking.get("late", 0) == 0  # in the queue, not its head
    assert seconds(tmp_path, "busy_us").get("calm", 0) < 1  # waiting is not work


def test_without_the_extension_the_samples_speak_and_a_dead_server_is_asked_again(tmp_path):
    room = collector(tmp_path)
    with postgres() as server:

        async def road() -> None:
            admin = await asyncpg.connect(server.dsn)
            await admin.execute("CREATE ROLE role_noisy LOGIN")
            await admin.close()
            probe = probe_of(room, server.dsn)
            probe.start()
            await until(lambda: probe.health.up)
            await busy(server, "noisy", 300_000, 0.0, time.monotonic() + 4)
            await asyncio.to_thread(server.stop)
            await until(lambda: not probe.health.up)
            assert probe.health.problem
            await asyncio.to_thread(server.start)
            await until(lambda: probe.health.up, 40)
            await probe.stop()

        ran(road())
    room.close()
    assert 1 < seconds(tmp_path, "busy_us")["noisy"] < 5


def test_a_refused_login_is_said_without_the_password(server, tmp_path):
    room = collector(tmp_path)

    async def road() -> None:
        dsn = server.dsn_of("nobody").replace("nobody@", "nobody:s3cret-word@")
        probe = probe_of(room, dsn)
        probe.start()
        await until(lambda: probe.health.problem != "not asked yet")
        await probe.stop()
        assert 'role "nobody" does not exist' in probe.health.problem
        assert "s3cret" not in repr(probe.health) + repr(ProbeSettings("one", dsn))

    ran(road())
    room.close()
