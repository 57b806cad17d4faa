"""OTLP over HTTP: what is understood, and what is said when it is not."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.config import LimitSettings, MeterRule, TenantLimits
from collector.decode import otlp_json, otlp_protobuf
from collector.decode.exponential import folded
from collector.decode.otlp import Metric, misfit, prometheus_name
from collector.model import LATENCY_BOUNDS, MeterKind, Rejected
from tests.collector.rooms import client, collector, readings
from tests.collector.senders import otlp_point, otlp_request
from tests.collector.senders import otlp_protobuf as wire

NOW = time.time_ns() // 1_000_000
HTTP_LABELS = {"http.response.status_code": "503", "tenant.id": "acme"}


def gauge(value: float | int = 3, **labels: str) -> dict[str, object]:
    given_value = {"asInt": str(value)} if isinstance(value, int) else {"asDouble": value}
    point = otlp_point({"tenant.id": "acme", **labels}, NOW, 0, **given_value)
    return {"name": "partywall.waiting", "unit": "1", "gauge": {"dataPoints": [point]}}


def post(tmp_path, body: bytes, kind="application/json", **settings) -> httpx.Response:
    async def run() -> httpx.Response:
        app = collector(tmp_path, **settings)
        async with client(app) as http:
            answer = await http.post("/v1/metrics", content=body, headers={"Content-Type": kind})
        app.close()
        return answer

    return asyncio.run(run())


def request(*metrics: dict[str, object], **resource: str) -> dict[str, object]:
    return otlp_request(list(metrics), resource)


@pytest.mark.parametrize(
    ("name", "unit", "kind", "monotonic", "expected"),
    [
        (
            "http.server.request.duration",
            "s",
            "cumulative",
            False,
            "http_server_request_duration_seconds",
        ),
        ("partywall.arrived", "{operation}", "delta", True, "partywall_arrived_total"),
        ("partywall.arrived_total", "", "cumulative", True, "partywall_arrived_total"),
        ("partywall.busy", "s", "cumulative", True, "partywall_busy_seconds_total"),
        ("partywall.busy.seconds", "s", "cumulative", True, "partywall_busy_seconds_total"),
        ("partywall.waiting", "1", "gauge", True, "partywall_waiting"),
        ("my.took", "ms", "cumulative", False, "my_took_milliseconds"),
    ],
)
def test_names_are_those_prometheus_would_use(name, unit, kind, monotonic, expected):
    metric = Metric(name, unit, MeterKind(kind), monotonic=monotonic)

    assert prometheus_name(metric) == expected


@pytest.mark.parametrize("value", [3, 3.5, -0.0])
def test_a_gauge_is_read_from_json_and_protobuf_alike(tmp_path, value):
    message = request(gauge(value))
    post(tmp_path / "json", json.dumps(message).encode())
    post(tmp_path / "wire", wire(message), "application/x-protobuf")

    both = [readings(tmp_path / one) for one in ("json", "wire")]
    assert both[0] == both[1]
    assert [(s.tenant, s.kind, v) for s, _, v in both[0]] == [("acme", "gauge", value)]


def test_a_failed_request_of_the_convention_counts_as_error(tmp_path):
    point = otlp_point(
        HTTP_LABELS, NOW, NOW - 5, count="3", sum=0.3, bucketCounts=["1", "2"], explicitBounds=[0.1]
    )
    data = {"dataPoints": [point], "aggregationTemporality": 1}
    metric: dict[str, object] = {
        "name": "http.server.request.duration",
        "unit": "s",
        "histogram": data,
    }
    message = request(metric, **{"service.name": "api"})
    answer = post(tmp_path, wire(message), "application/x-protobuf")

    assert answer.status_code == 200
    found = [
        (str(s.column), s.bound, s.kind, s.resource, value) for s, _, value in readings(tmp_path)
    ]
    assert sorted(found, key=str) == sorted(
        [
            ("latency_bucket", 0.1, "delta", "pool:api", 1.0),
            ("latency_bucket", float("inf"), "delta", "pool:api", 3.0),
            ("count", None, "delta", "pool:api", 3.0),
            ("errors", None, "delta", "pool:api", 3.0),
            ("latency_sum_s", None, "delta", "pool:api", 0.3),
        ],
        key=str,
    )


def test_an_exponential_histogram_becomes_the_default_buckets(tmp_path):
    point = otlp_point(
        {"tenant.id": "acme", "resource": "db:x"},
        NOW,
        NOW - 5,
        count="7",
        scale=1,
        zeroCount="1",
        positive={"offset": -4, "bucketCounts": ["1", "2", "3"]},
    )
    data = {"dataPoints": [point], "aggregationTemporality": 2}
    message = request({"name": "partywall.latency", "unit": "s", "exponentialHistogram": data})
    post(tmp_path / "json", json.dumps(message).encode())
    post(tmp_path / "wire", wire(message), "application/x-protobuf")

    both = [readings(tmp_path / one) for one in ("json", "wire")]
    assert both[0] == both[1]
    below = {s.bound: value for s, _, value in both[0] if s.bound is not None}
    assert len(below) == 32
    assert below[LATENCY_BOUNDS[0]] == 1
    steps = [below[2.0 ** (k / 2)] for k in (-4, -3, -2, -1)]
    assert steps == [1, 2, 4, 7]


@given(st.integers(1, 6), st.integers(-200, 200), st.lists(st.integers(0, 1000), max_size=64))
def test_exponential_buckets_fold_without_loss_and_never_across_a_default_bound(
    scale, offset, counts
):
    found = folded(scale, enumerate(counts, offset + 1), 5)

    assert sum(found) == sum(counts) + 5
    for number, _ in enumerate(LATENCY_BOUNDS):
        exact = 5 + sum(
            count
            for index, count in enumerate(counts, offset)
            if (index + 1) * 2.0**-scale <= -10 + number / 2 + 1e-9
        )
        assert sum(found[: number + 1]) == exact, number


def test_other_resource_attributes_tell_series_apart_without_becoming_labels(tmp_path):
    hosts = [{**{f"a{n}": "x" for n in range(60)}, "host.name": f"h{k}"} for k in range(2)]
    message = {
        "resourceMetrics": [request(gauge(), **host)["resourceMetrics"][0] for host in hosts]  # type: ignore[index]
    }
    answer = post(tmp_path, json.dumps(message).encode())

    assert answer.json() == {}
    assert len({s.identity for s, _, _ in readings(tmp_path)}) == 2


def test_a_partial_success_says_how_many_points_were_refused(tmp_path):
    message = request(gauge(1), gauge(-1, n="2"), gauge(2.0, **{"tenant.id": "a/b"}))
    for kind, body in (
        ("application/json", json.dumps(message).encode()),
        ("application/x-protobuf", wire(message)),
    ):
        answer = post(tmp_path / kind.replace("/", "-"), body, kind)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kind
        assert b"value-negative" in answer.content
        if kind == "application/json":
            assert answer.json()["partialSuccess"]["rejectedDataPoints"] == "2"


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({"aggregationTemporality": 0}, "temporality"),
        ({"bucketCounts": ["1"]}, "bucket counts"),
        ({"count": "99"}, "add up"),
    ],
)
def test_a_histogram_that_does_not_add_up_is_refused(tmp_path, data, detail):
    point = otlp_point({}, NOW, 0, count="3", bucketCounts=["1", "2"], explicitBounds=[0.1])
    point |= {k: v for k, v in data.items() if k in point}
    kind = data.get("aggregationTemporality", 2)
    body = {"dataPoints": [point], "aggregationTemporality": kind}
    message = request({"name": "partywall.latency", "unit": "s", "histogram": body})

    answer = post(tmp_path, json.dumps(message).encode())

    assert detail in answer.json()["partialSuccess"]["errorMessage"]


def test_no_recorded_value_ends_the_series(tmp_path):
    metric = gauge()
    metric["gauge"]["dataPoints"][0]["flags"] = 1  # type: ignore[index]
    post(tmp_path, json.dumps(request(metric)).encode())

    ((_, _, value),) = readings(tmp_path)
    assert value != value


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b'{"resourceMetrics": [' + b"[" * 10_000, 400),
        ("application/json", b"", 400),
        ("application/json", b"{" * 600_000, 400),
        ("application/json", b"{}", 200),
        ("application/json", b'{"later": 1}', 200),
        ("application/x-protobuf", b"", 200),
        ("application/x-protobuf", b"\x0a\x7f", 400),
        ("application/x-protobuf", b"\x0a\x00" * 300_000, 400),
        ("text/plain", b"", 415),
    ],
)
def test_a_failure_is_a_status_in_the_type_of_the_request(tmp_path, kind, body, status):
    answer = post(tmp_path, body, kind)

    assert answer.status_code == status
    if status == 400:
        assert answer.headers["content-type"] == kind


def test_a_body_too_large_is_a_413(tmp_path):
    answer = post(tmp_path, b"{}" + b" " * 2000, limits=LimitSettings(body_bytes=1000))

    assert answer.status_code == 413


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_mutated_bodies_are_read_or_refused_and_never_crash(rng, as_json):
    message = request(gauge(), gauge(2.5, n="2"), **{"service.name": "api"})
    body = bytearray(json.dumps(message).encode() if as_json else wire(message))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(body))
        body[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
    with suppress(Rejected):
        list((otlp_json if as_json else otlp_protobuf).points(bytes(body)))


def histogram(name="partywall.latency", unit="s", temporality=2, **fields: object):
    times = otlp_point({"tenant.id": "acme", "resource": "db:x"}, NOW, NOW - 5, **fields)
    kind = "exponentialHistogram" if "scale" in fields else "histogram"
    return {
        "name": name,
        "unit": unit,
        kind: {"dataPoints": [times], "aggregationTemporality": temporality},
    }


def both(
    tmp_path: Path, message: dict[str, object], **settings: object
) -> tuple[httpx.Response, dict[tuple[str, float | None], float]]:
    """Readings of a message as JSON and on the wire: they must be the same."""
    answer = post(tmp_path / "json", json.dumps(message).encode(), **settings)
    post(tmp_path / "wire", wire(message), "application/x-protobuf", **settings)
    found = [readings(tmp_path / one) for one in ("json", "wire")]
    assert found[0] == found[1]
    return answer, {(str(s.column), s.bound): value for s, _, value in found[0]}


def test_a_summary_gives_its_count_and_sum(tmp_path):
    point = otlp_point({"tenant.id": "acme", "resource": "db:x"}, NOW, NOW - 5, count="7", sum=1.5)
    quantiles = [{"quantile": 0.5, "value": 0.1}]
    message = request(
        {"name": "partywall.latency", "unit": "s", "summary": {"dataPoints": [point]}}
    )
    message["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["summary"]["dataPoints"][0][  # type: ignore[index]
        "quantileValues"
    ] = quantiles
    answer, found = both(tmp_path, message)

    assert answer.json() == {}
    assert found == {("count", None): 7, ("latency_sum_s", None): 1.5}


def test_an_exponential_histogram_in_milliseconds_lies_on_the_bounds_of_its_rule(tmp_path):
    one = histogram(
        "my.took", "ms", count="4", sum=500.0, scale=3, zeroCount="0",
        positive={"offset": 55, "bucketCounts": ["4"]},
    )  # fmt: skip
    rule = MeterRule("my_took_milliseconds", histogram=True, resource="pool:web", scale=0.001)
    _, found = both(tmp_path, request(one), meters=(rule,))

    held = min(bound for (_, bound), value in found.items() if bound is not None and value == 4)
    assert held == pytest.approx(2**-2.5)  # 128 ms lie below 177 ms, above 125 ms


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"count": "3", "zeroCount": "1", "scale": 99}, "scale 99"),
        ({"count": "4", "zeroCount": "1", "scale": 1}, "count says 4"),
        (
            {"count": "5", "zeroCount": "1", "scale": 1,
             "negative": {"offset": 0, "bucketCounts": ["2"]}},
            "below zero",
        ),
    ],
)  # fmt: skip
def test_an_exponential_histogram_that_is_no_latency_is_refused(tmp_path, fields, detail):
    one = histogram(**fields, positive={"offset": 0, "bucketCounts": ["2"]})
    answer = post(tmp_path, json.dumps(request(one)).encode())

    assert detail in answer.json()["partialSuccess"]["errorMessage"]
    assert answer.json()["partialSuccess"]["rejectedDataPoints"] == "1"


MILLISECONDS = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000]


def test_bounds_in_milliseconds_of_a_metric_in_seconds_are_found_out(tmp_path):
    counts = ["0", "3", *["0"] * 14]
    one = histogram(count="3", sum=0.09, bucketCounts=counts, explicitBounds=MILLISECONDS)

    async def run() -> tuple[dict[str, int], str]:
        app = collector(tmp_path)
        async with client(app) as http:
            await http.post("/v1/metrics", json=request(one))
            page = (await http.get("/metrics")).text
        app.close()
        return {odd.metric: odd.points for odd in app.intake.oddities.all()}, page

    odd, page = asyncio.run(run())

    assert odd == {"partywall_latency_seconds": 1}
    assert 'partywall_odd_points_total{kind="bounds-unit-mismatch"} 1.0' in page
    assert {str(s.column) for s, _, _ in readings(tmp_path)} == {"count", "latency_sum_s"}


@pytest.mark.parametrize(
    ("unit", "bounds"), [("ms", MILLISECONDS), ("s", [0.005, 0.1, 10]), ("s", [1, 60])]
)
def test_bounds_that_suit_their_unit_are_kept(unit, bounds):
    assert not misfit(Metric("x", unit, MeterKind.CUMULATIVE), bounds)


def test_a_level_cannot_be_sent_as_changes(tmp_path):
    point = otlp_point({"tenant.id": "acme"}, NOW, NOW - 5, asInt="-3")
    data = {"dataPoints": [point], "aggregationTemporality": 1}
    message = request({"name": "partywall.waiting", "unit": "1", "sum": data})
    answer = post(tmp_path, json.dumps(message).encode())

    assert "only rises" in answer.json()["partialSuccess"]["errorMessage"]


def test_the_messaging_conventions_feed_the_queue_family(tmp_path):
    buckets = {"count": "3", "sum": 0.3, "bucketCounts": ["1", "2"], "explicitBounds": [0.1]}
    operation = {"messaging.operation.type": "send"}
    labels = {"tenant.id": "acme", "messaging.destination.name": "mails"}
    kinds: list[tuple[str, str, str, dict[str, object], dict[str, str]]] = [
        ("messaging.client.operation.duration", "s", "histogram", buckets, operation),
        ("messaging.client.operation.duration", "s", "histogram", buckets,
         {"messaging.operation.type": "receive"}),
        ("messaging.process.duration", "s", "histogram", buckets, {"error.type": "timeout"}),
        ("messaging.client.sent.messages", "{message}", "sum", {"asInt": "4"}, {}),
        ("messaging.client.consumed.messages", "{message}", "sum", {"asInt": "5"}, {}),
    ]  # fmt: skip
    metrics: list[dict[str, object]] = []
    for name, unit, kind, values, more in kinds:
        point = otlp_point({**labels, **more}, NOW, NOW - 5, **values)
        data = {"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True}
        metrics.append({"name": name, "unit": unit, kind: data})
    post(tmp_path, wire(request(*metrics)), "application/x-protobuf")

    found = readings(tmp_path)
    assert {(s.resource, s.family) for s, _, _ in found} == {("queue:mails", "queue")}
    fed = sorted((str(s.column), s.histogram is not None, value) for s, _, value in found)
    assert fed == [
        ("arrived", False, 4.0),
        ("busy_s", False, 0.3),
        ("count", False, 3.0),
        ("count", True, 3.0),  # of the client's histogram: steps back behind the plain one
        ("errors", False, 3.0),
        ("latency_bucket", True, 1.0),
        ("latency_bucket", True, 3.0),
        ("latency_sum_s", False, 0.3),
        ("volume", False, 5.0),
    ]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", ""])
def test_a_body_may_come_in_pieces_and_pressed(tmp_path, encoding):
    message = wire(request(gauge()))
    presses: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "": bytes,
    }

    async def pieces() -> AsyncIterator[bytes]:
        body = presses[encoding](message)
        for at in range(0, len(body), 7):
            yield body[at : at + 7]

    async def run() -> httpx.Response:
        app = collector(tmp_path)
        headers = {"Content-Type": "application/x-protobuf"}
        headers |= {"Content-Encoding": encoding} if encoding else {}
        async with client(app) as http:
            answer = await http.post("/v1/metrics", content=pieces(), headers=headers)
        app.close()
        return answer

    answer = asyncio.run(run())
    assert "content-length" not in answer.request.headers
    assert answer.status_code == 200
    assert len(readings(tmp_path)) == 1


@pytest.mark.parametrize("kind", ["application/json", "application/x-protobuf"])
def test_what_a_limit_sheds_whole_may_be_sent_again(tmp_path, kind):
    limits = LimitSettings(tenants=(TenantLimits("acme", samples_per_s=1, burst=0.5),))
    message = request(gauge())
    body = json.dumps(message).encode() if kind.endswith("json") else wire(message)
    answer = post(tmp_path, body, kind, limits=limits)

    assert answer.status_code == 429
    assert answer.headers["content-type"] == kind
    assert int(answer.headers["retry-after"]) > 0
    code = answer.json()["code"] if kind.endswith("json") else answer.content[1]
    assert code == 8  # RESOURCE_EXHAUSTED
