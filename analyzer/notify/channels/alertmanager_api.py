"""Feeds an Alertmanager: `POST /api/v2/alerts` (openapi.yaml of 0.34). `url` is the full path.

Labels are the alert's identity there: a changed label is a new alert and a stale one. Kind,
severity, counts and the tenant may change while an incident lasts, so they are annotations.

An Alertmanager keeps no alert over a restart and forgets what it is not told again. So besides the
changes themselves, `notify.feed` repeats what still fires every minute with an end four minutes
ahead, and a resolution for a quarter of an hour with its fixed end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from analyzer.model import Incident, IncidentState
from analyzer.notify.channels.alertmanager import alert_annotations
from analyzer.notify.channels.incident import JsonObject
from analyzer.notify.channels.message import Addressee, Message, as_json, rfc3339
from analyzer.notify.event import Event, cut

HOLDS = timedelta(minutes=4)

NAME = "PartywallIncident"
"""The `alertname` of everything we feed."""


def render(event: Event, to: Addressee) -> Message | None:
    if event.incident is None:
        return None
    return Message(to.url, as_json([alert(event, event.incident, event.created_at)]))


def render_all(events: list[Event], to: Addressee, now: datetime) -> Message:
    """Everything that is to be said again, in one message."""
    told = [alert(event, event.incident, now) for event in events if event.incident is not None]
    return Message(to.url, as_json(told))


def alert(event: Event, incident: Incident, now: datetime) -> JsonObject:
    over = incident.state is IncidentState.RESOLVED
    ends = (incident.ended_at or event.at) if over else now + HOLDS
    return {
        "labels": {
            "alertname": NAME,
            "resource": cut(incident.resource),
            "incident": incident.id,
        },
        "annotations": {
            **alert_annotations(event),
            "kind": incident.kind.value,
            "tenant": ", ".join(cut(b.tenant, 80) for b in incident.finding.aggressors[:3]),
        },
        "startsAt": rfc3339(incident.started_at),
        "endsAt": rfc3339(ends),
        "generatorURL": event.url,
    }
