"""A proxy before a server, and the weather on the way: clear, overloaded (503) or resetting.

Every change of weather resets the connections that are open, so that senders meet the new one. A
server that is gone looks as it does without a proxy: the connection breaks.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from enum import Enum
from typing import Self

_SAID = b"the weather is bad\n"
_HEAD = (
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    f"Content-Type: text/plain\r\nContent-Length: {len(_SAID)}\r\n\r\n"
)
_RESET = struct.pack("ii", 1, 0)


class Sky(Enum):
    """What becomes of a connection."""

    CLEAR = "clear"
    OVERLOADED = "503"
    RESET = "reset"


class Weather:
    """Listens on a free loopback port and passes to `to`. A context; `met` counts connections."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._sky = Sky.CLEAR
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.met: Counter[Sky] = Counter()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.turn(Sky.RESET)

    def turn(self, sky: Sky) -> None:
        """Change the weather and reset what is open."""
        with self._lock:
            self._sky, ended, self._open = sky, self._open, set()
        for one in ended:
            _reset(one)

    def _listen(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(taken,), daemon=True).start()

    def _meet(self, taken: socket.socket) -> None:
        with self._lock:
            sky = self._sky
            self.met[sky] += 1
            self._open.add(taken)
        if sky is Sky.CLEAR:
            self._pass(taken)
        elif sky is Sky.OVERLOADED:
            _overloaded(taken)
        else:
            _reset(taken)

    def _pass(self, taken: socket.socket) -> None:
        try:
            onward = socket.create_connection(("127.0.0.1", self._to), timeout=10)
        except OSError:
            _reset(taken)
            return
        onward.settimeout(None)
        with self._lock:
            self._open.add(onward)
        back = threading.Thread(target=_pump, args=(onward, taken), daemon=True)
        back.start()
        _pump(taken, onward)
        back.join()
        for one in (taken, onward):
            with self._lock:
                self._open.discard(one)
            one.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until either side ends, then end both."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _overloaded(taken: socket.socket) -> None:
    """Read one request as far as it comes, then say 503: a reset before that would eat it."""
    taken.settimeout(0.3)
    with suppress(OSError):
        while taken.recv(1 << 16):
            pass
    with suppress(OSError):
        taken.sendall(_HEAD.encode() + _SAID)
        taken.shutdown(socket.SHUT_WR)
    taken.close()


def _reset(one: socket.socket) -> None:
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        one.shutdown(socket.SHUT_RDWR)
    one.close()
