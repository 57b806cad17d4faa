"""A platform's /metrics page over the replay: counters that grow in real time."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from collector.model import LATENCY_BOUNDS
from tests.peers.replay import Done, Replay

STEP_S = 1.0
_BOUNDS = (*(repr(bound) for bound in LATENCY_BOUNDS), "+Inf")


class Exporter:
    """Plays the replay from `at_s` on, a step a second, and answers GET /metrics meanwhile."""

    def __init__(self, replay: Replay, at_s: float) -> None:
        self._replay = replay
        self._at_s = at_s
        self._lock = threading.Lock()
        self._values: defaultdict[str, float] = defaultdict(float)
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.totals: defaultdict[str, int] = defaultdict(int)  # finished operations by tenant
        for client in replay.clients:
            self._count(replay.idle(client))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        threading.Thread(target=self._play, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _play(self) -> None:
        began = time.monotonic()
        steps = 0
        while not self._over.wait(max(0.0, began + (steps + 1) * STEP_S - time.monotonic())):
            done = list(self._replay.step(self._at_s + steps * STEP_S, STEP_S))
            with self._lock:
                for one in done:
                    self._count(one)
            steps += 1

    def _count(self, one: Done) -> None:
        """What finished is told by the histogram's count alone: two counters would count twice."""
        own = f'family="query",resource="{one.resource}",tenant="{one.tenant}"'
        values = self._values
        values[f"partywall_arrived_total{{{own}}}"] += one.arrived
        values[f"partywall_busy_seconds_total{{{own}}}"] += one.busy_s
        values[f"partywall_latency_seconds_sum{{{own}}}"] += one.latency_sum_s
        values[f"partywall_latency_seconds_count{{{own}}}"] += one.finished
        passed = 0
        for bound, inside in zip(_BOUNDS, one.buckets, strict=True):
            passed += int(inside)
            values[f'partywall_latency_seconds_bucket{{{own},le="{bound}"}}'] += passed
        self.totals[one.tenant] += one.finished

    def page(self) -> bytes:
        """The exposition text, metrics grouped by name."""
        with self._lock:
            lines = [f"{series} {value!r}" for series, value in self._values.items()]
        return ("\n".join(sorted(lines)) + "\n").encode()


def _handler(exporter: Exporter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.page()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing to say."""

    return Handler
