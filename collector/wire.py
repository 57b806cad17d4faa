"""HTTP as the receivers see it: a request with a bounded body, and replies made of values.

Ingest routes are plain ASGI: a framework's validation per request would cost more than the work.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from collector.intake import Refused
from collector.model import Rejected, Rejection

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Disconnected(Exception):
    """The sender went away before its body was complete."""


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request. Header names are lower case; `now_ms` is when it was complete."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    now_ms: int

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


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The body, counted while it streams. Raises Rejected(BODY_TOO_LARGE) or Disconnected."""
    claimed = headers.get("content-length", "0")
    size = int(claimed) if claimed.isdigit() else 0
    parts: list[bytes] = []
    total = 0
    while size <= limit and total <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        total += len(parts[-1])
        if not message.get("more_body") and total <= limit:
            return b"".join(parts)
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
