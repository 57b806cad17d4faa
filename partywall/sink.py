"""A small webhook receiver of our own: keeps every body, says each in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One webhook: its headers in lower case and its body."""

    headers: dict[str, str]
    body: bytes

    @property
    def line(self) -> str:
        """In short: event and summary of an Alertmanager body, else its first characters."""
        try:
            told = json.loads(self.body)
            alerts = told["alerts"]
            summary = alerts[0].get("annotations", {}).get("summary", "") if alerts else ""
            event = told.get("type") or told["status"]
            return f"{event}: {summary or told.get('groupKey', '')}"
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.body[:160].decode("utf-8", "replace")


class Sink:
    """Listens on the loopback while in its `with` block; bodies lie numbered in `directory`."""

    def __init__(
        self, directory: Path, *, port: int = 0, heard: Callable[[Received], None] | None = None
    ) -> None:
        self.directory = directory
        self.received: list[Received] = []
        self._heard = heard
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, name="sink", daemon=True)

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, received: Received) -> None:
        """Keep one webhook."""
        with self._lock:
            self.received.append(received)
            number = len(self.received)
        (self.directory / f"{number:04d}.json").write_bytes(received.body)
        if self._heard is not None:
            self._heard(received)


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 <= length <= LARGEST:
                self.send_error(413)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            sink.take(Received(headers, self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: the sink says what it heard itself."""

    return Handler
