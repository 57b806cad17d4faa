"""The proxy that fails must not fail otherwise than it says: a port it lost would be a fault for
ever."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tests.analyzer.notify.receiver import receiver
from tests.peers.faults import FaultProxy, fault_proxy

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
REQUEST = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


def ask(proxy: FaultProxy) -> bytes:
    """One request; b"" where the connection was reset."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as caller:
        caller.sendall(REQUEST)
        with suppress(ConnectionResetError):
            return caller.recv(100)
    return b""


def test_nobody_takes_the_port_while_the_proxy_refuses():
    with (
        receiver() as hook,
        fault_proxy(hook.url, lambda: NOON, rate=1.0, refuse_s=0.5) as proxy,
    ):
        while not proxy.done["refuse"]:
            ask(proxy)
        time.sleep(0.1)  # deaf first, closed a moment later
        with pytest.raises(ConnectionRefusedError):
            ask(proxy)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", proxy.port))
        proxy.rate = 0.0
        end = time.monotonic() + 10
        while not (answer := _after_refusal(proxy)):
            assert time.monotonic() < end, "it never came back"
        assert answer.startswith(b"HTTP/1.")


def _after_refusal(proxy: FaultProxy) -> bytes:
    with suppress(ConnectionRefusedError):
        return ask(proxy)
    time.sleep(0.02)
    return b""
