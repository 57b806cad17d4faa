"""A proxy on the way to a receiver that fails as networks and receivers do, by seeded chance.

It reads one request per connection, and then: refuses (nobody listens for a moment), hangs, resets,
answers 429 with Retry-After in seconds or as a date, 500 or 503; or hands the request on and then
truncates the answer, drips it, loses it, or returns it. So some failures happen before the receiver
took the message and some after.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

BEFORE = ("refuse", "hang", "reset", "429-seconds", "429-date", "500", "503")
AFTER = ("truncated", "drip", "lost")
FAULTS = (*BEFORE, *AFTER)


@dataclass
class FaultProxy:
    """`rate` is the part of requests that meet a fault; `done` counts what happened."""

    to: int
    clock: Callable[[], datetime]
    rate: float = 0.6
    hang_s: float = 1.0
    refuse_s: float = 0.3
    seed: int = 7
    port: int = 0
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._server: asyncio.Server | None = None
        self._callers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        # Keeps the port while nobody listens: an outgoing connection of anybody would take it.
        self._held = _bound(self.port)
        self.port = self._held.getsockname()[1]

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=_bound(self.port))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._callers[task] = writer
        task.add_done_callback(lambda done: self._callers.pop(done, None))

    async def stop(self) -> None:
        await self._closed_server()
        for _ in range(3):
            await asyncio.sleep(0.05)  # what was accepted just now becomes a caller
            callers = dict(self._callers)
            for writer in callers.values():
                writer.transport.abort()
            if callers:
                # Not cancelled at once: a connection being opened would be left open.
                await asyncio.wait(callers, timeout=3 * self.hang_s + self.refuse_s)
            for task in callers:
                task.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
            await self._closed_server()
        self._held.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _request(reader)
            fault = self._chance.choice(FAULTS) if self._chance.random() < self.rate else "ok"
            self.done[fault] += 1
            await self._act(fault, request, writer)
        except (OSError, asyncio.IncompleteReadError):
            self.done["caller gone"] += 1
        finally:
            await _closed(writer)

    async def _act(self, fault: str, request: bytes, writer: asyncio.StreamWriter) -> None:
        if fault in ("reset", "lost", "refuse"):
            if fault == "lost":
                await self._hand_on(request)
            _reset(writer)
            if fault == "refuse":
                await self._be_gone()
        elif fault == "hang":
            await asyncio.sleep(self.hang_s)
        elif fault in ("truncated", "drip", "ok"):
            answer = await self._hand_on(request)
            await self._answer(fault, answer, writer)
        else:
            writer.write(self._refusal(fault))
            await writer.drain()

    async def _answer(self, fault: str, answer: bytes, writer: asyncio.StreamWriter) -> None:
        if fault == "truncated":
            answer = answer[: len(answer) // 4]
        if fault == "drip":
            for byte in answer:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(self.hang_s / 20)
        writer.write(answer if fault != "drip" else b"")
        await writer.drain()

    def _refusal(self, fault: str) -> bytes:
        code, _, how = fault.partition("-")
        wait = ""
        if how == "seconds":
            wait = "Retry-After: 3\r\n"
        if how == "date":
            at = self.clock() + timedelta(seconds=5)
            wait = f"Retry-After: {email.utils.format_datetime(at, usegmt=True)}\r\n"
        return (
            f"HTTP/1.1 {code} No\r\n{wait}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )

    async def _hand_on(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.to)
        try:
            writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            await writer.drain()
            return await reader.read()
        finally:
            await _closed(writer)

    async def _be_gone(self) -> None:
        if self._server is None or not self._server.is_serving():
            return
        await self._closed_server()
        await asyncio.sleep(self.refuse_s)
        await self.listen()

    async def _closed_server(self) -> None:
        """Deaf first: a connection taken while its server closes is left open by asyncio."""
        if self._server is None:
            return
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0.02)
        self._server.close()


@contextmanager
def fault_proxy(to: str, clock: Callable[[], datetime], **how: float) -> Iterator[FaultProxy]:
    """A proxy in front of the receiver at the URL `to`, in a thread of its own."""
    proxy = FaultProxy(int(to.split(":")[2].split("/")[0]), clock, **how)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.listen(), loop).result(10)
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _bound(port: int) -> socket.socket:
    """A socket that shares its port with others of this process; 0: any free one."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(("127.0.0.1", port))
    return found


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return head + await reader.readexactly(length)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset instead of a farewell."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
