"""Lists of targets that change while the collector runs, and targets that want a login or TLS."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from collector.app import Collector
from collector.config import DiscoverySettings, ScrapeTarget
from collector.receivers.discovery import Discovery, parse
from collector.receivers.pages import Pages
from collector.receivers.scrape import Scraper
from partywall import ports
from tests.collector.rooms import collector, readings

NOW = time.time_ns() // 1_000_000
JOB = DiscoverySettings("web", files=("targets.json",), labels={"tenant": "acme"}, sample_limit=9)


def listed(*groups: object) -> bytes:
    return json.dumps(list(groups)).encode()


def test_a_list_has_the_shape_of_prometheus_service_discovery():
    labels = {
        "zone": "a", "__meta_kubernetes_pod": "x", "__scheme__": "https",
        "__metrics_path__": "prom", "__param_format": "text", "__scrape_interval__": "1m30s",
        "__scrape_timeout__": "2m",
    }  # fmt: skip
    first, second = parse(
        listed({"targets": ["10.0.0.1:9100"]}, {"targets": ["b:1"], "labels": labels}), JOB
    )

    assert first == ScrapeTarget(
        "http://10.0.0.1:9100/metrics",
        name="web/10.0.0.1:9100",
        job="web",
        labels={"tenant": "acme"},
        sample_limit=9,
    )
    assert second.url == "https://b:1/prom?format=text"
    assert (second.name, second.interval_s, second.timeout_s) == ("web/b:1/prom", 90, 90)
    assert second.labels == {"tenant": "acme", "zone": "a"}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"{}", "expected a list"),
        (b"[3]", "group 0: targets must be"),
        (b'[{"targets": "a:1"}]', "group 0: targets must be"),
        (b'[{"targets": [3]}]', "group 0: targets must be"),
        (b'[{"targets": ["a:1"], "labels": {"x": 3}}]', "labels an object of text"),
        (b'[{"targets": ["http://a:1/metrics"]}]', "no host:port"),
        (b'[{"targets": ["user@a:1"]}]', "no host:port"),
        (b'[{"targets": ["a:1"], "labels": {"__scheme__": "file"}}]', "http or https"),
        (b'[{"targets": ["a:1"], "labels": {"__scrape_interval__": "soon"}}]', "no duration"),
        (b'[{"targets": ["a:1"], "labels": {"__scrape_interval__": "5ms"}}]', "no duration"),
        (b"[", "Expecting value"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_list_says_what_is_wrong(text, word):
    with pytest.raises(ValueError, match=word):
        parse(text, JOB)


@asynccontextmanager
async def scraping(
    tmp_path: Path, serve: Callable[[httpx.Request], httpx.Response], *sources: DiscoverySettings
) -> AsyncIterator[tuple[Collector, Scraper]]:
    app = collector(tmp_path)
    scraper = Scraper(
        [],
        app.intake,
        app.settings.limits,
        app.metrics,
        now_ms=lambda: NOW,
        discovery=sources,
        transport=httpx.MockTransport(serve),
    )
    scraper.start()
    try:
        yield app, scraper
    finally:
        await scraper.stop()
        app.close()


async def until(met: Callable[[], bool], what: str) -> None:
    for _ in range(1000):
        if met():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"it did not happen: {what}")


def test_targets_come_and_go_with_their_file(tmp_path):
    file = tmp_path / "targets.json"
    source = replace(JOB, files=(str(tmp_path / "*.json"),), refresh_s=0.02, interval_s=0.5,
                     timeout_s=0.5)  # fmt: skip

    def serve(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=f'partywall_waiting{{pod="{request.url.host}"}} 3\n')

    async def run() -> None:
        async with scraping(tmp_path, serve, source) as (app, scraper):
            assert scraper.health == {}
            file.write_bytes(listed({"targets": ["a:1", "b:1"]}))
            await until(lambda: [h.up for h in scraper.health.values()] == [True] * 2, "two up")
            kept = scraper._tasks["web/a:1"]
            file.write_bytes(listed({"targets": ["a:1", "c:1"]}))
            await until(lambda: set(scraper.health) == {"web/a:1", "web/c:1"}, "b went, c came")
            assert scraper._tasks["web/a:1"] is kept, "a keeps its beat"
            page = app.metrics.page()[0].decode()
            assert 'partywall_scrape_up{target="web/a:1"} 1.0' in page
            assert "web/b:1" not in page
            assert 'partywall_discovered_targets{job="web"} 2.0' in page
            file.write_text("[broken")
            failures = 'partywall_discovery_failures_total{job="web"}'
            await until(lambda: failures in app.metrics.page()[0].decode(), "it is said")
            assert set(scraper.health) == {"web/a:1", "web/c:1"}, "the last good list holds"

    asyncio.run(run())
    assert {s.tenant for s, _, _ in readings(tmp_path)} == {"acme"}


def test_targets_come_from_an_address_with_a_login(tmp_path):
    source = DiscoverySettings(
        "web", url="http://sd/targets", refresh_s=0.02, username="ann", password="s3cret"
    )
    asked: dict[str, str] = {}

    def serve(request: httpx.Request) -> httpx.Response:
        asked[request.url.host] = request.headers.get("authorization", "")
        if request.url.host == "sd":
            return httpx.Response(200, content=listed({"targets": ["a:1"]}))
        return httpx.Response(200, text='partywall_waiting{tenant="acme"} 3\n')

    async def run() -> None:
        async with scraping(tmp_path, serve, source) as (_, scraper):
            await until(lambda: any(h.up for h in scraper.health.values()), "a is up")

    asyncio.run(run())
    basic = "Basic " + base64.b64encode(b"ann:s3cret").decode()
    assert asked == {"sd": basic, "a": basic}
    assert "s3cret" not in repr(source)


def test_a_source_that_fails_is_asked_again(tmp_path):
    answers = iter([httpx.Response(500), httpx.Response(200, content=listed({"targets": ["a:1"]}))])
    found: list[int] = []

    async def run() -> list[bool]:
        app = collector(tmp_path)
        pages = Pages(10_000, httpx.MockTransport(lambda _: next(answers)))
        source = DiscoverySettings("web", url="http://sd/targets")
        watch = Discovery(
            [source], pages, app.metrics, lambda _, targets: found.append(len(targets))
        )
        looks = [await watch.look(source), await watch.look(source)]
        await pages.close()
        app.close()
        return looks

    assert asyncio.run(run()) == [False, True]
    assert found == [1]


async def once(tmp_path: Path, target: ScrapeTarget, transport=None):
    app = collector(tmp_path)
    scraper = Scraper(
        [target], app.intake, app.settings.limits, app.metrics, now_ms=lambda: NOW,
        transport=transport,
    )  # fmt: skip
    health = await scraper.scrape(target)
    await scraper.stop()
    app.close()
    return health


@pytest.mark.parametrize(("limit", "up"), [(0, True), (3, True), (2, False)])
def test_a_page_over_the_targets_limit_is_not_taken_at_all(tmp_path, limit, up):
    page = "# HELP x y\n" + "".join(f'partywall_waiting{{n="{n}"}} 1\n' for n in range(3))
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=page))
    target = ScrapeTarget("http://a:1/metrics", sample_limit=limit)
    health = asyncio.run(once(tmp_path, target, transport))

    assert health.up is up
    assert len(readings(tmp_path)) == (3 if up else 0)
    assert up or "sample_limit is 2" in health.problem


def test_a_page_of_more_new_series_than_fit_at_once_is_taken_at_the_first_scrape(tmp_path):
    page = "".join(f'partywall_waiting{{n="{n}"}} 1\n' for n in range(15_000))
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=page))
    health = asyncio.run(
        once(tmp_path, ScrapeTarget("http://a:1/metrics", timeout_s=15), transport)
    )

    assert (health.up, health.samples) == (True, 15_000), health.problem


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.fromtimestamp(NOW / 1000, datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "cert.pem", directory / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


@pytest.fixture(scope="module")
def secured(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A page behind TLS, and the certificate to trust."""
    trusted, key = certificate(tmp_path_factory.mktemp("tls"))
    port = ports.free_port()

    async def page(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'partywall_waiting{tenant="acme"} 3\n'})

    config = uvicorn.Config(
        page, port=port, ssl_certfile=trusted, ssl_keyfile=key, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"https://127.0.0.1:{port}/metrics", trusted
    server.should_exit = True
    thread.join()


def test_a_certificate_is_checked_unless_told_otherwise(tmp_path, secured):
    url, trusted = secured
    wary = asyncio.run(once(tmp_path / "a", ScrapeTarget(url)))
    told = asyncio.run(once(tmp_path / "b", ScrapeTarget(url, ca_file=trusted)))
    careless = asyncio.run(once(tmp_path / "c", ScrapeTarget(url, insecure=True)))

    assert not wary.up
    assert "certificate" in wary.problem.lower()
    assert told.up, told.problem
    assert careless.up, careless.problem
