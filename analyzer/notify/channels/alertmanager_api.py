"""Feeds an Alertmanager: `POST /api/v2/alerts` (openapi.yaml of 0.34). `url` is the full path.

Labels are the alert's identity there: a changed label is a new alert and a stale one. Kind,
severity, counts and the tenant may change while an incident lasts, so they are annotations.
"""

from __future__ import annotations

from datetime import timedelta

from analyzer.model import IncidentState
from analyzer.notify.channels.alertmanager import alert_annotations
from analyzer.notify.channels.message import Addressee, Message, as_json, rfc3339
from analyzer.notify.event import Event, cut

HOLDS = timedelta(hours=24)
"""How long an alert fires without word from us. Alertmanager forgets an alert it is not sent
again; the resolution ends it early."""


def render(event: Event, to: Addressee) -> Message | None:
    incident = event.incident
    if incident is None or event.decision is not None:
        return None
    over = incident.state is IncidentState.RESOLVED
    ends = (incident.ended_at or event.at) if over else event.created_at + HOLDS
    alert = {
        "labels": {
            "alertname": "PartywallIncident",
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
    return Message(to.url, as_json([alert]))
