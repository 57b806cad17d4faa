"""Sends prepared bodies over plain sockets and notes when each was acknowledged."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True)
class Sent:
    """What came of a run: wall time, and seconds from the last byte sent to each answer."""

    wall_s: float = 0.0
    acks_s: list[float] = field(default_factory=list)

    def ack_ms(self, share: float) -> float:
        return float(np.quantile(self.acks_s, share)) * 1000


class Connection:
    """One connection that is kept."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str]) -> None:
        self._head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items()
        )
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body: bytes) -> float:
        """Seconds until the answer, which must be a success; 503 is sent again."""
        began = time.perf_counter()
        while True:
            self._socket.sendall(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            status, text = self._answer()
            if status < 300:
                return time.perf_counter() - began
            if status != 503:
                raise RuntimeError(f"HTTP {status}: {text[:300]!r}")
            time.sleep(0.2)

    def _answer(self) -> tuple[int, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            part = self._socket.recv(65536)
            if not part:
                raise RuntimeError("the server closed the connection")
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(rest) < length:
            rest += self._socket.recv(65536)
        return int(head.split(None, 2)[1]), rest

    def close(self) -> None:
        self._socket.close()


def send(
    port: int, path: str, headers: Mapping[str, str], steps: Sequence[Sequence[Sequence[bytes]]]
) -> Sent:
    """All steps, each connection on its own thread and in order."""
    sent = Sent()
    failures: list[Exception] = []

    def run(number: int) -> None:
        try:
            connection = Connection(port, path, headers)
            for step in steps:
                for body in step[number]:
                    sent.acks_s.append(connection.post(body))
            connection.close()
        except (OSError, RuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(steps[0]))]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.wall_s = time.perf_counter() - began
    if failures:
        raise failures[0]
    return sent
