"""One contract for every door: the same events give the same integer totals."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import accumulate, pairwise

import httpx
import pytest

from collector.config import ScrapeTarget
from collector.receivers.scrape import Scraper
from tests.collector.rooms import Totals, client, collector, totals
from tests.collector.senders import (
    RW1_HEADERS,
    RW2_HEADERS,
    Sample,
    SymbolTable,
    otlp_point,
    otlp_protobuf,
    otlp_request,
    series,
    snappy,
    write_request,
)

BOUNDS = (0.01, 0.1, 1.0)
LES = (*BOUNDS, float("inf"))
TENANTS = ("acme", "globex", "initech", "umbrella", "hooli")


def events(seed: int) -> list[tuple[str, float, bool]]:
    """Tenant, seconds in whole microseconds, failed."""
    rng = random.Random(seed)
    return [
        (rng.choice(TENANTS), rng.randrange(1, 2_000_000) / 1e6, rng.random() < 0.1)
        for _ in range(400)
    ]


Steps = dict[tuple[str, str, str], list[int]]
"""(metric, tenant, le) → micro-units after each of the scrapes, the first all zero."""


def steps(done: list[tuple[str, float, bool]], rounds: int = 4) -> Steps:
    found: Steps = {}
    for number in range(rounds):
        chunk = Counter[tuple[str, str, str]]()
        for tenant, seconds, failed in done[number::rounds]:
            chunk["partywall_finished_total", tenant, ""] += 1_000_000
            chunk["partywall_errors_total", tenant, ""] += 1_000_000 * failed
            chunk["partywall_busy_seconds_total", tenant, ""] += round(seconds * 1e6)
            for le in (*BOUNDS, float("inf")):
                chunk["partywall_latency_seconds_bucket", tenant, _le(le)] += 1_000_000 * (
                    seconds <= le
                )
        for key in {*found, *chunk}:
            found.setdefault(key, [0] * (number + 1)).append(chunk[key])
    return {key: list(accumulate(values)) for key, values in found.items()}


def _le(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)


def _labels(metric: str, tenant: str, le: str) -> dict[str, str]:
    labels = {"__name__": metric, "tenant": tenant, "resource": "db:shard-1"}
    return labels | ({"le": le} if le else {})


def by_remote_write(tmp_path, done, now_ms) -> None:
    everything = steps(done)

    async def send() -> None:
        app = collector(tmp_path)
        async with client(app) as http:
            for number in range(5):
                body = write_request(
                    *(
                        series(_labels(*key), [(values[number] / 1e6, now_ms + number * 1000)])
                        for key, values in everything.items()
                    )
                )
                answer = await http.post("/api/v1/write", content=snappy(body), headers=RW1_HEADERS)
                assert answer.status_code == 204, answer.text
        app.close()

    asyncio.run(send())


def by_remote_write_v2(tmp_path, done, now_ms) -> None:
    everything = steps(done)

    async def send() -> None:
        app = collector(tmp_path)
        async with client(app) as http:
            for number in range(5):
                table, at = SymbolTable(), now_ms + number * 1000
                entries = [
                    table.series(_labels(*key), [(values[number] / 1e6, at)])
                    for key, values in everything.items()
                ]
                body = snappy(table.request(*entries))
                answer = await http.post("/api/v1/write", content=body, headers=RW2_HEADERS)
                assert answer.status_code == 204, answer.text
                written = answer.headers["X-Prometheus-Remote-Write-Samples-Written"]
                assert int(written) == len(entries)
        app.close()

    asyncio.run(send())


def by_otlp(tmp_path, done, now_ms, *, delta: bool, as_json: bool) -> None:
    everything = steps(done)

    async def send() -> None:
        app = collector(tmp_path)
        async with client(app) as http:
            for number in range(delta, 5):
                metrics = [
                    *_otlp_sums(everything, number, now_ms, delta=delta),
                    *_otlp_histograms(everything, number, now_ms, delta=delta),
                ]
                request = otlp_request(metrics, {"service.name": "api", "host.name": "h1"})
                kind = "application/json" if as_json else "application/x-protobuf"
                body = json.dumps(request).encode() if as_json else otlp_protobuf(request)
                answer = await http.post(
                    "/v1/metrics",
                    content=gzip.compress(body),
                    headers={"Content-Type": kind, "Content-Encoding": "gzip"},
                )
                assert (answer.status_code, answer.content) == (200, b"{}" if as_json else b"")
                assert answer.headers["content-type"] == kind
        app.close()

    asyncio.run(send())


def _otlp_sums(everything, number, now_ms, *, delta) -> list[dict[str, object]]:
    names = {
        "partywall_errors_total": ("partywall.errors", "{operation}"),
        "partywall_busy_seconds_total": ("partywall.busy", "s"),
    }
    metrics: list[dict[str, object]] = []
    for (metric, tenant, _), values in everything.items():
        if metric in names:
            value = values[number] - (values[number - 1] if delta else 0)
            labels = {"tenant.id": tenant, "resource": "db:shard-1"}
            point = otlp_point(labels, now_ms + number * 1000, now_ms, asDouble=value / 1e6)
            data = {"dataPoints": [point], "isMonotonic": True}
            data["aggregationTemporality"] = 1 if delta else 2
            name, unit = names[metric]
            metrics.append({"name": name, "unit": unit, "sum": data})
    return metrics


def _otlp_histograms(everything, number, now_ms, *, delta) -> list[dict[str, object]]:
    """The histogram's own count feeds `count`, so nothing else may."""
    points = []
    for tenant in TENANTS:
        rows = [everything["partywall_latency_seconds_bucket", tenant, _le(b)] for b in LES]
        below = [row[number] - (row[number - 1] if delta else 0) for row in rows]
        counts = [b - a for a, b in pairwise([0, *(value // 1_000_000 for value in below)])]
        labels = {"tenant.id": tenant, "resource": "db:shard-1"}
        points.append(
            otlp_point(
                labels,
                now_ms + number * 1000,
                now_ms,
                count=str(sum(counts)),
                bucketCounts=[str(count) for count in counts],
                explicitBounds=list(BOUNDS),
            )
        )
    data = {"dataPoints": points, "aggregationTemporality": 1 if delta else 2}
    return [{"name": "partywall.latency", "unit": "s", "histogram": data}]


def by_one_remote_write_of_many_samples(tmp_path, done, now_ms) -> None:
    entries = []
    for key, values in steps(done).items():
        points: list[Sample] = [(v / 1e6, now_ms + n * 1000) for n, v in enumerate(values)]
        entries.append(series(_labels(*key), points))

    async def send() -> None:
        app = collector(tmp_path)
        async with client(app) as http:
            body = snappy(write_request(*entries))
            answer = await http.post("/api/v1/write", content=body, headers=RW1_HEADERS)
            assert answer.status_code == 204, answer.text
        app.close()

    asyncio.run(send())


def by_usage_rows(tmp_path, done, now_ms) -> None:
    lines = []
    for number in range(4):
        for tenant in TENANTS:
            mine = [one for one in done[number::4] if one[0] == tenant]
            counts = [0, 0, 0, 0]
            for _, seconds, _ in mine:
                counts[sum(seconds > bound for bound in BOUNDS)] += 1
            row = {
                "ts": now_ms / 1000 + number,
                "window_s": 1,
                "tenant": tenant,
                "resource": "db:shard-1",
                "family": "query",
                "count": len(mine),
                "errors": sum(failed for *_, failed in mine),
                "busy_s": sum(seconds for _, seconds, _ in mine),
                "latency_buckets": counts,
                "latency_bounds": BOUNDS,
            }
            lines.append(json.dumps(row))

    async def send() -> None:
        app = collector(tmp_path)
        async with client(app) as http:
            headers = {"Content-Type": "application/x-ndjson"}
            answer = await http.post("/api/v1/usage", content="\n".join(lines), headers=headers)
            assert answer.status_code == 200, answer.text
        app.close()

    asyncio.run(send())


def by_scrape(tmp_path, done, now_ms) -> None:
    everything = steps(done)
    pages = iter(range(5))

    def serve(request: httpx.Request) -> httpx.Response:
        page = next(pages)
        lines = [
            f"{_text(*key)} {values[page] / 1e6!r} {now_ms + page * 1000}"
            for key, values in everything.items()
        ]
        return httpx.Response(200, text="# HELP x y\n" + "\n".join(lines) + "\n")

    async def poll() -> None:
        app = collector(tmp_path)
        target = ScrapeTarget("http://127.0.0.1:9/metrics")
        scraper = Scraper(
            [target],
            app.intake,
            app.settings.limits,
            app.metrics,
            now_ms=lambda: now_ms,
            transport=httpx.MockTransport(serve),
        )
        for _ in range(5):
            health = await scraper.scrape(target)
            assert health.up, health.problem
            assert not health.problem
        await scraper.stop()
        app.close()

    asyncio.run(poll())


def _text(metric: str, tenant: str, le: str) -> str:
    pairs = {k: v for k, v in _labels(metric, tenant, le).items() if k != "__name__"}
    return metric + "{" + ",".join(f'{k}="{v}"' for k, v in pairs.items()) + "}"


def expected(done: list[tuple[str, float, bool]]) -> Totals:
    sums = Counter[tuple[tuple[str, str, str], str]]()
    for tenant, seconds, failed in done:
        place = (tenant, "db:shard-1", "query")
        sums[place, "count"] += 1
        sums[place, "errors"] += failed
        sums[place, "busy_us"] += round(seconds * 1e6)
        sums[place, f"b{sum(seconds > bound for bound in BOUNDS):02d}"] += 1
    return {key: value for key, value in sums.items() if value}


DOORS: list[Callable[..., None]] = [
    by_remote_write,
    by_remote_write_v2,
    by_one_remote_write_of_many_samples,
    by_usage_rows,
    by_scrape,
    *(
        partial(by_otlp, delta=delta, as_json=as_json)
        for delta in (False, True)
        for as_json in (False, True)
    ),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_events_give_the_same_integer_totals_through_every_door(tmp_path, door, seed):
    done = events(seed)

    door(tmp_path, done, time.time_ns() // 1_000_000)

    assert totals(tmp_path) == expected(done)
