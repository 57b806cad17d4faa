"""Listening addresses: is one free, and which one is."""

from __future__ import annotations

import socket

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
    """A port of the loopback nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def demand(listens: dict[str, str]) -> None:
    """Raises Failure when an address is taken: role -> host:port."""
    for role, listen in listens.items():
        if not is_free(listen):
            raise Failure(
                f"the {role} cannot listen on {listen}",
                "another process does already",
                f"stop it, or set [{role}] listen to another port",
            )
