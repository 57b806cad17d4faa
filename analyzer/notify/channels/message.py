"""What a channel makes of an event."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

FORGET = "-"
"""The thread of an answer that says: what the receiver made is not there any more."""

MAX_ANSWER = 65_536
"""Bytes of an answer that are read."""

MAX_BODY = 20_000
"""Bytes of the largest body we send (Standard Webhooks asks for under 20 kB)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a format needs besides an address; nothing in here is secret.

    `channel` is Slack's; `template` shapes the body of `json`; `sender`, `recipients` and
    `username` belong to `email`.
    """

    channel: str = ""
    template: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    username: str = ""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where a message goes. `token` is Slack's bot token or the password of a mail server;
    `thread` is how the receiver calls what it made of this incident before."""

    name: str
    url: str = field(repr=False)
    routing_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    options: Options = Options()
    thread: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """The envelope of a mail, and who hands it in."""

    sender: str
    recipients: tuple[str, ...]
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """The exact bytes sent and signed. `token` goes into `Authorization`; `mail` makes it a mail;
    `note` is said of it in the log (a template that failed); the answer to a message that `begins`
    a thread names it; `reads` bytes of the answer are read."""

    url: str = field(repr=False)
    body: bytes
    content_type: str = "application/json"
    token: str = field(default="", repr=False)
    mail: Mail | None = None
    note: str = ""
    begins: bool = False
    method: str = "POST"
    reads: int = MAX_ANSWER


def as_json(document: Any) -> bytes:
    """Strict JSON (no NaN: unknown numbers are null by now), compact, UTF-8."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "backslashreplace"
    )


def rfc3339(at: datetime) -> str:
    """UTC with a final Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
