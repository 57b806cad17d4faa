from __future__ import annotations

import asyncio
import gzip
import time
from pathlib import Path

import httpx
import pytest

from collector.config import LimitSettings, ScrapeTarget
from collector.receivers.scrape import Scraper, TargetHealth
from tests.collector.rooms import collector, readings

NOW = time.time_ns() // 1_000_000
TARGET = ScrapeTarget("http://web-1:9100/metrics", labels={"tenant": "acme"}, bearer="secret")


def scrape(tmp_path: Path, serve, target: ScrapeTarget = TARGET, **settings) -> TargetHealth:
    async def run() -> TargetHealth:
        app = collector(tmp_path, **settings)
        scraper = Scraper(
            [target],
            app.intake,
            app.settings.limits,
            app.metrics,
            now_ms=lambda: NOW,
            transport=httpx.MockTransport(serve),
        )
        health = await scraper.scrape(target)
        await scraper.stop()
        app.close()
        return health

    return asyncio.run(run())


def test_a_page_is_stored_with_the_targets_labels(tmp_path):
    asked: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        body = gzip.compress(b'partywall_waiting{tenant="forged",resource="db:x"} 3\n')
        return httpx.Response(200, content=body, headers={"Content-Encoding": "gzip"})

    health = scrape(tmp_path, serve)

    assert (health.up, health.samples, health.problem) == (True, 1, "")
    ((series, ts_ms, value),) = readings(tmp_path)
    assert (series.tenant, series.resource, ts_ms, value) == ("acme", "db:x", NOW, 3.0)
    assert asked[0].headers["authorization"] == "Bearer secret"
    assert "openmetrics" in asked[0].headers["accept"]


def test_two_targets_with_the_same_page_are_two_series(tmp_path):
    def serve(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="partywall_waiting 3\n")

    for name in ("a", "b"):
        scrape(tmp_path, serve, ScrapeTarget(f"http://{name}:1/metrics"))

    assert len({series.identity for series, _, _ in readings(tmp_path)}) == 2


def refuse(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


@pytest.mark.parametrize(
    ("serve", "problem"),
    [
        (refuse, "refused"),
        (lambda _: httpx.Response(500), "500"),
        (lambda _: httpx.Response(302, headers={"Location": "http://127.0.0.1/"}), "302"),
        (lambda _: httpx.Response(200, content=b"x" * 20_000), "too large"),
        (
            lambda _: httpx.Response(
                200, content=gzip.compress(bytes(10**6)), headers={"Content-Encoding": "gzip"}
            ),
            "too large",
        ),
    ],
)
def test_a_target_in_trouble_is_down_and_says_why(tmp_path, serve, problem):
    health = scrape(tmp_path, serve, limits=LimitSettings(decoded_bytes=10_000))

    assert not health.up
    assert problem in health.problem
    assert readings(tmp_path) == []


def test_a_bad_line_leaves_the_target_up_and_is_told(tmp_path):
    health = scrape(tmp_path, lambda _: httpx.Response(200, text="partywall_waiting 3\n}}} x\n"))

    assert health.up
    assert health.samples == 1
    assert "line 2" in health.problem


def test_targets_are_polled_at_their_beat_until_stopped(tmp_path):
    async def run() -> tuple[int, bool]:
        count = 0

        def serve(_: httpx.Request) -> httpx.Response:
            nonlocal count
            count += 1
            return httpx.Response(200, text=f"partywall_waiting {count}\n")

        app = collector(tmp_path)
        target = ScrapeTarget("http://web-1:1/metrics", name="web-1", interval_s=0.05)
        scraper = Scraper(
            [target],
            app.intake,
            app.settings.limits,
            app.metrics,
            now_ms=lambda: NOW,
            transport=httpx.MockTransport(serve),
        )
        assert not scraper.health["web-1"].up
        scraper.start()
        for _ in range(500):
            if count >= 3:
                break
            await asyncio.sleep(0.01)
        await scraper.stop()
        stopped_at = count
        await asyncio.sleep(0.12)
        app.close()
        return stopped_at, count == stopped_at and scraper.health["web-1"].up

    count, stopped = asyncio.run(run())
    assert count >= 3
    assert stopped
