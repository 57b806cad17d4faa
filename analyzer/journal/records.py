"""What is written of incidents and decisions, read back: lists, single ones, timelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from analyzer.decisions.lifecycle import OPEN_DECISIONS
from analyzer.model import (
    Decision,
    DecisionId,
    DecisionState,
    Incident,
    IncidentId,
    IncidentState,
    Kind,
)
from analyzer.notify.clock import aware, stored
from analyzer.store.codec import load
from analyzer.store.database import Store
from analyzer.store.reader import Reader
from collector.model import ResourceId, TenantId


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents; None is any. Withdrawn ones are never shown."""

    states: tuple[IncidentState, ...] | None = None
    kind: Kind | None = None
    resource: ResourceId | None = None
    tenant: TenantId | None = None  # as aggressor or as victim
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100
    parts: bool = True  # those that are part of another one, too


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions; None is any."""

    states: tuple[DecisionState, ...] | None = None
    incident: IncidentId | None = None
    tenant: TenantId | None = None
    resource: ResourceId | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Firing:
    """Who is in an incident that fires, without its evidence."""

    resource: ResourceId
    kind: Kind
    aggressors: tuple[TenantId, ...]
    victims: tuple[TenantId, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an incident's timeline."""

    at: datetime
    what: str
    detail: str
    by: str


def open_incidents(store: Store, *, resolved_since: datetime | None = None) -> list[Incident]:
    """All that are not over, and those resolved since then (they may still be reopened)."""
    rows = store.rows("journal_incidents_open", resolved_since=stored(resolved_since))
    return [load(body, Incident) for (body,) in rows]


def incidents(store: Store, which: IncidentFilter | None = None) -> list[Incident]:
    """Newest first."""
    which = which or IncidentFilter()
    rows = store.rows(
        "journal_incidents",
        states=values(which.states),
        kind=which.kind,
        resource=which.resource,
        tenant=which.tenant,
        from_ts=stored(which.since),
        to_ts=stored(which.until),
        limit=which.limit,
        parts=which.parts,
    )
    return [load(body, Incident) for (body,) in rows]


def firing(store: Store) -> list[Firing]:
    """All that fires now, newest first."""
    return [
        Firing(resource, Kind(kind), tuple(aggressors), tuple(victims))
        for resource, kind, aggressors, victims in store.rows("journal_firing")
    ]


def incident(store: Store, incident_id: IncidentId) -> Incident | None:
    with store.reader() as reader:
        row = reader.row("journal_incident", id=incident_id)
    return load(row[0], Incident) if row else None


def timeline(store: Store, incident_id: IncidentId) -> list[Entry]:
    """Transitions, labels, decisions and deliveries of an incident, oldest first."""
    rows = store.rows("journal_timeline", incident=incident_id)
    return [Entry(aware(at), what, detail, by) for at, what, detail, by in rows]


def open_decisions(store: Store) -> list[Decision]:
    """All that may still change, oldest first."""
    found = decisions(store, DecisionFilter(states=OPEN_DECISIONS, limit=100_000))
    return found[::-1]


def decisions(store: Store, which: DecisionFilter | None = None) -> list[Decision]:
    """Newest first."""
    which = which or DecisionFilter()
    rows = store.rows(
        "journal_decisions",
        states=values(which.states),
        incident=which.incident,
        tenant=which.tenant,
        resource=which.resource,
        limit=which.limit,
    )
    return [load(body, Decision) for (body,) in rows]


def decision(store: Store, decision_id: DecisionId) -> Decision | None:
    with store.reader() as reader:
        return read_decision(reader, decision_id)


def values(states: Sequence[StrEnum] | None) -> list[str] | None:
    return None if states is None else [state.value for state in states]


def read_decision(reader: Reader, decision_id: DecisionId) -> Decision | None:
    row = reader.row("journal_decision", id=decision_id)
    return load(row[0], Decision) if row else None
