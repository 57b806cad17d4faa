"""The SDK against fakes of its surroundings, and once against the real collector."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from collector.model import LATENCY_BOUNDS
from collector.sdk import windows
from collector.sdk.asgi import TenantMiddleware
from collector.sdk.cache import count_lookup, tenant_key
from collector.sdk.context import TenantMissing, current_tenant, require_tenant, tenant_scope
from collector.sdk.report import Answer, Reporter
from collector.sdk.resolve import TenantConflict, TenantResolver, normal_host
from collector.sdk.sqlalchemy import watch_engine
from collector.sdk.tasks import ENQUEUED_HEADER, TENANT_HEADER, stamp, task_scope, watch_celery
from collector.sdk.throttle import Throttle
from collector.sdk.windows import Observation, Windows
from tests.collector.rooms import collector, usage_rows


@dataclass
class FakeCollector:
    """Answers as told, then 200; remembers what it took, once per batch id as the analyzer does."""

    answers: list[Answer | OSError] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    taken: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __call__(self, body: bytes, batch_id: str) -> Answer:
        self.tries.append(batch_id)
        answer = self.answers.pop(0) if self.answers else Answer(200)
        if isinstance(answer, OSError):
            raise answer
        if answer.status == 200:
            self.taken[batch_id] = [json.loads(line) for line in body.splitlines()]
        return answer

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for rows in self.taken.values() for row in rows]


@dataclass
class Clock:
    now_s: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def reporter(transport: FakeCollector, clock: Clock | None = None) -> Reporter:
    return Reporter(transport=transport, now=clock or Clock(), max_pending_bytes=2000, max_cells=50)


def test_the_sdk_loads_nothing_but_the_standard_library():
    code = (
        "import sys, collector.sdk.asgi, collector.sdk.tasks, collector.sdk.cache, "
        "collector.sdk.sqlalchemy, collector.sdk.throttle\n"
        "heavy = ('numpy', 'pyarrow', 'httpx', 'msgspec', 'fastapi')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_bounds_are_those_of_the_collector():
    assert windows.LATENCY_BOUNDS == LATENCY_BOUNDS


def test_a_scope_names_the_tenant_and_restores_the_outer_one():
    with tenant_scope("acme"):
        with tenant_scope("globex"):
            assert current_tenant() == "globex"
        assert require_tenant() == "acme"
    assert current_tenant() is None
    with pytest.raises(TenantMissing):
        require_tenant()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Acme.Example.com", "acme.example.com"),
        ("acme.example.com:8443", "acme.example.com"),
        ("acme.example.com.", "acme.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("acme.example.com:80@evil", None),
        ("a_b.example.com", None),
        ("-a.example.com", None),
        ("", None),
        ("a..b", None),
        ("x" * 300, None),
    ],
)
def test_hosts_are_normalised_or_refused(host, expected):
    assert normal_host(host) == expected


RESOLVER = TenantResolver(
    base_domains=("example.com",),
    domains={"shop.acme.org": "acme"}.get,
    token=lambda headers: headers.get("x-claim"),
)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "acme.example.com"}, "acme"),
        ({"host": "ACME.example.com:443"}, "acme"),
        ({"host": "shop.acme.org"}, "acme"),
        ({"host": "example.com"}, None),
        ({"host": "a.b.example.com"}, None),
        ({"host": "evilexample.com"}, None),
        ({"host": "example.com", "x-claim": "globex"}, "globex"),
        ({"host": "acme.example.com", "x-claim": "acme"}, "acme"),
        ({"host": "example.com", "x-forwarded-host": "acme.example.com"}, None),
        ({}, None),
    ],
)
def test_the_tenant_comes_from_token_domain_or_subdomain(headers, expected):
    assert RESOLVER(headers) == expected


def test_token_and_host_must_agree():
    with pytest.raises(TenantConflict):
        RESOLVER({"host": "acme.example.com", "x-claim": "globex"})


async def call(app, host: str = "acme.example.com") -> int:
    sent: list[dict[str, object]] = []

    async def send(message) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app({"type": "http", "headers": [(b"host", host.encode())]}, receive, send)
    return int(str(sent[0]["status"]))


def middleware(app, taken: FakeCollector, **other) -> tuple[TenantMiddleware, Reporter]:
    report = reporter(taken)
    return TenantMiddleware(app, resolve=RESOLVER, reporter=report, **other), report


async def answer_tenant(scope, receive, send) -> None:
    await asyncio.sleep(0)
    status = 500 if current_tenant() == "globex" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_requests_are_counted_for_their_tenant():
    taken = FakeCollector()
    app, report = middleware(answer_tenant, taken)

    async def many() -> list[int]:
        hosts = ["acme.example.com", "globex.example.com", "example.com"] * 100
        return await asyncio.gather(*(call(app, host) for host in hosts))

    statuses = asyncio.run(many())
    report.close()

    assert sorted(set(statuses)) == [200, 500]
    counts = {str(row["tenant"]): (row["count"], row["errors"]) for row in taken.rows}
    assert counts == {"acme": (100, 0), "globex": (100, 100), "__unknown__": (100, 0)}
    assert {row["waiting"] for row in taken.rows} == {100}
    assert all(sum(row["latency_buckets"]) == 100 for row in taken.rows)


def test_an_app_that_raises_is_counted_as_an_error():
    taken = FakeCollector()

    async def broken(scope, receive, send) -> None:
        raise ZeroDivisionError

    app, report = middleware(broken, taken)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(call(app))
    report.close()

    assert [(row["count"], row["errors"]) for row in taken.rows] == [(1, 1)]


def test_a_request_of_nobody_is_404_where_a_tenant_is_required():
    app, _ = middleware(answer_tenant, FakeCollector(), required=True)

    assert asyncio.run(call(app, "example.com")) == 404


def test_a_throttled_tenant_gets_429_and_is_counted():
    taken = FakeCollector()
    throttle = throttled({"rps": 1, "burst": 1, "mode": "enforce"}, Clock())
    app, report = middleware(answer_tenant, taken, throttle=throttle)

    async def both() -> list[int]:
        return [await call(app), await call(app), await call(app, "hooli.example.com")]

    statuses = asyncio.run(both())
    report.close()

    assert statuses == [200, 429, 200]
    rows = {row["tenant"]: row for row in taken.rows}
    assert (rows["acme"]["throttled"], rows["acme"]["arrived"], rows["acme"]["count"]) == (1, 2, 1)
    assert "throttled" not in rows["hooli"]


def throttled(entry: dict[str, object], clock: Clock) -> Throttle:
    usual = {"tenant": "acme", "resource": "pool:web", "expires_at": "2033-01-01T00:00:00+00:00"}
    body = json.dumps({"entries": [{**usual, **entry}]}).encode()
    throttle = Throttle(lambda etag: (200, "v1", body), now=clock)
    throttle.refresh()
    return throttle


def test_a_limit_lets_its_rate_through():
    clock = Clock()
    throttle = throttled({"rps": 2, "burst": 4, "mode": "enforce"}, clock)

    def offered(seconds: int) -> int:
        passed = 0
        for _ in range(seconds * 10):
            clock.now_s += 0.1
            passed += throttle.wait_s("acme", "pool:web") == 0
        return passed

    assert offered(10) in {23, 24}
    assert throttle.wait_s("globex", "pool:web") == 0
    assert throttle.wait_s("acme", "db:x") == 0


def test_reading_the_policy_again_does_not_fill_the_bucket():
    throttle = throttled({"rps": 1, "burst": 1, "mode": "enforce"}, Clock())
    throttle.wait_s("acme", "pool:web")
    throttle.refresh()

    assert throttle.wait_s("acme", "pool:web") > 0


def test_shadow_counts_and_refuses_nobody():
    throttle = throttled({"rps": 1, "burst": 1, "mode": "shadow"}, Clock())
    waits = [throttle.wait_s("acme", "pool:web") for _ in range(5)]

    assert waits == [0.0] * 5
    assert throttle.shadowed == 4


def test_an_expired_limit_lets_go_by_itself():
    expired = {"rps": 1, "burst": 1, "mode": "enforce", "expires_at": "1970-01-01T00:00:01+00:00"}
    throttle = throttled(expired, Clock())

    assert [throttle.wait_s("acme", "pool:web") for _ in range(3)] == [0.0] * 3


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b"{}", b'{"entries": [{}]}', b'{"entries": [{"rps": "x"}]}', b"null"],
)
def test_a_policy_that_cannot_be_read_limits_nobody(body):
    throttle = Throttle(lambda etag: (200, "", body))
    throttle.refresh()

    assert throttle.wait_s("acme", "pool:web") == 0


def test_a_dead_analyzer_leaves_the_last_policy_until_it_expires():
    clock = Clock()
    answers = [(200, "v1", policy("2000-01-01T00:00:00+00:00"))]

    def fetch(etag: str) -> tuple[int, str, bytes]:
        if not answers:
            raise OSError("gone")
        return answers.pop()

    throttle = Throttle(fetch, now=clock)
    throttle.refresh()
    throttle.refresh()
    waits = [throttle.wait_s("acme", "pool:web") for _ in range(2)]
    clock.now_s = 2_000_000_000

    assert waits[1] > 0
    assert throttle.wait_s("acme", "pool:web") == 0


def policy(expires_at: str) -> bytes:
    entry = {"tenant": "acme", "resource": "pool:web", "rps": 1, "burst": 1, "mode": "enforce"}
    return json.dumps({"entries": [{**entry, "expires_at": expires_at}]}).encode()


def test_windows_are_reported_once_they_ended():
    taken, clock = FakeCollector(), Clock()
    report = reporter(taken, clock)
    report.observe(Observation("db:x", "acme", "query", finished=1, busy_s=0.25))
    report.observe(Observation("db:x", "acme", "query", finished=2, busy_s=0.5))
    report.flush()
    assert taken.rows == []
    clock.now_s += 10
    report.observe(Observation("db:x", "acme", "query", finished=7))
    report.flush()

    (row,) = taken.rows
    assert (row["ts"], row["count"], row["busy_s"]) == (1_000_000, 3, 0.75)
    assert "errors" not in row


@pytest.mark.parametrize("trouble", [OSError("refused"), Answer(503), Answer(429), Answer(500)])
def test_a_batch_is_sent_again_under_its_own_id_until_it_is_taken(trouble):
    taken, clock = FakeCollector([trouble, trouble]), Clock()
    report = reporter(taken, clock)
    report.observe(Observation("db:x", "acme", finished=1))
    clock.now_s += 10
    report.flush()
    assert report.pending_batches == 1
    report.send()
    assert report.send() == 0.0

    assert len(taken.tries) == 3
    assert len(set(taken.tries)) == 1
    assert len(taken.rows) == 1


def test_the_collectors_wish_to_wait_is_respected():
    report = reporter(FakeCollector([Answer(503, retry_after_s=120)]))
    report.observe(Observation("db:x", "acme", finished=1))
    report._queue(report._windows.take(now_s=2_000_000))

    assert report.send() >= 120


def test_a_refused_batch_is_not_sent_again():
    taken = FakeCollector([Answer(400, detail="why")])
    report = reporter(taken)
    report.observe(Observation("db:x", "acme", finished=1))
    report.close()

    assert len(taken.tries) == 1
    assert report.lost_batches == 1


def test_memory_is_bounded_when_nobody_takes_batches():
    clock = Clock()
    trouble: list[Answer | OSError] = [OSError("gone")] * 1000
    report = reporter(FakeCollector(trouble), clock)
    for number in range(2000):
        report.observe(Observation("db:x", f"t{number}", finished=1))
        if number % 100 == 99:
            clock.now_s += 10
            report.flush()

    assert report.dropped > 0
    assert report.lost_batches > 0
    assert report.pending_batches <= 2


def test_cells_count_peaks_of_what_is_in_flight():
    found = Windows()
    key = ("pool:web", "acme", "request")
    for by in (1, 1, 1, -1, -1, -1, -1):
        found.shift(key, by, now_s=5)
    found.shift(key, 1, now_s=15)

    assert [row["waiting"] for row in found.take(now_s=100)] == [3, 1]


def test_a_cache_key_belongs_to_its_tenant():
    with tenant_scope("acme"):
        assert tenant_key("user:1") == "acme:user:1"
    assert tenant_key("b", tenant="a:b") != tenant_key("b:b", tenant="a")
    with pytest.raises(TenantMissing):
        tenant_key("user:1")


def test_lookups_are_counted():
    taken = FakeCollector()
    report = reporter(taken)
    with tenant_scope("acme"):
        count_lookup(report, resource="cache:redis-1", seconds=0.001, nbytes=100)
    report.close()

    (row,) = taken.rows
    assert (row["tenant"], row["family"], row["volume"]) == ("acme", "cache", 100)


def test_a_task_carries_its_tenant_and_its_wait():
    taken, headers = FakeCollector(), {"own": "header"}
    report = reporter(taken)
    with tenant_scope("acme"):
        stamp(headers, report, resource="queue:exports")
    with task_scope(headers, report, resource="queue:exports"):
        assert current_tenant() == "acme"
    with (
        pytest.raises(ValueError, match="boom"),
        task_scope(headers, report, resource="queue:exports"),
    ):
        raise ValueError("boom")
    report.close()

    (row,) = taken.rows
    assert (row["arrived"], row["count"], row["errors"]) == (1, 2, 1)
    assert row["wait_s"] >= 0


@pytest.mark.parametrize("stamped", [None, "x", 9e12])
def test_a_wrong_stamp_is_no_wait(stamped):
    taken = FakeCollector()
    report = reporter(taken)
    headers = {TENANT_HEADER: "acme", ENQUEUED_HEADER: stamped}
    with task_scope(headers, report, resource="queue:exports"):
        pass
    report.close()

    assert taken.rows[0].get("wait_s", 0) == 0


class FakeSignal:
    """As `celery.signals`: keyword arguments to everyone connected."""

    def __init__(self) -> None:
        self.receivers: list[object] = []

    def connect(self, receiver, *, weak: bool) -> None:
        self.receivers.append(receiver)

    def send(self, **arguments) -> None:
        for receiver in self.receivers:
            receiver(**arguments)  # type: ignore[operator]


class FakeSignals:
    def __init__(self) -> None:
        self.before_task_publish = FakeSignal()
        self.task_prerun = FakeSignal()
        self.task_postrun = FakeSignal()


@dataclass
class FakeRequest:
    headers: dict[str, object]
    delivery_info: dict[str, str]


@dataclass
class FakeTask:
    request: FakeRequest


@pytest.mark.parametrize(("state", "errors"), [("SUCCESS", 0), ("FAILURE", 1)])
def test_celery_tasks_are_watched(state, errors):
    taken, signals = FakeCollector(), FakeSignals()
    headers: dict[str, object] = {}
    report = reporter(taken)
    watch_celery(signals, report, resource=lambda queue: f"queue:{queue}")
    with tenant_scope("acme"):
        signals.before_task_publish.send(headers=headers, routing_key="exports", body=())
    task = FakeTask(FakeRequest(headers, {"routing_key": "exports"}))
    signals.task_prerun.send(task_id="1", task=task, args=())
    assert current_tenant() == "acme"
    signals.task_postrun.send(task_id="1", task=task, state=state, retval=None)
    report.close()

    assert current_tenant() is None
    (row,) = taken.rows
    assert (row["resource"], row["count"], row["errors"]) == ("queue:exports", 1, errors)


class FakeContext:
    pass


class FakeCursor:
    rowcount = 3


@dataclass
class FakeError:
    execution_context: FakeContext | None


def test_statements_are_counted_for_the_tenant_who_ran_them():
    taken, hooks = FakeCollector(), {}
    report = reporter(taken)
    watch_engine(
        lambda engine, name, hook: hooks.update({name: hook}), object(), report, resource="db:x"
    )
    with tenant_scope("acme"):
        context = FakeContext()
        hooks["before_cursor_execute"](None, FakeCursor(), "SELECT", (), context, False)
        hooks["after_cursor_execute"](None, FakeCursor(), "SELECT", (), context, False)
        context = FakeContext()
        hooks["before_cursor_execute"](None, FakeCursor(), "SELECT", (), context, False)
        hooks["handle_error"](FakeError(context))
        hooks["handle_error"](FakeError(None))
    report.close()

    (row,) = taken.rows
    assert (row["count"], row["errors"], row["volume"]) == (2, 1, 3)
    assert "busy_s" not in row


def test_what_the_sdk_sends_is_what_the_collector_stores(tmp_path):
    app = collector(tmp_path)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    report = Reporter(f"http://127.0.0.1:{sock.getsockname()[1]}")
    with tenant_scope("acme"):
        for _ in range(10):
            report.observe(
                Observation("db:x", "acme", "query", 1, 1, 0, latency_s=0.02, busy_s=0.01)
            )
    report.start()
    report.close()
    server.should_exit = True
    thread.join(10)
    sock.close()

    (row,) = usage_rows(tmp_path)
    assert (row["tenant"], row["count"], row["busy_us"]) == ("acme", 10, 100_000)
    assert report.lost_batches == report.pending_batches == 0
