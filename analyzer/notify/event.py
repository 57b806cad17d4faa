"""What people are told: one event per change, the same words for every channel."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NewType
from urllib.parse import quote

from analyzer.model import Decision, Incident

EventId = NewType("EventId", str)
Entropy = Callable[[int], bytes]

MAX_VICTIMS = 20
"""Victims listed in a message; the count is always the true one."""

MAX_RIVALS = 3
MAX_LINKS = 8
MAX_TEXT = 300
"""Characters kept of any sentence, so that hostile names cannot outgrow a 20 kB body."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where people look things up: the dashboard's public address, without a final slash."""

    base: str = "http://127.0.0.1:8600"

    def incident(self, incident: str) -> str:
        return f"{self.base}/incidents/{quote(incident, safe='')}"

    def resource(self, resource: str) -> str:
        return f"{self.base}/resources/{quote(resource, safe='')}"

    def tenant(self, tenant: str) -> str:
        return f"{self.base}/tenants/{quote(tenant, safe='')}"

    def decision(self, decision: str) -> str:
        return f"{self.base}/decisions/{quote(decision, safe='')}"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    `lane` is what must stay in order (the incident); `seq` counts the events of a lane from 1
    without gaps, so a receiver can tell that one is missing. `incident` is trimmed to what a
    message holds; `victims` is the full count. `facts` are extra words for reports and endpoints.
    """

    id: EventId
    type: str
    lane: str
    seq: int
    at: datetime
    created_at: datetime
    summary: str
    url: str
    incident: Incident | None = None
    victims: int = 0
    decision: Decision | None = None
    reason: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    links: Links = Links()
    test: bool = False


def event_id(now: datetime, entropy: Entropy = os.urandom) -> EventId:
    """`evt_` and a UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then 74 random bits."""
    return EventId(f"evt_{uuid7(now, entropy)}")


def uuid7(now: datetime, entropy: Entropy = os.urandom) -> str:
    """A UUIDv7 in its usual text form; sorts by time."""
    millis = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    bits = int.from_bytes(entropy(10), "big")
    high, low = bits >> 68, bits & ((1 << 62) - 1)
    number = millis << 80 | 7 << 76 | high << 64 | 2 << 62 | low
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def trimmed(incident: Incident) -> Incident:
    """The incident as a message carries it: the worst victims, few rivals, short sentences."""
    finding = incident.finding
    worst = sorted(finding.victims, key=lambda v: (-_stretch(v.before_s, v.during_s), v.tenant))
    return replace(
        incident,
        hits=(),
        finding=replace(
            finding,
            aggressors=tuple(replace(b, checks=()) for b in finding.aggressors[:MAX_RIVALS]),
            victims=tuple(worst[:MAX_VICTIMS]),
            rivals=tuple(replace(r, why_not=cut(r.why_not)) for r in finding.rivals[:MAX_RIVALS]),
            checks=tuple(replace(c, detail=cut(c.detail)) for c in finding.checks[:8]),
            caveats=tuple(cut(c) for c in finding.caveats[:5]),
        ),
    )


def fewer_victims(event: Event) -> Event | None:
    """The event with half the victims listed, or None when there is nobody left to leave out."""
    if event.incident is None or not event.incident.finding.victims:
        return None
    finding = event.incident.finding
    kept = replace(finding, victims=finding.victims[: len(finding.victims) // 2])
    return replace(event, incident=replace(event.incident, finding=kept))


def _stretch(before: float, during: float) -> float:
    return during / before if before > 0 else float(during > 0)


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
