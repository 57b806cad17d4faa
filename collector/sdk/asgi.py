"""ASGI middleware: names the tenant of each request, times it, counts it.

Pure ASGI on purpose: a contextvar set here reaches the endpoint and its background tasks.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from collector.sdk.context import tenant_scope
from collector.sdk.report import UNKNOWN_TENANT, Reporter
from collector.sdk.resolve import Headers, TenantConflict
from collector.sdk.throttle import Throttle
from collector.sdk.windows import Observation

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TenantMiddleware:
    """Wrap the outermost app.

    `resolve` answers the tenant of a request's headers (see `TenantResolver`). With `required`, a
    request without one gets 404; else it counts for the quarantine tenant. With `throttle`, a
    tenant over an enforced limit gets 429 and Retry-After.
    """

    def __init__(
        self,
        app: App,
        *,
        resolve: Callable[[Headers], str | None],
        reporter: Reporter,
        resource: str = "pool:web",
        required: bool = False,
        throttle: Throttle | None = None,
    ) -> None:
        self._app = app
        self._resolve = resolve
        self._reporter = reporter
        self._resource = resource
        self._required = required
        self._throttle = throttle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        try:
            tenant = self._resolve(headers)
        except TenantConflict:
            await _refuse(send, 403)
            return
        if tenant is None and self._required:
            await _refuse(send, 404)
            return
        await self._measured(tenant or UNKNOWN_TENANT, scope, receive, send)

    async def _measured(self, tenant: str, scope: Scope, receive: Receive, send: Send) -> None:
        wait_s = self._throttle.wait_s(tenant, self._resource) if self._throttle else 0.0
        if wait_s > 0:
            self._reporter.observe(Observation(self._resource, tenant, arrived=1, throttled=1))
            await _refuse(send, 429, retry_after=wait_s)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        self._reporter.in_flight(self._resource, tenant, "request", 1)
        try:
            with tenant_scope(tenant):
                await self._app(scope, receive, watched)
        finally:
            self._reporter.in_flight(self._resource, tenant, "request", -1)
            self._done(tenant, time.perf_counter() - started, failed=status >= 500)

    def _done(self, tenant: str, seconds: float, *, failed: bool) -> None:
        self._reporter.observe(
            Observation(
                self._resource,
                tenant,
                arrived=1,
                finished=1,
                errors=int(failed),
                latency_s=seconds,
                busy_s=seconds,
            )
        )


async def _refuse(send: Send, status: int, *, retry_after: float = 0) -> None:
    headers = [(b"content-length", b"0")]
    if retry_after:
        headers.append((b"retry-after", str(max(1, round(retry_after))).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
