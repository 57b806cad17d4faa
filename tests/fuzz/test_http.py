"""Requests made up from the descriptions of the routes: whatever is asked, no answer is a 5xx.

The analyzer describes itself; the collector's routes are described here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from analyzer.app import build as build_analyzer
from analyzer.config import AnalyzerSettings
from collector.wire import Receive, Scope, Send
from tests.collector.rooms import collector

EXAMPLES = 4

ARROW, NDJSON = "application/vnd.apache.arrow.stream", "application/x-ndjson"


@schemathesis.serializer(ARROW, NDJSON)
def as_bytes(_: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


BYTES = {"schema": {"type": "string", "format": "binary"}}
TEXT = {"schema": {"type": "string"}}
OBJECT = {"schema": {"type": "object"}}


def _posted(*types: str) -> dict[str, Any]:
    kinds = {"application/json": OBJECT, NDJSON: TEXT}
    content = {one: kinds.get(one, BYTES) for one in types}
    headers = [
        {"name": name, "in": "header", "schema": {"type": "string"}}
        for name in ("Content-Encoding", "X-Partywall-Batch", "Authorization")
    ]
    body = {"content": content, "required": True}
    return {"post": {"parameters": headers, "requestBody": body, "responses": {"default": _ANY}}}


def _got(*parameters: str) -> dict[str, Any]:
    asked = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in parameters]
    return {"get": {"parameters": asked, "responses": {"default": _ANY}}}


_ANY = {"description": "any"}
COLLECTOR = {
    "openapi": "3.1.0",
    "info": {"title": "collector", "version": "1"},
    "paths": {
        "/api/v1/write": _posted("application/x-protobuf", "application/json"),
        "/v1/metrics": _posted("application/x-protobuf", "application/json"),
        "/api/v1/usage": _posted(NDJSON, ARROW),
        "/api/v1/mapping": _got("limit"),
        "/api/v1/quarantine": _got("limit"),
        "/api/v1/targets": _got("limit"),
        "/healthz": _got(),
        "/readyz": _got(),
        "/metrics": _got(),
    },
}


def operations(description: dict[str, Any]) -> Iterator[Any]:
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def hold(operation: Any, app: Any, examples: int) -> None:
    """Ask so many made-up requests of an operation."""

    async def ask(request: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://fuzzed") as http:
            return await http.request(**request)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        made = case.as_transport_kwargs(base_url="http://fuzzed")
        made["content"] = made.pop("data", None)
        kept = ("method", "url", "headers", "params", "json", "content", "files")
        answer = asyncio.run(ask({key: made[key] for key in kept if made.get(key) is not None}))
        assert answer.status_code < 500, (answer.status_code, answer.text[:500], made)
        if answer.status_code >= 400 and answer.headers["content-type"].endswith("problem+json"):
            assert answer.json()["status"] == answer.status_code

    run()


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    app = collector(tmp_path_factory.mktemp("fuzzed"))
    yield app
    app.close()


@pytest.fixture(scope="module")
def analyzing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    data: Path = tmp_path_factory.mktemp("fuzzed")
    return build_analyzer(AnalyzerSettings(data=data), scheduled=False)


def test_no_made_up_request_breaks_the_collector(collecting):
    for operation in operations(COLLECTOR):
        hold(operation, collecting, 5 * EXAMPLES)


def test_no_made_up_request_breaks_the_analyzer(analyzing):
    found = list(operations(analyzing.openapi()))
    assert len(found) > 30
    for operation in found:
        hold(operation, analyzing, EXAMPLES)


@pytest.mark.soak
def test_no_made_up_request_of_very_many_breaks_anything(collecting, analyzing):
    for operation in operations(COLLECTOR):
        hold(operation, collecting, 2_000)
    for operation in operations(analyzing.openapi()):
        hold(operation, analyzing, 300)


def test_a_break_would_be_seen():
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    description = {**COLLECTOR, "paths": {"/healthz": _got()}}
    (operation,) = operations(description)
    with pytest.raises(AssertionError, match="500"):
        hold(operation, broken, 1)
