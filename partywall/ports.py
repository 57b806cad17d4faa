"""Listening addresses: is one free, and which one is."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from partywall.failures import Failure


def split(listen: str) -> tuple[str, int]:
    """`host:port` as its parts. Raises ValueError when it is neither."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def is_free(listen: str) -> bool:
    """Could we listen here now?"""
    host, port = split(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of the loopback nobody listens on at this moment, and no outgoing connection takes:
    what the kernel hands to those may be gone before the server is up, or while it restarts."""
    first = _first_outgoing()
    for _ in range(100):
        port = random.randrange(first // 2, first)
        if is_free(f"127.0.0.1:{port}"):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def _first_outgoing() -> int:
    """Where the ports of outgoing connections begin."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
    return first if first >= 8_192 else 32_768


def demand(listens: dict[str, str]) -> None:
    """Raises Failure when an address is taken: role -> host:port."""
    for role, listen in listens.items():
        if not is_free(listen):
            raise Failure(
                f"the {role} cannot listen on {listen}",
                "another process does already",
                f"stop it, or set [{role}] listen to another port",
            )
