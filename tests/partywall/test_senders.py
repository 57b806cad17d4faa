"""`doctor --explain-mapping`, `--quarantine`, `--targets` against a real collector."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from collector.app import build
from collector.config import CollectorSettings, LimitSettings, MeterRule, ScrapeTarget, Token
from partywall import cli, ports
from tests.collector.senders import (
    RW1_HEADERS,
    native,
    otlp_point,
    otlp_request,
    series,
    snappy,
    write_request,
)
from tests.collector.senders import field as proto

READ, BOUND, INGEST = (
    "pw_read_0123456789abcdef",
    "pw_acme_0123456789abcdef",
    "pw_ing_0123456789abcd",
)
NOW = time.time_ns() // 1_000_000


def body() -> bytes:
    named = {"tenant": "acme", "resource": "db:shard-1"}
    return snappy(
        write_request(
            series({**named, "__name__": "partywall_finished_total"}, [(1.0, NOW)]),
            series({**named, "__name__": "app_jobs_total", "kind": "mail"}, [(1.0, NOW)]),
            series({**named, "__name__": "app_jobs_total", "kind": "sms"}, [(1.0, NOW)]),
            series({**named, "__name__": "go_goroutines"}, [(1.0, NOW)]),
            series({"__name__": "partywall_errors_total", "pod": "[red]"}, [(4.0, NOW)]),
            series(
                {**named, "__name__": "partywall_busy_seconds_total", "tenant": "a/b"}, [(1, 1)]
            ),
            series({**named, "__name__": "partywall_latency_seconds"}, [])
            + proto(4, native(NOW, [3])),
        )
    )


def odd() -> dict[str, object]:
    bounds = [5.0, 10.0, 1000.0]
    point = otlp_point(
        {"tenant": "acme"}, NOW, NOW - 5, count="1", bucketCounts=["1", "0", "0", "0"],
        explicitBounds=bounds,
    )  # fmt: skip
    data = {"dataPoints": [point], "aggregationTemporality": 2}
    metric: dict[str, object] = {
        "name": "http.server.request.duration", "unit": "s", "histogram": data,
    }  # fmt: skip
    return otlp_request([metric], {})


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration file, and a collector that runs by it and was sent something."""
    directory = tmp_path_factory.mktemp("senders")
    port = ports.free_port()
    settings = CollectorSettings(
        data=directory,
        listen=f"127.0.0.1:{port}",
        limits=LimitSettings(),
        meters=(MeterRule("app_jobs_.*", labels={"kind": "mail"}, resource="queue:{kind}"),),
        scrape=(ScrapeTarget("http://127.0.0.1:9/metrics", name="gone", timeout_s=1),),
        tokens=(
            Token("reader", READ, scope="read"),
            Token("acme", BOUND, scope="read", tenant="acme"),
            Token("sender", INGEST),
        ),
    )
    app = build(replace(settings))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    while not server.started:
        time.sleep(0.01)
    sent = {"Authorization": f"Bearer {INGEST}"}
    httpx.post(url + "/api/v1/write", content=body(), headers={**RW1_HEADERS, **sent})
    assert httpx.post(url + "/v1/metrics", json=odd(), headers=sent).status_code == 200
    file = directory / "partywall.toml"
    file.write_text(f'[service]\ndata = "{directory}"\n[collector]\nlisten = "127.0.0.1:{port}"\n')
    yield file
    server.should_exit = True
    thread.join()
    app.close()


@pytest.fixture
def ask(config, monkeypatch):
    def run(*words: str, token: str = READ):
        monkeypatch.setenv("PARTYWALL_TOKEN", token)
        return CliRunner().invoke(cli.tree, ["doctor", "--config", str(config), *words])

    return run


def test_every_live_metric_has_a_line_that_says_what_took_it(ask):
    told = json.loads(ask("--explain-mapping", "-o", "json").stdout)
    lines = {(one["metric"], one["outcome"]): one for one in told["metrics"]}

    assert lines["app_jobs_total", "taken"]["rule"] == "meter[0] app_jobs_.*"
    assert lines["app_jobs_total", "taken"]["resource"] == "queue:mail"
    assert lines["app_jobs_total", "ignored"]["labels"]["kind"] == "sms"
    assert lines["partywall_finished_total", "taken"]["rule"].startswith("built-in")
    assert lines["go_goroutines", "ignored"]["series"] == 1
    assert "contains '/'" in lines["partywall_busy_seconds_total", "refused"]["why"]
    assert lines["partywall_latency_seconds_bucket", "taken"]["series"] == 32
    assert told["metrics"][0]["outcome"] == "refused"
    assert told["left_off"] == 0
    (mistake,) = told["oddities"]
    assert mistake["metric"] == "http_server_request_duration_seconds"


def test_the_mapping_is_a_table_and_csv_too(ask):
    rows = [line.split("\t") for line in ask("--explain-mapping").stdout.splitlines()]
    assert ["ignored", "go_goroutines", "1"] in [row[:3] for row in rows]
    assert rows[-1][0] == "odd"
    heading = ask("--explain-mapping", "-o", "csv").stdout.splitlines()[0]
    assert heading == "outcome,metric,series,rule,feeds,kind,resource,seen,note"


def test_what_names_no_tenant_is_shown_with_an_example(ask):
    told = json.loads(ask("--quarantine", "-o", "json").stdout)

    assert (told["series"], told["samples"], told["rows"]) == (1, 1, 0)
    assert told["first_s"] > 1e9
    (example,) = told["examples"]
    assert example["labels"] == {"__name__": "partywall_errors_total", "pod": "[red]"}
    assert "partywall_errors_total{pod='[red]'}" in ask("--quarantine").stdout


def test_a_target_that_is_down_is_named_with_its_reason(ask):
    deadline = time.monotonic() + 10
    while "not scraped yet" in (found := ask("--targets").stdout) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found.startswith("gone\tDOWN")


def test_doctor_names_what_is_wrong_with_the_senders(ask):
    found = ask("-o", "json")
    told = {one["what"]: one for one in json.loads(found.stdout)}

    assert told["scrape"]["ok"] is False
    assert told["mapping"]["ok"] is False
    assert "suit milliseconds" in told["mapping"]["detail"]
    assert told["quarantine"]["ok"] is None
    assert found.exit_code == 1


@pytest.mark.parametrize("token", [INGEST, BOUND, "nobody"])
def test_what_speaks_of_all_tenants_needs_a_token_for_that(ask, token):
    found = ask("--explain-mapping", token=token)

    assert found.exit_code == 1
    assert "the collector refused" in str(found.exception)


@pytest.mark.parametrize("limit", ["0", "2001", "x", "9999999999999999999"])
def test_a_limit_out_of_range_is_refused_by_name(config, limit):
    url = config.read_text().split('listen = "')[1].split('"')[0]
    headers = {"Authorization": f"Bearer {READ}"}
    answer = httpx.get(f"http://{url}/api/v1/mapping?limit={limit}", headers=headers)

    assert (answer.status_code, answer.json()["field"]) == (400, "limit")
    assert httpx.post(f"http://{url}/api/v1/mapping", headers=headers).status_code == 405
