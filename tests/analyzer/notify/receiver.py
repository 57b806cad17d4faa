"""A real webhook receiver on a loopback port that behaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Got:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    answered: int | str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Receiver:
    """`script` says how to answer the next requests: a status, `(429, {"Retry-After": "7"})`,
    `hang`, `reset`, `truncated` or `drip`; when it is used up, 200."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    script: list[Any] = field(default_factory=list)
    hang_s: float = 1.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def taken(self) -> list[Got]:
        return [got for got in self.got if got.answered in (200, 202)]


@contextmanager
def receiver(script: Sequence[Any] = ()) -> Iterator[Receiver]:  # noqa: C901
    state = Receiver(script=list(script))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with state.lock:
                step: Any = state.script.pop(0) if state.script else 200
                word = step[0] if isinstance(step, tuple) else step
                headers = {k.lower(): v for k, v in self.headers.items()}
                state.got.append(Got(self.path, headers, body, word))
            if isinstance(step, str):
                self.misbehave(step)
            else:
                self.answer(word, step[1] if isinstance(step, tuple) else {})

        def answer(self, status: Any, headers: Any) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def misbehave(self, step: str) -> None:
            self.close_connection = True
            if step == "hang":
                time.sleep(state.hang_s)
            elif step == "truncated":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            elif step == "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                end = time.monotonic() + state.hang_s
                while time.monotonic() < end:
                    try:
                        self.wfile.write(b"a")
                        self.wfile.flush()
                    except OSError:
                        return
                    time.sleep(0.05)
            elif step == "reset":
                self.connection.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                self.connection.close()

        def log_message(self, *args):
            pass

        def finish(self):
            with suppress(OSError, ValueError):
                super().finish()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
