"""Looks after what is open, every few seconds: escalates, reminds, tells at last what was muted,
gathers storms and flapping into digests, and lets a fallback stand in. Twice-safe: everything it
does leaves an event or a delivery that says so.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from analyzer.model import Incident
from analyzer.notify.addressing import (
    Desk,
    desk,
    directly,
    firing,
    heard_of,
    plans,
    recipient,
)
from analyzer.notify.clock import aware, stored
from analyzer.notify.endpoints import Endpoint
from analyzer.notify.event import Entropy, Event, Links, event_id, trimmed, uuid7
from analyzer.notify.gather import gather
from analyzer.notify.history import labels_now, tenants_of
from analyzer.notify.outbox import post
from analyzer.notify.sentence import about
from analyzer.routing import Reason, Step
from analyzer.routing.attention import Attention, Open, attention
from analyzer.routing.rules import named
from analyzer.store.codec import load
from analyzer.store.database import Store
from analyzer.store.reader import Reader, Transaction

STRANDED_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Attended:
    """What was done, in messages."""

    escalated: int = 0
    reminded: int = 0
    released: int = 0
    digests: int = 0
    stood_in: int = 0


def attend(store: Store, *, now: datetime, links: Links, entropy: Entropy = os.urandom) -> Attended:
    """One look at everything open. Holds up no other writer unless something is due, and judges
    anew what is: somebody may have acknowledged meanwhile."""
    with store.reader() as reader:
        waiting = [incident.id for incident, needs in _look(reader, now) if needs.needed]
    escalated = reminded = released = 0
    with store.transaction() as tx:
        for incident, needs in _look(tx, now, waiting) if waiting else ():
            pen = _Pen(tx, incident, now, links, entropy)
            escalated += sum(pen.escalate(step, to) for step, to in needs.escalate)
            reminded += pen.remind(needs.remind)
            released += sum(release(tx, incident.id, each, now=now) for each in needs.release)
        at = desk(tx)
        digests, calmed = gather(tx, at, now=now, links=links, entropy=entropy)
        stood_in = stand_in(tx, at, now=now, entropy=entropy)
    return Attended(escalated, reminded, released + calmed, digests, stood_in)


def _look(
    reader: Reader, now: datetime, only: Collection[str] | None = None
) -> list[tuple[Incident, Attention]]:
    """What each open incident (or each of `only`) needs."""
    rows = reader.rows("routing_open")
    found = [each for (body,) in rows if _among(each := load(body, Incident), only)]
    if not found:
        return []
    at, lanes = desk(reader), [each.id for each in found]
    heard = heard_of(reader, lanes)
    events: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for lane, kind, when in reader.rows("routing_lanes", lanes=lanes):
        events[lane].append((kind, aware(when)))
    known = plans(reader, tenants_of(found))
    recipients = [recipient(each, now) for each in at.endpoints]
    sources = firing(reader) if at.policy.inhibitions else ()
    return [
        (
            each,
            attention(
                Open(
                    each.id,
                    labels_now(each, known),
                    acknowledged=each.acknowledged_by is not None,
                    events=tuple(events[each.id]),
                    past={to: tuple(past) for to, past in heard.get(each.id, {}).items()},
                ),
                at.policy,
                recipients,
                firing=sources,
                now=now,
            ),
        )
        for each in found
    ]


def _among(incident: Incident, only: Collection[str] | None) -> bool:
    return only is None or incident.id in only


def release(tx: Transaction, lane: str, endpoint: str, *, now: datetime) -> int:
    """Send the newest word that was kept from the endpoint."""
    row = tx.row("routing_last_kept", lane=lane, endpoint=endpoint)
    if row is None:
        return 0
    return tx.execute("routing_release", id=row[0], now=stored(now), reason=Reason.ROUTED.value)


def stand_in(tx: Transaction, at: Desk, *, now: datetime, entropy: Entropy) -> int:
    """Give what an endpoint owes for a quarter of an hour to the fallback of its route."""
    given = 0
    for each in at.endpoints:
        known = recipient(each, now)
        if known.enabled and not known.failing:
            continue
        other = _fallback(each, at)
        if other is None:
            continue
        rows = tx.rows(
            "routing_stranded", endpoint=each.id, stand_in=other.id,
            since=stored(now - STRANDED_FOR),
        )  # fmt: skip
        if rows:
            events, lanes, seqs = zip(*rows, strict=True)
            ids = [f"dlv_{uuid7(now, entropy)}" for _ in rows]
            batch = pa.table({"id": ids, "event": events, "lane": lanes, "seq": seqs})
            given += tx.load("routing_stand_in", batch, stand_in=other.id, now=stored(now))
    return given


def _fallback(to: Endpoint, at: Desk) -> Endpoint | None:
    """The first fallback of the routes that lead to it; never a disabled one, nor itself."""
    for way in (*at.policy.routes, at.policy.default):
        if way.fallback and way.reaches(to.name):
            others = (e for e in at.endpoints if e.id != to.id and e.state != "disabled")
            found = next((e for e in others if named(e.name, (way.fallback,))), None)
            if found is not None:
                return found
    return None


class _Pen:
    """Writes about one incident."""

    def __init__(
        self, tx: Transaction, incident: Incident, now: datetime, links: Links, entropy: Entropy
    ) -> None:
        self._tx, self._incident, self._now = tx, incident, now
        self._links, self._entropy = links, entropy

    def escalate(self, step: Step, to: Sequence[str]) -> int:
        """Also when nobody is there to be told: the step is taken, the next one comes."""
        words = f"Nobody acknowledged this for {_span(step.after_s)}."
        return self._tell("incident.escalated", words, to, Reason.ESCALATED)

    def remind(self, to: Sequence[str]) -> int:
        if not to:
            return 0
        began = self._incident.detected_at or self._incident.started_at
        words = f"Still on after {_span((self._now - began).total_seconds())}."
        return self._tell("incident.reminder", words, to, Reason.REMINDED)

    def _tell(self, kind: str, words: str, to: Sequence[str], why: Reason) -> int:
        incident = self._incident
        event = Event(
            id=event_id(self._now, self._entropy), type=kind, lane=incident.id, seq=0,
            at=self._now, created_at=self._now, summary=f"{words} {about(incident)}",
            url=self._links.incident(incident.id), reason=words, links=self._links,
            incident=trimmed(incident), victims=len(incident.finding.victims),
        )  # fmt: skip
        post(self._tx, event, choices=directly(to, why), entropy=self._entropy)
        return len(to)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
