"""The collector as an ASGI application, and as a process."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import uvicorn

from collector import loops
from collector.config import CollectorSettings
from collector.intake import ADMIT, Intake
from collector.keys import PAGES, POINTS, SCAN, scan
from collector.metrics import CollectorMetrics
from collector.model import Rejected, Rejection
from collector.receivers.otlp import OtlpReceiver
from collector.receivers.postgres import PostgresProbe
from collector.receivers.remote_write import RemoteWriteReceiver
from collector.receivers.scrape import Scraper
from collector.receivers.usage import UsageReceiver
from collector.spool import Spool
from collector.tenancy import Claim, authenticate
from collector.views import Views
from collector.wire import (
    Bodies,
    Disconnected,
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    headers_of,
    problem,
    send_reply,
    sender_of,
)

log = logging.getLogger(__name__)

HAND_OVER_S = 0.0001
"""How long a thread that reads a body keeps the interpreter from the others that want it: the event
loop, which takes it several times a request, and the disk's. Python's own 5 ms add up to more than
a whole request while somebody floods."""


class Receiver(Protocol):
    """One POST route. `answer` returns only when what it accepted is on disk."""

    path: str

    async def answer(self, request: Request, claim: Claim) -> Reply:
        """Raises Rejected when nothing of the body was taken."""
        ...

    def refuse(self, rejected: Rejected, headers: Mapping[str, str]) -> Reply:
        """The answer to a body of which nothing was taken, in the words of the protocol."""
        ...


class Collector:
    """Routes requests to receivers and answers for the collector's health."""

    def __init__(self, settings: CollectorSettings) -> None:
        self.settings = settings
        self.spool = Spool(settings.spooling)
        self.metrics = CollectorMetrics()
        self._bodies = Bodies(settings.limits.body_bytes)
        self.intake = Intake(settings, self.spool, self.metrics)
        receivers: Sequence[Receiver] = (
            RemoteWriteReceiver(self.intake, settings.limits),
            UsageReceiver(self.intake, settings.limits),
            OtlpReceiver(self.intake, settings.limits, settings.tenancy),
        )
        self.scraper = Scraper(
            settings.scrape,
            self.intake,
            settings.limits,
            self.metrics,
            now_ms=_now_ms,
            discovery=settings.discovery,
        )
        self.probes = tuple(
            PostgresProbe(one, self.intake, settings.limits, self.metrics, now_ms=_now_ms)
            for one in settings.probes
        )
        self._receivers = {one.path: one for one in receivers}
        self._views = Views(self.intake, self.scraper, self.probes, settings.tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            with suppress(Disconnected):
                await send_reply(send, await self._answer(scope, receive))

    def close(self) -> None:
        """Seal the spool and let go of it."""
        self.intake.close()
        self.spool.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.scraper.start()
        for probe in self.probes:
            probe.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.scraper.stop()
        await asyncio.gather(*(probe.stop() for probe in self.probes))
        await asyncio.to_thread(self.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        path, method = scope["path"], scope["method"]
        if method in {"GET", "HEAD"} and path in {"/healthz", "/readyz", "/metrics"}:
            return self._health(path)
        if path in self._views.paths:
            return await self._viewed(method, scope)
        receiver = self._receivers.get(path)
        if receiver is None:
            return problem(Rejected(Rejection.NOT_FOUND, f"no such route: {method} {path}"))
        if method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        started = time.perf_counter()
        reply = await self._guarded(receiver, scope, receive)
        name = path.rpartition("/")[2]
        self.metrics.requests.labels(name, str(reply.status)).inc()
        self.metrics.seconds.labels(name).observe(time.perf_counter() - started)
        return reply

    async def _viewed(self, method: str, scope: Scope) -> Reply:
        if method not in {"GET", "HEAD"}:
            return Reply(405, headers={"Allow": "GET"})
        try:
            query = scope.get("query_string", b"")
            return await self._views.answer(scope["path"], query, headers_of(scope))
        except Rejected as rejected:
            return problem(rejected)

    async def _guarded(self, receiver: Receiver, scope: Scope, receive: Receive) -> Reply:
        """Whatever goes wrong on our side is a 503: senders drop data on a 500."""
        headers = headers_of(scope)
        try:
            claim = self._claim(headers)
            limit = self.intake.body_bytes(claim.tenant)
            async with self._bodies.body(receive, headers, limit) as body:
                sender = sender_of(scope, claim.tenant)
                request = Request(receiver.path, headers, body, _now_ms(), sender)
                return await receiver.answer(request, claim)
        except Rejected as rejected:
            self.metrics.refused(rejected)
            return receiver.refuse(rejected, headers)
        except (Disconnected, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("ingest failed: %s", receiver.path)
            failed = Rejected(Rejection.UNAVAILABLE, "the collector failed, send again")
            return receiver.refuse(failed, headers)

    def _claim(self, headers: dict[str, str]) -> Claim:
        claim = authenticate(headers.get("authorization", ""), self.settings.tokens)
        header = self.settings.tenancy.header
        return self.intake.resolver.claim(claim, headers.get(header.lower(), "") if header else "")

    def _health(self, path: str) -> Reply:
        if path == "/metrics":
            self.metrics.series.set(self.intake.known_series)
            self.metrics.compiled.set(scan() is not None)
            self.metrics.overrides_healthy.set(self.intake.overrides_healthy)
            self.metrics.undrained.set(self.spool.undrained_bytes)
            return Reply(200, *self.metrics.page())
        if path == "/readyz" and not self.spool.healthy:
            return problem(Rejected(Rejection.UNAVAILABLE, "the spool takes nothing at the moment"))
        return Reply(200, b"ok\n", "text/plain; charset=utf-8")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def build(settings: CollectorSettings) -> Collector:
    """The ASGI application. Raises Rejected(UNAVAILABLE) when the spool cannot be opened."""
    return Collector(settings)


def run(settings: CollectorSettings) -> None:
    """Serve until SIGINT or SIGTERM; then finish open requests and seal the spool."""
    if problems := settings.problems():
        raise SystemExit("\n".join(problems))
    host, port = settings.address
    app = build(settings)
    sys.setswitchinterval(HAND_OVER_S)
    threading.Thread(target=_settle, args=(settings,), name="compile", daemon=True).start()
    try:
        uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=10)
    finally:
        app.close()


def _settle(settings: CollectorSettings) -> None:
    """Compile, then take what is there for good out of the garbage collector's sight: it would look
    at half a million objects of libraries, a tenth of a second each time."""
    loops.load(SCAN, ADMIT, POINTS, PAGES, cache=settings.data / "compiled")
    gc.collect()
    gc.freeze()
