"""The collector over HTTP: what it answers, and that what it took is on disk."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import httpx
import pyarrow as pa
import pytest
import uvicorn

from collector.config import (
    CollectorSettings,
    LimitSettings,
    TenancySettings,
    TenantLimits,
    Token,
)
from collector.model import Rejected, Rejection
from tests.collector.rooms import client, collector, frames, readings, usage_rows
from tests.collector.senders import (
    RW1_HEADERS,
    RW2_HEADERS,
    STALE,
    field,
    series,
    snappy,
    write_request,
)

NOW = time.time_ns() // 1_000_000
NDJSON = {"Content-Type": "application/x-ndjson"}
TOKEN = "pw_ing_0123456789abcdef"
BOUND_TOKEN = "pw_ten_0123456789abcdef"


def metric(name: str = "partywall_finished_total", **labels: str) -> dict[str, str]:
    return {"__name__": name, "tenant": "acme", "resource": "db:shard-1", **labels}


def one(*values: float, **labels: str) -> bytes:
    points = [(value, NOW + at) for at, value in enumerate(values)]
    return series(metric(**labels), points)


def row(**fields: object) -> str:
    usual = {"ts": NOW / 1000, "tenant": "acme", "resource": "db:shard-1", "family": "query"}
    return json.dumps({**usual, **fields})


def talk(
    tmp_path,
    conversation: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]],
    **settings: object,
) -> httpx.Response:
    """Hold a conversation with a fresh collector, then seal it."""

    async def run() -> httpx.Response:
        app = collector(tmp_path, **settings)
        try:
            async with client(app) as http:
                return await conversation(http)
        finally:
            app.close()

    return asyncio.run(run())


def write(tmp_path, body: bytes, *, headers=(), **settings) -> httpx.Response:
    sent = {**RW1_HEADERS, **dict(headers)}
    return talk(tmp_path, lambda c: c.post("/api/v1/write", content=body, headers=sent), **settings)


def usage(tmp_path, body: str | bytes, *, headers=(), **settings) -> httpx.Response:
    sent = {**NDJSON, **dict(headers)}
    return talk(tmp_path, lambda c: c.post("/api/v1/usage", content=body, headers=sent), **settings)


def test_a_written_sample_is_on_disk_with_its_series(tmp_path):
    answer = write(tmp_path, snappy(write_request(one(1.0, 2.0), one(5.0, tenant="globex"))))

    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["X-Prometheus-Remote-Write-Samples-Written"] == "3"
    found = [(s.tenant, s.resource, s.column, value) for s, _, value in readings(tmp_path)]
    assert found == [
        ("acme", "db:shard-1", "count", 1.0),
        ("acme", "db:shard-1", "count", 2.0),
        ("globex", "db:shard-1", "count", 5.0),
    ]


def test_good_samples_are_kept_when_others_are_refused(tmp_path):
    body = write_request(one(1.0), series({"tenant": "acme"}, [(2.0, NOW)]), one(-3.0, le="x"))
    answer = write(tmp_path, snappy(body))

    assert answer.status_code == 400
    assert answer.headers["X-Prometheus-Remote-Write-Samples-Written"] == "1"
    assert "missing-metric-name" in answer.json()["detail"]
    assert "value-negative" in answer.json()["detail"]
    assert [value for _, _, value in readings(tmp_path)] == [1.0]


def test_metrics_nobody_named_are_ignored_and_acknowledged(tmp_path):
    answer = write(tmp_path, snappy(write_request(one(1.0, name="go_goroutines"))))

    assert answer.status_code == 204
    assert readings(tmp_path) == []


def test_a_request_of_metadata_alone_is_fine(tmp_path):
    metadata = field(3, b"\x08\x01" + field(2, b"partywall_finished_total"))

    assert write(tmp_path, snappy(metadata)).status_code == 204
    assert write(tmp_path / "b", snappy(b"")).status_code == 204


def test_a_stale_marker_arrives_with_its_bits(tmp_path):
    assert write(tmp_path, snappy(write_request(one(1.0, STALE)))).status_code == 204
    values = [value for _, _, value in readings(tmp_path)]
    assert len(values) == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Encoding": "zstd"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json"}, 415),
        ({"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v9.Request"}, 415),
        ({"Content-Type": "application/x-protobuf;proto=prometheus.WriteRequest"}, 204),
        ({"Content-Type": 'application/x-protobuf; proto="prometheus.WriteRequest"'}, 204),
    ],
)
def test_what_cannot_be_decoded_is_never_acknowledged(tmp_path, headers, status):
    assert write(tmp_path, snappy(write_request(one(1.0))), headers=headers).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"\x05abc",
        b"",
        b"\xff\xff\xff\xff\xff\xff",
        snappy(b"\x0a\x7f"),
        snappy(b"\x0a\x02\x0a\x7f"),
        snappy(b"\x0b\x0b"),
        snappy(b"\xff" * 12),
        snappy(write_request(field(1, field(1, b"\xff\xfe")) + field(2, b"\x10\x01"))),
        b"\xff\x06\x00\x00sNaPpY",
    ],
)
def test_a_body_that_is_no_write_request_is_refused_whole(tmp_path, body):
    answer = write(tmp_path, body)

    assert answer.status_code in {400, 413}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code


def test_a_snappy_bomb_is_refused_by_its_first_bytes(tmp_path):
    claims_4_gib = b"\xff\xff\xff\xff\x0f" + b"\x00" * 100

    assert write(tmp_path, claims_4_gib).status_code == 413


def test_a_body_of_empty_series_is_refused_by_its_count(tmp_path):
    body = snappy(b"\x0a\x00" * 200_000)

    answer = write(tmp_path, body)

    assert answer.status_code == 400
    assert answer.json()["type"] == "too-many-fields"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (field(1, b"\x0a\x00" * 1_100_000), RW1_HEADERS),
        (field(1, b"\x12\x00" * 1_100_000), RW1_HEADERS),
        (field(1, b"\x1a\x00" * 1_100_000), RW1_HEADERS),
        (b"\x22\x00" * 1_100_000, RW2_HEADERS),
        (b"\x22\x00" + field(5, b"\x12\x00" * 1_100_000), RW2_HEADERS),
    ],
)
def test_a_body_of_empty_fields_is_refused_by_their_count(tmp_path, body, headers):
    answer = write(tmp_path, snappy(body), headers=headers)

    assert answer.status_code == 400
    assert answer.json()["type"] == "too-many-fields"


@pytest.mark.parametrize("path", ["/api/v1/write", "/api/v1/usage"])
def test_a_large_body_is_refused_while_it_streams(tmp_path, path):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100_000

    limits = LimitSettings(body_bytes=1_000_000)
    answer = talk(
        tmp_path, lambda c: c.post(path, content=endless(), headers=RW1_HEADERS), limits=limits
    )

    assert answer.status_code == 413
    assert answer.json()["type"] == "body-too-large"


def test_usage_rows_are_on_disk_as_integer_microseconds(tmp_path):
    answer = usage(tmp_path, row(count=5, busy_s=1.25, latency_buckets=[1] * 32) + "\n\n")

    assert answer.status_code == 200
    assert answer.json() == {"rows": 1}
    (found,) = usage_rows(tmp_path)
    assert (found["count"], found["busy_us"], found["b31"]) == (5, 1_250_000, 1)
    assert found["errors"] is None
    assert found["bounds"] == 0
    assert found["latency_bounds"] is None


def test_a_batch_keeps_its_id(tmp_path):
    usage(tmp_path, row(count=1), headers={"X-Partywall-Batch": "b-1"})

    assert [getattr(frame, "batch_id", None) for _, frame in frames(tmp_path)] == ["b-1"]


def test_the_batch_id_of_a_bound_token_is_its_tenants_own(tmp_path):
    headers = {"X-Partywall-Batch": "b-1", "Authorization": f"Bearer {BOUND_TOKEN}"}
    tokens = (Token("acme", BOUND_TOKEN, tenant="acme"),)
    usage(tmp_path, row(count=1), headers=headers, tokens=tokens)

    assert [getattr(frame, "batch_id", None) for _, frame in frames(tmp_path)] == ["acme/b-1"]


def test_a_bad_row_names_its_line_and_field_and_costs_only_itself(tmp_path):
    lines = [row(count=1), row(count=-1), row(family="sql"), "not json", row(count=2)]
    answer = usage(tmp_path, "\n".join(lines))

    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert "3 rows refused, 2 written" in detail
    assert "row 2: count is -1" in detail
    assert "row 3" in detail
    assert "row 4" in detail
    assert [one["count"] for one in usage_rows(tmp_path)] == [1, 2]


def test_rows_come_as_an_arrow_stream_too(tmp_path):
    table = pa.table(
        {
            "ts": pa.array([NOW], pa.timestamp("ms")),
            "tenant": ["acme"],
            "resource": ["db:shard-1"],
            "family": ["query"],
            "count": [7],
            "busy_s": [0.5],
            "something_else": ["x"],
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"Content-Type": "application/vnd.apache.arrow.stream"}
    answer = usage(tmp_path, bytes(sink.getvalue()), headers=headers)

    assert answer.status_code == 200, answer.text
    (found,) = usage_rows(tmp_path)
    assert (found["count"], found["busy_us"]) == (7, 500_000)


@pytest.mark.parametrize("body", [b"", b"garbage", b"\xff\xff\xff\xff\x10\x00\x00\x00" * 4])
def test_a_broken_arrow_stream_is_malformed(tmp_path, body):
    headers = {"Content-Type": "application/vnd.apache.arrow.stream"}

    assert usage(tmp_path, body, headers=headers).status_code == 400


def test_a_token_is_asked_for_once_one_is_configured(tmp_path):
    tokens = (
        Token("all", TOKEN),
        Token("one", BOUND_TOKEN, tenant="acme"),
        Token("eyes", "pw_read_0123456789abcdef", scope="read"),
    )
    statuses = {}

    async def ask(http: httpx.AsyncClient) -> httpx.Response:
        for name, secret in [("none", ""), ("bad", "x" * 20), *((t.name, t.token) for t in tokens)]:
            headers = {**NDJSON, "Authorization": f"Bearer {secret}"} if secret else NDJSON
            answer = await http.post("/api/v1/usage", content=row(count=1), headers=headers)
            statuses[name] = answer.status_code
            if answer.status_code == 401:
                assert answer.headers["WWW-Authenticate"] == "Bearer"
        return answer

    talk(tmp_path, ask, tokens=tokens)

    assert statuses == {"none": 401, "bad": 401, "all": 200, "one": 200, "eyes": 403}


def test_a_bound_token_may_narrow_but_not_widen(tmp_path):
    tokens = (Token("one", BOUND_TOKEN, tenant="acme"),)
    headers = {"Authorization": f"Bearer {BOUND_TOKEN}"}
    lines = [row(count=1), row(count=2, tenant=""), row(count=3, tenant="globex")]
    answer = usage(tmp_path, "\n".join(lines), headers=headers, tokens=tokens)

    assert answer.status_code == 400
    assert "forbidden" in answer.json()["detail"]
    assert {(one["tenant"], one["count"]) for one in usage_rows(tmp_path)} == {
        ("acme", 1),
        ("acme", 2),
    }


def test_tokens_do_not_share_the_series_they_resolved(tmp_path):
    """The same bytes mean another tenant under another token."""
    tokens = (Token("a", TOKEN, tenant="acme"), Token("g", BOUND_TOKEN, tenant="globex"))
    body = snappy(write_request(series({"__name__": "partywall_waiting"}, [(1.0, NOW)])))

    async def both(http: httpx.AsyncClient) -> httpx.Response:
        for secret in (TOKEN, BOUND_TOKEN):
            headers = {**RW1_HEADERS, "Authorization": f"Bearer {secret}"}
            answer = await http.post("/api/v1/write", content=body, headers=headers)
        return answer

    assert talk(tmp_path, both, tokens=tokens).status_code == 204
    assert [series.tenant for series, _, _ in readings(tmp_path)] == ["acme", "globex"]


def test_the_tenant_header_is_believed_only_when_configured(tmp_path):
    body = row(tenant="", count=1)
    headers = {"X-Tenant": "hooli"}
    usage(tmp_path / "off", body, headers=headers)
    usage(tmp_path / "on", body, headers=headers, tenancy=TenancySettings(header="X-Tenant"))

    assert usage_rows(tmp_path / "off")[0]["tenant"] == "__unknown__"
    assert usage_rows(tmp_path / "on")[0]["tenant"] == "hooli"


def test_one_tenant_over_its_rate_costs_the_others_nothing(tmp_path):
    limits = LimitSettings(tenants=(TenantLimits("acme", samples_per_s=0.001, burst=2),))
    body = snappy(write_request(one(1.0, 2.0, 3.0, 4.0), one(1.0, 2.0, 3.0, tenant="globex")))
    answer = write(tmp_path, body, limits=limits)

    assert answer.status_code == 400
    assert "2 tenant-rate-limit" in answer.json()["detail"]
    kept = [str(series.tenant) for series, _, _ in readings(tmp_path)]
    assert (kept.count("acme"), kept.count("globex")) == (2, 3)


def test_a_body_shed_whole_is_a_429_with_retry_after(tmp_path):
    limits = LimitSettings(samples_per_s=0.001, burst=0.5)
    answer = write(tmp_path, snappy(write_request(one(1.0))), limits=limits)

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_a_flood_of_series_of_one_tenant_leaves_room_for_others(tmp_path):
    limits = LimitSettings(active_series=10, series_total=60)
    flood = [one(1.0, request=str(n)) for n in range(200)]
    late = [one(1.0, tenant="globex", request=str(n)) for n in range(10)]
    answer = write(tmp_path, snappy(write_request(*flood, *late)), limits=limits)

    assert answer.status_code == 400
    assert "190 tenant-series-limit" in answer.json()["detail"]
    kept = [str(series.tenant) for series, _, _ in readings(tmp_path)]
    assert (kept.count("acme"), kept.count("globex")) == (10, 10)


def test_a_full_disk_is_a_503_and_not_a_loss(tmp_path):
    limits = replace(CollectorSettings().spool, undrained_bytes=1)

    async def twice(http: httpx.AsyncClient) -> httpx.Response:
        await http.post("/api/v1/usage", content=row(count=1), headers=NDJSON)
        await asyncio.sleep(1.3)  # sealed after a second, and then over the limit
        ready = await http.get("/readyz")
        assert ready.status_code == 503
        return await http.post("/api/v1/usage", content=row(count=2), headers=NDJSON)

    answer = talk(tmp_path, twice, spool=limits)

    assert answer.status_code == 503
    assert answer.json()["type"] == "overloaded"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_fault_of_ours_is_a_503_because_senders_drop_data_on_a_500(tmp_path, monkeypatch):
    async def run() -> httpx.Response:
        app = collector(tmp_path)

        async def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(app.intake, "rows", broken)
        async with client(app) as http:
            answer = await http.post("/api/v1/usage", content=row(count=1), headers=NDJSON)
        app.close()
        return answer

    answer = asyncio.run(run())
    assert answer.status_code == 503
    assert "ZeroDivision" not in answer.text


def test_series_learnt_by_a_failed_request_are_declared_by_the_next(tmp_path):
    """A refused append must not leave series that the analyzer never hears of."""

    async def run() -> None:
        app = collector(tmp_path)
        real, refusals = app.spool.enqueue, iter([True, False])

        def full_once(*args, **kwargs):
            if next(refusals):
                raise Rejected(Rejection.OVERLOADED, "behind")
            return real(*args, **kwargs)

        app.spool.enqueue = full_once  # type: ignore[method-assign]
        body = snappy(write_request(one(1.0)))
        async with client(app) as http:
            first = await http.post("/api/v1/write", content=body, headers=RW1_HEADERS)
            second = await http.post("/api/v1/write", content=body, headers=RW1_HEADERS)
        assert (first.status_code, second.status_code) == (503, 204)
        app.close()

    asyncio.run(run())
    assert [value for _, _, value in readings(tmp_path)] == [1.0]


def test_health_routes_and_own_metrics(tmp_path):
    pages = {}

    async def look(http: httpx.AsyncClient) -> httpx.Response:
        await http.post("/api/v1/usage", content=row(count=-1), headers=NDJSON)
        for path in ("/healthz", "/readyz", "/metrics", "/nowhere"):
            pages[path] = await http.get(path)
        return await http.get("/api/v1/write")

    answer = talk(tmp_path, look)

    assert answer.status_code == 405
    assert [pages[p].status_code for p in ("/healthz", "/readyz", "/nowhere")] == [200, 200, 404]
    assert (
        'partywall_discarded_samples_total{reason="value-negative"} 1.0' in pages["/metrics"].text
    )


def test_a_real_server_takes_data_and_seals_when_it_stops(tmp_path):
    app = collector(tmp_path)
    config = uvicorn.Config(app, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    for _ in range(500):
        if server.started:
            break
        time.sleep(0.02)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/api/v1/write"
    with httpx.Client(trust_env=False) as http:
        body = snappy(write_request(one(1.0)))
        answer = http.post(url, content=body, headers=RW1_HEADERS)
        chunked = http.post(url, content=iter([body[:9], body[9:]]), headers=RW1_HEADERS)
    server.should_exit = True
    thread.join(10)
    sock.close()

    assert (answer.status_code, chunked.status_code) == (204, 204)
    assert [value for _, _, value in readings(tmp_path)] == [1.0, 1.0]
