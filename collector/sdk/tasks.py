"""Queues: the publisher stamps tenant and time on a task, the worker measures wait and work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from collector.sdk.context import tenant_scope
from collector.sdk.report import UNKNOWN_TENANT, Reporter, tenant_or_unknown
from collector.sdk.windows import Observation

TENANT_HEADER = "partywall_tenant"
ENQUEUED_HEADER = "partywall_enqueued_s"


def _now_s() -> float:
    return time.time_ns() / 1e9


def stamp(
    headers: MutableMapping[str, Any], reporter: Reporter, *, resource: str
) -> MutableMapping[str, Any]:
    """Write tenant and time into a message's headers, and count the arrival."""
    tenant = tenant_or_unknown()
    headers[TENANT_HEADER] = tenant
    headers[ENQUEUED_HEADER] = _now_s()
    reporter.observe(Observation(resource, tenant, "queue", arrived=1))
    return headers


@contextmanager
def task_scope(headers: Mapping[str, Any], reporter: Reporter, *, resource: str) -> Iterator[None]:
    """Run a task for the tenant its headers name; its wait, work and failure are counted.

    Clocks of two machines differ: a negative wait counts as none.
    """
    tenant = str(headers.get(TENANT_HEADER) or UNKNOWN_TENANT)
    wait_s = _waited(headers)
    started, failed = time.perf_counter(), True
    try:
        with tenant_scope(tenant):
            yield
        failed = False
    finally:
        busy_s = time.perf_counter() - started
        reporter.observe(
            Observation(
                resource,
                tenant,
                "queue",
                finished=1,
                errors=int(failed),
                latency_s=busy_s + (wait_s or 0.0),
                busy_s=busy_s,
                wait_s=wait_s,
            )
        )


def _waited(headers: Mapping[str, Any]) -> float | None:
    try:
        return max(_now_s() - float(headers[ENQUEUED_HEADER]), 0.0)
    except (KeyError, TypeError, ValueError):
        return None


def watch_celery(signals: Any, reporter: Reporter, *, resource: Callable[[str], str]) -> None:
    """Connect to Celery; pass the module `celery.signals`. `resource` maps a queue to its id."""
    running: dict[str, Any] = {}

    def publishing(headers: Any = None, routing_key: str = "", **_: Any) -> None:
        if headers is not None:
            stamp(headers, reporter, resource=resource(routing_key))

    def starting(task_id: str = "", task: Any = None, **_: Any) -> None:
        request = task.request
        queue = (request.delivery_info or {}).get("routing_key", "")
        scope = task_scope(_headers_of(request), reporter, resource=resource(queue))
        scope.__enter__()
        running[task_id] = scope

    def done(task_id: str = "", state: str = "", **_: Any) -> None:
        scope = running.pop(task_id, None)
        if scope is None:
            return
        if state in {"SUCCESS", "RETRY", "IGNORED"}:
            scope.__exit__(None, None, None)
            return
        error = RuntimeError(state)
        try:
            scope.__exit__(type(error), error, None)
        except RuntimeError as raised:
            if raised is not error:
                raise

    signals.before_task_publish.connect(publishing, weak=False)
    signals.task_prerun.connect(starting, weak=False)
    signals.task_postrun.connect(done, weak=False)


def _headers_of(request: Any) -> Mapping[str, Any]:
    """Celery puts custom headers on the request itself, or under `headers`, by version."""
    own = {name: getattr(request, name, None) for name in (TENANT_HEADER, ENQUEUED_HEADER)}
    nested = getattr(request, "headers", None) or {}
    return {**nested, **{name: value for name, value in own.items() if value is not None}}
