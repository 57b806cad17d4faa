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

from collector.config import DiscoverySettings, LimitSettings, ScrapeTarget
from collector.decode import exposition
from collector.intake import Accepted, Decode, Intake
from collector.metrics import CollectorMetrics
from collector.model import Rejected, Rejection
from collector.receivers.discovery import Discovery
from collector.receivers.pages import Pages
from collector.series import Origin

log = logging.getLogger(__name__)

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.8,*/*;q=0.1"

_TRIES = 20
"""A new page of many series is learnt in pieces, as a body is."""

_CONFIGURED = ""


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
    """One task a target, configured or discovered. `now_ms` reads the clock."""

    def __init__(
        self,
        targets: Sequence[ScrapeTarget],
        intake: Intake,
        limits: LimitSettings,
        metrics: CollectorMetrics,
        *,
        now_ms: Callable[[], int],
        discovery: Sequence[DiscoverySettings] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._configured = targets
        self._intake = intake
        self._limits = limits
        self._metrics = metrics
        self._now_ms = now_ms
        self._pages = Pages(limits.decoded_bytes, transport)
        self._discovery = Discovery(discovery, self._pages, metrics, self.reconcile)
        self._polled: dict[str, dict[str, ScrapeTarget]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.health = {name_of(one): TargetHealth(name_of(one)) for one in targets}

    def start(self) -> None:
        """Begin polling in the running loop."""
        self.reconcile(_CONFIGURED, self._configured)
        self._discovery.start()

    async def stop(self) -> None:
        """End polling and close connections."""
        await self._discovery.stop()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        await self._pages.close()

    def reconcile(self, source: str, targets: Sequence[ScrapeTarget]) -> None:
        """Poll these targets of a source from now on, and no others of it.

        A target whose settings are the same keeps its beat.
        """
        before = self._polled.get(source, {})
        wanted = {name_of(one): one for one in targets}
        for name in before.keys() - wanted.keys():
            self._forget(name)
        for name, target in wanted.items():
            if before.get(name) != target:
                if name in self._tasks:
                    self._tasks.pop(name).cancel()
                self.health.setdefault(name, TargetHealth(name))
                self._tasks[name] = asyncio.create_task(self._poll(target))
        self._polled[source] = wanted

    def _forget(self, name: str) -> None:
        self._tasks.pop(name).cancel()
        self.health.pop(name, None)
        self._metrics.forget_target(name)

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
        except Exception as error:  # whatever it is, the target must be asked again
            log.exception("scrape %s failed", name)
            up, samples, problem = False, 0, f"the collector failed: {type(error).__name__}"
        health = TargetHealth(name, up, at_ms, time.perf_counter() - started, samples, problem)
        self._note(health)
        return health

    def _note(self, health: TargetHealth) -> None:
        before = self.health.get(health.target)
        self.health[health.target] = health
        self._metrics.scraped(health.target, up=health.up, seconds=health.seconds)
        self._metrics.scrape_samples.labels(health.target).set(health.samples)
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
        page = await self._pages.fetch(target.url, target, ACCEPT)
        _check_samples(page.body, target.sample_limit)
        job = target.job or name_of(target)
        labels = {"job": job, "instance": httpx.URL(target.url).netloc.decode()}
        decode = bind(
            exposition.decode,
            page.body,
            origin=Origin("scrape", labels=tuple({**labels, **target.labels}.items())),
            now_ms=now_ms,
            max_series=self._limits.series_per_request,
            openmetrics="openmetrics" in page.media_type,
        )
        return await self._stored(decode, now_ms, f"scrape {name_of(target)}")

    async def _stored(self, decode: Decode, now_ms: int, sender: str) -> Accepted:
        for _ in range(_TRIES - 1):
            try:
                return await self._intake.samples(decode, now_ms=now_ms, sender=sender)
            except Rejected as rejected:
                if rejected.reason is not Rejection.UNAVAILABLE or rejected.retry_after_s != 1:
                    raise
        return await self._intake.samples(decode, now_ms=now_ms, sender=sender)


def _check_samples(page: bytes, limit: int) -> None:
    """Raises Rejected(TOO_MANY_FIELDS) on a page of more samples than the target may have."""
    if not limit or page.count(b"\n") < limit:
        return
    count = sum(1 for line in page.split(b"\n") if line.strip() and line[:1] != b"#")
    if count > limit:
        detail = f"{count} samples, the target's sample_limit is {limit}: nothing was taken"
        raise Rejected(Rejection.TOO_MANY_FIELDS, detail)


def name_of(target: ScrapeTarget) -> str:
    """The configured name, else host and port."""
    return target.name or httpx.URL(target.url).netloc.decode()
