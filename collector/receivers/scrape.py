"""Polls Prometheus and OpenMetrics pages. The same road as a pushed body, started by us."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial as bind

import httpx

from collector.config import LimitSettings, ScrapeTarget
from collector.decode import exposition
from collector.intake import Accepted, Intake
from collector.metrics import CollectorMetrics
from collector.model import Rejected, Rejection
from collector.series import Origin

log = logging.getLogger(__name__)

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.8,*/*;q=0.1"


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """How the last scrape of a target went; `problem` is "" when it went well."""

    target: str
    up: bool = False
    at_ms: int = 0
    seconds: float = 0.0
    samples: int = 0
    problem: str = "not scraped yet"


class Scraper:
    """One task a target. `now_ms` reads the clock."""

    def __init__(
        self,
        targets: Sequence[ScrapeTarget],
        intake: Intake,
        limits: LimitSettings,
        metrics: CollectorMetrics,
        *,
        now_ms: Callable[[], int],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._targets = targets
        self._intake = intake
        self._limits = limits
        self._metrics = metrics
        self._now_ms = now_ms
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.health = {name_of(one): TargetHealth(name_of(one)) for one in targets}

    def start(self) -> None:
        """Begin polling in the running loop."""
        self._tasks = [asyncio.create_task(self._poll(target)) for target in self._targets]

    async def stop(self) -> None:
        """End polling and close connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def scrape(self, target: ScrapeTarget) -> TargetHealth:
        """Fetch, decode and store one page; never raises for what the target does."""
        started, at_ms = time.perf_counter(), self._now_ms()
        name = name_of(target)
        try:
            # Not wait_for: in Python 3.11 it may swallow the cancellation that ends the polling.
            async with asyncio.timeout(target.timeout_s):
                accepted = await self._take(target, at_ms)
            problem = "; ".join(one.detail for one in accepted.refused[:3])
            up, samples = True, accepted.samples
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, Rejected) as error:
            up, samples, problem = False, 0, str(error) or type(error).__name__
        health = TargetHealth(name, up, at_ms, time.perf_counter() - started, samples, problem)
        self._note(health)
        return health

    def _note(self, health: TargetHealth) -> None:
        before = self.health.get(health.target)
        self.health[health.target] = health
        self._metrics.scrape_up.labels(health.target).set(health.up)
        self._metrics.scrapes.labels(health.target, "up" if health.up else "down").inc()
        if before is None or before.up != health.up:
            log.info("scrape %s: up=%s %s", health.target, health.up, health.problem)

    async def _poll(self, target: ScrapeTarget) -> None:
        """At a fixed beat with a random phase: targets are not all asked at once."""
        await asyncio.sleep(random.uniform(0, min(target.interval_s, 1.0)))
        while True:
            started = time.monotonic()
            await self.scrape(target)
            await asyncio.sleep(max(started + target.interval_s - time.monotonic(), 0.05))

    async def _take(self, target: ScrapeTarget, now_ms: int) -> Accepted:
        page, openmetrics = await self._fetch(target)
        labels = {"job": name_of(target), "instance": httpx.URL(target.url).netloc.decode()}
        decode = bind(
            exposition.decode,
            page,
            origin=Origin("scrape", labels=tuple({**labels, **target.labels}.items())),
            now_ms=now_ms,
            max_series=self._limits.series_per_request,
            openmetrics=openmetrics,
        )
        return await self._intake.samples(decode, now_ms=now_ms)

    async def _fetch(self, target: ScrapeTarget) -> tuple[bytes, bool]:
        """The page, read with a limit, and whether it is OpenMetrics."""
        headers = {"Accept": ACCEPT}
        if target.bearer:
            headers["Authorization"] = f"Bearer {target.bearer}"
        if self._client is None:
            self._client = httpx.AsyncClient(transport=self._transport, trust_env=False)
        page = bytearray()
        async with self._client.stream("GET", target.url, headers=headers) as response:
            response.raise_for_status()
            async for part in response.aiter_bytes():
                page += part
                if len(page) > self._limits.decoded_bytes:
                    raise Rejected(Rejection.BODY_TOO_LARGE, "the page is too large")
        return bytes(page), "openmetrics" in response.headers.get("content-type", "")


def name_of(target: ScrapeTarget) -> str:
    """The configured name, else host and port."""
    return target.name or httpx.URL(target.url).netloc.decode()
