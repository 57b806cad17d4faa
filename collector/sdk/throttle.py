"""Obeys the analyzer's policy: a token bucket per limited tenant and resource.

Fails open, always: no policy, an unreadable one, an expired entry, or shadow mode limit nobody.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger(__name__)

Fetch = Callable[[str], tuple[int, str, bytes]]
"""Takes the last ETag; returns status, ETag, body."""


@dataclass(slots=True)
class _Limit:
    rps: float
    burst: float
    expires_s: float
    enforced: bool
    tokens: float
    filled_s: float

    def wait_s(self, now_s: float) -> float:
        """Take a token; the seconds until there is one when there is none."""
        passed = max(now_s - self.filled_s, 0.0)
        self.tokens = min(self.burst, self.tokens + passed * self.rps)
        self.filled_s = now_s
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rps


class Throttle:
    """Ask `wait_s` before working; call `start` to follow the policy at `fetch`.

    `shadowed` counts what an entry in shadow mode would have refused.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        poll_s: float = 5.0,
        now: Callable[[], float] = lambda: time.time_ns() / 1e9,
    ) -> None:
        self.shadowed = 0
        self._fetch = fetch
        self._poll_s = poll_s
        self._now = now
        self._etag = ""
        self._lock = threading.Lock()
        self._limits: dict[tuple[str, str], _Limit] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def wait_s(self, tenant: str, resource: str) -> float:
        """0: go ahead. Else refuse, and ask the tenant to come back after so many seconds."""
        with self._lock:
            limit = self._limits.get((tenant, resource))
            now_s = self._now()
            if limit is None or limit.expires_s <= now_s:
                return 0.0
            wait = limit.wait_s(now_s)
            if wait and not limit.enforced:
                self.shadowed += 1
                return 0.0
            return wait

    def refresh(self) -> None:
        """Read the policy once. A failure keeps the last one, whose entries expire anyway."""
        try:
            status, etag, body = self._fetch(self._etag)
            if status != 200:
                return
            found = self._parsed(json.loads(body))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.debug("partywall: policy not read: %s", error)
            return
        with self._lock:
            for key, limit in found.items():
                if (old := self._limits.get(key)) is not None:
                    limit.tokens = min(old.tokens, limit.burst)
                    limit.filled_s = old.filled_s
            self._limits, self._etag = found, etag

    def start(self) -> None:
        """Follow the policy from a daemon thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="partywall-policy", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._poll_s + 10)

    def _run(self) -> None:
        self.refresh()
        while not self._stop.wait(self._poll_s):
            self.refresh()

    def _parsed(self, policy: Mapping[str, Any]) -> dict[tuple[str, str], _Limit]:
        now_s = self._now()
        found = {}
        for entry in policy["entries"]:
            rps = float(entry["rps"])
            if rps > 0:
                burst = max(float(entry.get("burst") or rps), 1.0)
                expires_s = _seconds(entry["expires_at"])
                enforced = entry.get("mode") == "enforce"
                key = (str(entry["tenant"]), str(entry["resource"]))
                found[key] = _Limit(rps, burst, expires_s, enforced, burst, now_s)
        return found


def _seconds(text: str) -> float:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def http_fetch(url: str, *, token: str = "", timeout_s: float = 5.0) -> Fetch:
    """Reads `<url>/api/v1/policy` of the analyzer."""

    def fetch(etag: str) -> tuple[int, str, bytes]:
        headers = {"Accept": "application/json"}
        if etag:
            headers["If-None-Match"] = etag
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(url.rstrip("/") + "/api/v1/policy", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, answer.headers.get("ETag", ""), answer.read(16_000_000)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, etag, b""

    return fetch
