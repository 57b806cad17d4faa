"""Alertmanager's webhook body, version 4, with our `incident` beside it: the default.

Anything that reads Alertmanager webhooks reads this. Alertmanager's own keys have its exact names
(template.Data of 0.34); ours are added next to them: `type`, `timestamp`, `id`, `seq`, `test`,
`summary`, `incident`, `decision`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from analyzer.model import IncidentState
from analyzer.notify.channels.incident import JsonObject, envelope, subject
from analyzer.notify.channels.message import Addressee, Message, as_json, rfc3339
from analyzer.notify.event import Event, cut
from analyzer.notify.sentence import TITLES

NO_END = "0001-01-01T00:00:00Z"
"""How Alertmanager writes the end of an alert that still fires."""

_REASONS = {
    "incident.opened": "first notification",
    "incident.reminder": "repeat interval elapsed",
    "incident.escalated": "repeat interval elapsed",
    "incident.resolved": "all alerts resolved",
}


def render(event: Event, to: Addressee) -> Message:
    return Message(to.url, as_json(document(event, to.name)))


def document(event: Event, receiver: str) -> JsonObject:
    """The whole body."""
    labels, annotations = alert_labels(event), alert_annotations(event)
    # The kind, the tenant and so the alert's name may change; what it is grouped by must not.
    group = {"incident": cut(event.lane, 200)}
    return {
        "version": "4",
        "groupKey": "{}:{" + ", ".join(f"{k}={json.dumps(v)}" for k, v in group.items()) + "}",
        "truncatedAlerts": 0,
        "status": _status(event),
        "receiver": receiver,
        "notification_reason": _REASONS.get(event.type, "new alerts added"),
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "routeLabels": {},
        "externalURL": event.links.base,
        "alerts": [
            {
                "status": _status(event),
                "labels": labels,
                "annotations": annotations,
                "startsAt": rfc3339(_starts(event)),
                "endsAt": _ends(event),
                "generatorURL": event.url,
                "fingerprint": hashlib.sha256(event.lane.encode()).hexdigest()[:16],
            }
        ],
        **envelope(event),
        **subject(event),
    }


def alert_labels(event: Event) -> dict[str, str]:
    """What the alert is. Nothing that changes while it lasts may stand here."""
    if event.incident is not None:
        incident = event.incident
        labels = {"alertname": TITLES[incident.kind], "resource": cut(incident.resource)}
        if incident.finding.aggressors:
            labels["tenant"] = cut(incident.finding.aggressors[0].tenant)
        return labels
    if event.decision is not None:
        return {
            "alertname": "PartywallDecision",
            "resource": cut(event.decision.resource),
            "tenant": cut(event.decision.tenant),
        }
    return {"alertname": "Partywall", "event": event.type}


def alert_annotations(event: Event) -> dict[str, str]:
    """What is said about it now."""
    found = {"summary": event.summary, "description": cut(event.reason, 1000), "url": event.url}
    if event.incident is not None:
        found["severity"] = event.incident.severity
        found["incident_url"] = event.links.incident(event.incident.id)
        found["victims"] = str(event.victims)
    return found


def _status(event: Event) -> str:
    over = event.incident is not None and event.incident.state is IncidentState.RESOLVED
    return "resolved" if over else "firing"


def _starts(event: Event) -> datetime:
    return event.incident.started_at if event.incident is not None else event.at


def _ends(event: Event) -> str:
    if event.incident is not None:
        if _status(event) == "firing":
            return NO_END
        return rfc3339(event.incident.ended_at or event.at)
    # Nothing but an incident is ever resolved: everything else says its end at once.
    return rfc3339(event.decision.expires_at if event.decision is not None else event.at)
