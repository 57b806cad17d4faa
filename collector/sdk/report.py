"""Sends summed usage to the collector from a thread, without ever slowing the platform down.

A batch keeps its id over retries, so the analyzer counts it once. When the collector is away,
batches wait in bounded memory and the oldest are given up first.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from collector.sdk.context import current_tenant
from collector.sdk.windows import Observation, Row, Windows

log = logging.getLogger(__name__)

UNKNOWN_TENANT = "__unknown__"
_RETRY = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the collector said; `retry_after_s` 0 when it did not say."""

    status: int
    retry_after_s: float = 0.0
    detail: str = ""


class Transport(Protocol):
    """Posts a body. Raises OSError or http.client.HTTPException when nobody answers."""

    def __call__(self, body: bytes, batch_id: str) -> Answer: ...


class HttpTransport:
    """POST to `<url>/api/v1/usage`."""

    def __init__(self, url: str, *, token: str = "", timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no http(s) address")
        secure = parts.scheme == "https"
        self._connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + "/api/v1/usage"
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/x-ndjson"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def __call__(self, body: bytes, batch_id: str) -> Answer:
        connection = self._connect(self._host, self._port, timeout=self._timeout_s)
        try:
            headers = {**self._headers, "X-Partywall-Batch": batch_id}
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            after = response.getheader("Retry-After", "")
            detail = response.read(4096).decode("utf-8", "replace")
            return Answer(response.status, float(after) if after.isdigit() else 0.0, detail)
        finally:
            connection.close()


class Reporter:
    """Give it observations; `start` begins sending, `close` sends what is left.

    Nothing here raises towards the platform except a wrong URL at construction.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8601",
        *,
        token: str = "",
        window_s: int = 10,
        max_cells: int = 20_000,
        max_pending_bytes: int = 16_000_000,
        batch_rows: int = 2_000,
        transport: Transport | None = None,
        now: Callable[[], float] = lambda: time.time_ns() / 1e9,
    ) -> None:
        self._windows = Windows(window_s=window_s, max_cells=max_cells)
        self._post = transport or HttpTransport(url, token=token)
        self._now = now
        self._window_s = window_s
        self._batch_rows = batch_rows
        self._max_pending_bytes = max_pending_bytes
        self._pending: deque[tuple[str, bytes]] = deque()
        self._failures = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost_batches = 0

    @property
    def dropped(self) -> int:
        """Observations that did not fit into memory."""
        return self._windows.dropped

    @property
    def pending_batches(self) -> int:
        """Batches that wait for the collector."""
        return len(self._pending)

    def observe(self, one: Observation) -> None:
        """Count an observation in the current window."""
        self._windows.add(one, now_s=self._now())

    def in_flight(self, resource: str, tenant: str, family: str, by: int) -> None:
        """An operation began (+1) or ended (-1)."""
        self._windows.shift((resource, tenant, family), by, now_s=self._now())

    def start(self) -> None:
        """Begin sending from a daemon thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="partywall", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what is left, the open window too, but wait no longer than `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._thread = None
        self._queue(self._windows.take(now_s=self._now() + 2 * self._window_s))
        while self.send() and time.monotonic() < deadline:
            time.sleep(0.1)

    def flush(self) -> None:
        """Queue the windows that have ended, and send."""
        self._queue(self._windows.take(now_s=self._now()))
        self.send()

    def send(self) -> float:
        """Send pending batches in order; returns how many seconds to wait before the next try."""
        while self._pending:
            batch_id, body = self._pending[0]
            wait_s = self._send_one(batch_id, body)
            if wait_s:
                return wait_s
            self._pending.popleft()
            self._failures = 0
        return 0.0

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stop.wait(wait_s or min(self._window_s, 1.0)):
            self._queue(self._windows.take(now_s=self._now()))
            wait_s = self.send()

    def _send_one(self, batch_id: str, body: bytes) -> float:
        try:
            answer = self._post(body, batch_id)
        except (OSError, http.client.HTTPException) as error:
            log.debug("partywall: collector not reached: %s", error)
            return self._backoff(0.0)
        if answer.status in _RETRY:
            return self._backoff(answer.retry_after_s)
        if answer.status >= 300:
            # Good rows of a partly refused batch are taken; sending it again helps nobody.
            self.lost_batches += 1
            log.warning("partywall: batch refused, %s: %s", answer.status, answer.detail[:500])
        return 0.0

    def _backoff(self, retry_after_s: float) -> float:
        self._failures += 1
        longest = min(0.5 * 2 ** min(self._failures, 7), 60.0)
        return max(retry_after_s, random.uniform(longest / 2, longest))

    def _queue(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), self._batch_rows):
            lines = [json.dumps(row) for row in rows[start : start + self._batch_rows]]
            self._pending.append((uuid.uuid4().hex, "\n".join(lines).encode() + b"\n"))
        size = sum(len(body) for _, body in self._pending)
        while size > self._max_pending_bytes and len(self._pending) > 1:
            size -= len(self._pending.popleft()[1])
            self.lost_batches += 1


def tenant_or_unknown() -> str:
    """The current tenant, else the quarantine tenant: unattributed work stays visible."""
    return current_tenant() or UNKNOWN_TENANT
