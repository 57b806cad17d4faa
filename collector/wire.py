"""HTTP as the receivers see it: a request with a bounded body, and replies made of values.

Ingest routes are plain ASGI: a framework's validation per request would cost more than the work.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from collector.model import Rejected, Rejection
from collector.readings import Refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


BODY_S = 60.0
"""Seconds a sender has for its body."""

BODIES_AT_ONCE = 16
"""As many of the largest size are held at once, or more of smaller ones."""


class Disconnected(Exception):
    """The sender went away before its body was complete."""


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request. Header names are lower case; `now_ms` is when it was complete.

    Bodies of one `sender` wait for each other, and for those of others only by turns.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    now_ms: int
    sender: str = ""

    def header(self, name: str) -> str:
        """A header's value, "" when it is absent."""
        return self.headers.get(name.lower(), "")

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return media_type_of(self.headers)


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer."""

    status: int
    body: bytes = b""
    media_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def media_type_of(headers: Mapping[str, str]) -> str:
    """The content type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers; of a repeated one the last counts."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def sender_of(scope: Scope, tenant: str) -> str:
    """Whose turn a body waits for: the tenant's its token is bound to, else the connection's."""
    host, port = scope.get("client") or ("", 0)
    return f"tenant {tenant}" if tenant else f"{host} {port}"


class Bodies:
    """All bodies held at the moment: a crowd of large or slow ones must not take the memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit  # of one body
        self._held = 0

    @asynccontextmanager
    async def body(
        self, receive: Receive, headers: Mapping[str, str], limit: int = 0
    ) -> AsyncIterator[bytes]:
        """A whole body, counted while it streams and until it is done with.

        `limit` holds for this one, where it is given.

        Raises Rejected: BODY_TOO_LARGE, OVERLOADED when others fill the room, UNAVAILABLE when it
        takes too long. Raises Disconnected.
        """
        parts: list[bytes] = []
        try:
            await self._fill(parts, receive, headers, limit or self._limit)
            yield b"".join(parts)
        finally:
            self._held -= sum(map(len, parts))

    async def _fill(
        self, parts: list[bytes], receive: Receive, headers: Mapping[str, str], limit: int
    ) -> None:
        try:
            async with asyncio.timeout(BODY_S):
                async for part in _parts(receive, headers, limit):
                    parts.append(part)
                    self._held += len(part)
                    if self._held > BODIES_AT_ONCE * self._limit:
                        raise Rejected(Rejection.OVERLOADED, "too many bodies at once, send again")
        except TimeoutError as error:
            detail = f"the body took longer than {BODY_S} s: send smaller batches"
            raise Rejected(Rejection.UNAVAILABLE, detail) from error


async def _parts(receive: Receive, headers: Mapping[str, str], limit: int) -> AsyncIterator[bytes]:
    """The body as it streams, never beyond the limit."""
    claimed = headers.get("content-length", "0")
    total = 0
    more = (int(claimed) if claimed.isdecimal() else 0) <= limit
    while more and total <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        total += len(part)
        if total <= limit:
            yield part
            if not message.get("more_body"):
                return
    raise Rejected(
        Rejection.BODY_TOO_LARGE, f"the body is larger than {limit} bytes: send smaller batches"
    )


async def send_reply(send: Send, reply: Reply) -> None:
    """Write the answer."""
    headers = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in reply.headers.items()]
    if reply.media_type:
        headers.append((b"content-type", reply.media_type.encode()))
    if reply.status != 204:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def as_json(status: int, answer: Mapping[str, object], **headers: str) -> Reply:
    """A JSON answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(answer).encode(), "application/json", named)


def problem(rejected: Rejected, headers: Mapping[str, str] | None = None) -> Reply:
    """An RFC 9457 problem; `type` is the id of the rejection."""
    answer = {
        "type": rejected.reason.value,
        "title": rejected.reason.value.replace("-", " "),
        "status": rejected.reason.status,
        "detail": rejected.detail,
        "field": rejected.field or None,
    }
    sent = dict(headers or {})
    if rejected.reason.status in {429, 503}:
        sent["Retry-After"] = str(rejected.retry_after_s or 5)
    if rejected.reason is Rejection.UNAUTHENTICATED:
        sent["WWW-Authenticate"] = "Bearer"
    body = json.dumps(answer).encode()
    return Reply(rejected.reason.status, body, "application/problem+json", sent)


def partial(
    refused: Iterable[Refused], taken: int, what: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """The answer when some were refused: the good ones are kept, the rest must not be resent.

    429 only when everything was shed by a tenant's limit: a 429 makes senders hold back all
    tenants of the body, a 400 costs just what the limit shed.
    """
    every = list(refused)
    total = sum(one.count for one in every)
    limited = not taken and all(one.reason.status == 429 for one in every)
    worst = next((one for one in every if (one.reason.status == 429) == limited), every[0])
    reasons = "; ".join(f"{one.count} {one.reason.value} ({one.detail})" for one in every[:8])
    detail = f"{total} {what} refused, {taken} written: {reasons}"
    reason = worst.reason if limited or worst.reason.status == 400 else Rejection.INVALID_FIELD
    return problem(Rejected(reason, detail, field=worst.field, retry_after_s=5), headers)
