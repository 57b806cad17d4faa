"""Asks a PostgreSQL server who works in it and who waits for whose locks.

One connection a server, which reads and never writes. The platform names the tenant where the
server can see it: `SET LOCAL application_name = 'tenant=acme'` costs next to nothing and scales
(comments in statements do not help: they are not part of a statement's identity). With the
extension pg_stat_statements loaded, the seconds the server counted are divided as the samples say;
without it the samples stand for themselves.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from collector.config import LimitSettings, ProbeSettings
from collector.decode.usage import Reading, Row, gather
from collector.intake import Intake
from collector.metrics import CollectorMetrics
from collector.model import GRAIN_S, UNKNOWN_TENANT, Family, Rejected, TenantId
from collector.receivers.activity import NOBODY, Activity, Session, Share, growth
from collector.receivers.scrape import TargetHealth
from collector.tenancy import ANYONE

log = logging.getLogger(__name__)

OUR_NAME = "partywall-probe"
LOCKS_EVERY_S = 1.0
"""`pg_blocking_pids` needs the lock table to itself for a moment: harmless once a second."""

_RETRY_S = (1.0, 30.0)
_KEPT_WINDOWS = 60
_LONGEST_STEP_S = 1.0
"""What a sample may stand for when we were late: nobody looked before it."""

SESSIONS = """
SELECT
    pid,
    application_name,
    usename,
    datname,
    query_id,
    state = 'active' AS working,
    wait_event_type = 'Lock' AS waits_for_lock,
    CASE WHEN $1 AND wait_event_type = 'Lock' THEN pg_blocking_pids(pid) END AS behind
FROM pg_stat_activity
WHERE
    backend_type IN ('client backend', 'parallel worker')
    AND state <> 'idle'
    AND pid <> pg_backend_pid()
"""

STATEMENTS = """
SELECT queryid, sum(total_exec_time) / 1000.0 AS seconds
FROM pg_stat_statements
WHERE queryid IS NOT NULL
GROUP BY queryid
"""

_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True)
class _Window:
    start_s: int
    rows: list[Row]


class PostgresProbe:
    """Samples one server; a window's rows go through the door everyone's rows go through."""

    def __init__(
        self,
        settings: ProbeSettings,
        intake: Intake,
        limits: LimitSettings,
        metrics: CollectorMetrics,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._pattern = re.compile(settings.pattern)
        self._intake = intake
        self._limits = limits
        self._metrics = metrics
        self._now_ms = now_ms
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[_Window] = deque(maxlen=_KEPT_WINDOWS)
        self.health = TargetHealth(self.name, problem="not asked yet")

    def start(self) -> None:
        """Begin sampling in the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End sampling and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause = _RETRY_S[0]
        while True:
            began = time.monotonic()
            try:
                await self._watch()
            except _TROUBLE as error:
                self._down(str(error) or type(error).__name__)
            except Exception as error:  # whatever it is, the server must be asked again
                log.exception("probe %s failed", self.name)
                self._down(f"the collector failed: {type(error).__name__}")
            lived = time.monotonic() - began
            pause = _RETRY_S[0] if lived > 60 else min(2 * pause, _RETRY_S[1])
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _watch(self) -> None:
        settings = self._settings
        connection = await asyncpg.connect(
            settings.dsn,
            timeout=settings.timeout_s,
            command_timeout=settings.timeout_s,
            server_settings={
                "application_name": OUR_NAME,
                "default_transaction_read_only": "on",
                "statement_timeout": str(int(settings.timeout_s * 1000)),
                "jit": "off",
            },
        )
        try:
            counters = await Counters.of(connection)
            await self._sample(connection, counters)
        finally:
            connection.terminate()  # closing politely may wait for a server that hangs

    async def _sample(self, connection: Any, counters: Counters) -> None:
        """Window by window, until the connection fails. The first, already begun, is left out."""
        activity: Activity | None = None
        window = self._window()
        last = locked = time.monotonic()
        while True:
            # At random intervals: work that comes at a beat of its own is met as often as it is.
            await asyncio.sleep(self._settings.interval_s * random.uniform(0.5, 1.5))
            if (now := self._window()) != window:
                counted = await counters.grown()
                if activity is not None:
                    self._close(window, activity.shares(counted))
                activity, window = Activity(), now
                await self._store_waiting()
            looked = time.monotonic()
            look_at_locks = looked - locked >= LOCKS_EVERY_S
            records = await connection.fetch(SESSIONS, look_at_locks)
            sessions = [self._session(one) for one in records]
            if activity is not None:
                activity.see(sessions, min(looked - last, _LONGEST_STEP_S))
                if look_at_locks:
                    activity.see_locks(sessions, min(looked - locked, 2 * LOCKS_EVERY_S))
            last, locked = looked, looked if look_at_locks else locked

    def _window(self) -> int:
        return self._now_ms() // (GRAIN_S * 1000)

    def _session(self, record: Mapping[str, Any]) -> Session:
        said = record[_SAID_BY[self._settings.tenant_from]] or ""
        match = self._pattern.search(said)
        return Session(
            record["pid"],
            (match.group(match.lastindex or 0) if match else NOBODY),
            record["query_id"],
            working=bool(record["working"]),
            waits_for_lock=bool(record["waits_for_lock"]),
            behind=tuple(record["behind"] or ()),
        )

    def _close(self, window: int, shares: Mapping[str, Share]) -> None:
        start_s = window * GRAIN_S
        rows = [self._row(start_s, tenant, share) for tenant, share in shares.items()]
        named = sum(share.busy_s for tenant, share in shares.items() if tenant != NOBODY)
        nobodys = sum(share.busy_s for tenant, share in shares.items() if tenant == NOBODY)
        self._metrics.probe_seconds.labels(self.name, "tenant").inc(named)
        self._metrics.probe_seconds.labels(self.name, "nobody").inc(nobodys)
        if len(self._waiting) == _KEPT_WINDOWS:
            self._metrics.probe_lost.labels(self.name).inc()
        self._waiting.append(_Window(start_s, rows))

    def _row(self, start_s: int, tenant: str, share: Share) -> Row:
        return Row(
            ts=float(start_s),
            resource=self._settings.resource or f"db:{self.name}",
            family=Family.QUERY,
            tenant=tenant,
            window_s=GRAIN_S,
            busy_s=share.busy_s,
            waiting=share.in_flight_s / GRAIN_S,
            blocked_s=share.blocked_s,
            blocking_s=share.blocking_s,
        )

    async def _store_waiting(self) -> None:
        """What the spool does not take now is sent again after the next window."""
        while self._waiting:
            window = self._waiting[0]
            try:
                taken = await self._store(window) if window.rows else 0
            except Rejected as rejected:
                self._note(up=True, rows=0, problem=rejected.detail)
                return
            self._waiting.popleft()
            self._note(up=True, rows=taken, problem="")

    async def _store(self, window: _Window) -> int:
        now_ms = self._now_ms()
        resolver = self._intake.resolver
        reading = Reading(
            tenant=self._tenant, resource=resolver.resource, limits=self._limits, now_ms=now_ms
        )
        rows = gather(window.rows, reading)
        accepted = await self._intake.rows(
            rows.table,
            batch_id=f"probe/{self.name}/{window.start_s}",
            refused=rows.refused,
            now_ms=now_ms,
            sender=f"probe {self.name}",
        )
        return accepted.rows

    def _tenant(self, name: str) -> TenantId:
        """A name that cannot be a tenant's is nobody's: its seconds are shown in the quarantine."""
        try:
            return self._intake.resolver.tenant(name, ANYONE)
        except Rejected:
            return UNKNOWN_TENANT

    def _down(self, problem: str) -> None:
        self._note(up=False, rows=0, problem=problem)

    def _note(self, *, up: bool, rows: int, problem: str) -> None:
        if self.health.up != up:
            log.info("probe %s: up=%s %s", self.name, up, problem)
        self.health = TargetHealth(self.name, up, self._now_ms(), 0.0, rows, problem)
        self._metrics.probe_up.labels(self.name).set(up)


_SAID_BY = {"application_name": "application_name", "user": "usename", "database": "datname"}


class Counters:
    """What pg_stat_statements counts, as growth since the last look; nothing where it is absent."""

    def __init__(self, connection: Any, counted: Mapping[int, float] | None) -> None:
        self._connection = connection
        self._last = counted

    @classmethod
    async def of(cls, connection: Any) -> Counters:
        """Begin counting, where the server counts and lets us read it."""
        try:
            return cls(connection, await _counted(connection))
        except (asyncpg.UndefinedTableError, asyncpg.ObjectNotInPrerequisiteStateError) as error:
            log.info("no pg_stat_statements: samples stand for themselves (%s)", error)
            return cls(connection, None)

    async def grown(self) -> dict[int, float]:
        """Seconds by statement since the last call."""
        if self._last is None:
            return {}
        before, self._last = self._last, await _counted(self._connection)
        return growth(before, self._last)


async def _counted(connection: Any) -> dict[int, float]:
    records: Sequence[Mapping[str, Any]] = await connection.fetch(STATEMENTS)
    return {one["queryid"]: float(one["seconds"]) for one in records}
