"""What a channel makes of an event."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAX_BODY = 20_000
"""Bytes of the largest body we send (Standard Webhooks asks for under 20 kB)."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where a message goes."""

    name: str
    url: str
    routing_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """The exact bytes sent and signed."""

    url: str
    body: bytes
    content_type: str = "application/json"


def as_json(document: Any) -> bytes:
    """Strict JSON (no NaN: unknown numbers are null by now), compact, UTF-8."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "backslashreplace"
    )


def rfc3339(at: datetime) -> str:
    """UTC with a final Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
