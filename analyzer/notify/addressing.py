"""What routing must know of an event, gathered from the store: labels, history, who may be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analyzer.notify.clock import aware, stored
from analyzer.notify.endpoints import Endpoint, endpoints
from analyzer.notify.event import Event
from analyzer.notify.health import TELL_AFTER
from analyzer.notify.rules import policy
from analyzer.routing import (
    Choice,
    Notice,
    Past,
    Policy,
    Reason,
    Recipient,
    Source,
    Standing,
    route,
)
from analyzer.routing.judge import OPENINGS, STORM_WINDOW
from analyzer.routing.matchers import Labels
from analyzer.routing.rules import leads_to_pages
from analyzer.routing.standing import standing
from analyzer.store.reader import Reader

FEEDS = frozenset({"alertmanager_api"})
"""Formats whose receiver keeps the state of every alert itself."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Who may be told and by which rules: read once, used for all events of a transaction."""

    endpoints: tuple[Endpoint, ...]
    policy: Policy


def desk(reader: Reader) -> Desk:
    return Desk(tuple(endpoints(reader)), policy(reader))


def choose(reader: Reader, event: Event, at: Desk) -> tuple[Choice, ...]:
    """A choice for every endpoint but the one the event is about."""
    now = event.created_at
    incident, labels = incident_of(event), labels_of(reader, event)
    explicable = event.incident is not None and at.policy.inhibiting(labels)
    return route(
        Notice(event.type, labels, incident),
        at.policy,
        [recipient(each, now) for each in at.endpoints if each.lane != event.lane],
        now=now,
        standings=standings(reader, event.lane, now) if incident else {},
        openings=_openings(reader, now) if event.type in OPENINGS else {},
        firing=firing(reader) if explicable else (),
    )


def directly(to: Collection[str], reason: Reason = Reason.DIRECT) -> tuple[Choice, ...]:
    """A choice for exactly these endpoints."""
    return tuple(Choice(each, reason) for each in to)


def recipient(each: Endpoint, now: datetime) -> Recipient:
    """The endpoint as far as routing cares."""
    since = each.failing_since
    return Recipient(
        each.id,
        each.name,
        each.events,
        enabled=each.state != "disabled",
        feeds=each.format in FEEDS,
        failing=since is not None and now - since >= TELL_AFTER,
    )


def pages(each: Endpoint, rules: Policy) -> bool:
    """Whether the endpoint may hear of an incident that opens to page somebody."""
    if each.state == "disabled" or not recipient(each, each.created_at).wants("incident.opened"):
        return False
    ways = [way for way in (*rules.routes, rules.default) if way.reaches(each.name)]
    return any(leads_to_pages(way) for way in ways)


def incident_of(event: Event) -> str:
    """The incident an event is about, by itself or through its decision."""
    if event.incident is not None:
        return event.incident.id
    return (event.decision.incident or "") if event.decision is not None else ""


def labels_of(reader: Reader, event: Event) -> Labels:
    """Every label the event has; see `analyzer.routing.matchers.LABELS`."""
    labels: dict[str, tuple[str, ...]] = {"event": (event.type,)}
    row = reader.row("routing_incident", incident=incident_of(event))
    if row is not None:
        kind, severity, resource, aggressors, victims = row
        labels |= {"kind": (kind,), "severity": (severity,), "resource": (resource,)}
        labels |= {"incident": (incident_of(event),)}
        labels |= people(reader, aggressors, victims)
    if event.decision is not None:
        tenant = event.decision.tenant
        labels |= {"resource": (event.decision.resource,), **people(reader, [tenant], [])}
    return labels


def people(
    reader: Reader, aggressors: Sequence[str], victims: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Tenants and their plans as labels."""
    return with_plans(plans(reader, {*aggressors, *victims}), aggressors, victims)


def plans(reader: Reader, tenants: Collection[str]) -> Mapping[str, str]:
    """Plans by tenant; one nobody described has none."""
    return dict(reader.rows("routing_plans", names=sorted(tenants))) if tenants else {}


def with_plans(
    known: Mapping[str, str], aggressors: Sequence[str], victims: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The same from plans that were read already."""
    return {
        "tenant": tuple(aggressors),
        "victim": tuple(victims),
        "plan": _distinct(known, aggressors),
        "victim_plan": _distinct(known, victims),
    }


def standings(reader: Reader, lane: str, now: datetime) -> dict[str, Standing]:
    """Where each endpoint stands with the incident of a lane."""
    heard = heard_of(reader, [lane]).get(lane, {})
    return {endpoint: standing(each, now=now) for endpoint, each in heard.items()}


def heard_of(reader: Reader, lanes: Sequence[str]) -> dict[str, dict[str, list[Past]]]:
    """What each endpoint heard of each of the incidents: by lane, then by endpoint."""
    found: dict[str, dict[str, list[Past]]] = {}
    for lane, endpoint, kind, at, sent, reason in reader.rows("routing_past", lanes=lanes):
        heard = found.setdefault(lane, {}).setdefault(endpoint, [])
        heard.append(Past(kind, aware(at), sent, reason))
    return found


def firing(reader: Reader) -> tuple[Source, ...]:
    """What fires now and may explain something else."""
    return tuple(
        Source(
            incident,
            {
                "incident": (incident,),
                "kind": (kind,),
                "severity": (severity,),
                "resource": (resource,),
                "tenant": tuple(aggressors),
            },
        )
        for incident, kind, severity, resource, aggressors in reader.rows("routing_firing")
    )


def _openings(reader: Reader, now: datetime) -> dict[str, int]:
    return dict(reader.rows("routing_openings", since=stored(now - STORM_WINDOW), now=stored(now)))


def _distinct(plans: Mapping[str, str], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({plans[name] for name in names if name in plans}))
