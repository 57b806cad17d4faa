"""PagerDuty Events API v2: trigger, acknowledge, resolve; decisions as change events.

https://developer.pagerduty.com/docs/events-api-v2-overview; `dedup_key` is the incident's id, so
every message of one incident lands on one alert.
"""

from __future__ import annotations

from analyzer.model import Decision, Incident
from analyzer.notify.channels.incident import JsonObject, incident_object
from analyzer.notify.channels.message import Addressee, Message, as_json, rfc3339
from analyzer.notify.event import Event, cut
from analyzer.notify.sentence import TITLES

_ACTIONS = {
    "incident.opened": "trigger",
    "incident.updated": "trigger",
    "incident.reopened": "trigger",
    "incident.flapping": "trigger",
    "incident.escalated": "trigger",
    "incident.reminder": "trigger",
    "incident.acknowledged": "acknowledge",
    "incident.resolved": "resolve",
    "digest.opened": "trigger",
    "digest.over": "resolve",
    "test.ping": "trigger",
}
_SEVERITIES = {"page": "critical", "ticket": "warning"}


def render(event: Event, to: Addressee) -> Message | None:
    if event.decision is not None:
        change = _change(event, event.decision, to.routing_key)
        return Message(_change_url(to.url), as_json(change))
    action = _ACTIONS.get(event.type)
    if action is None:
        return None
    document: JsonObject = {
        "routing_key": to.routing_key,
        "event_action": action,
        "dedup_key": cut(event.incident.id if event.incident else event.lane, 255),
        "client": "Partywall",
        "client_url": event.url,
        "payload": _payload(event, event.incident),
        "links": [{"href": event.url, "text": "Evidence"}],
    }
    return Message(to.url, as_json(document))


def _payload(event: Event, incident: Incident | None) -> JsonObject:
    common = {"summary": cut(event.summary, 1024), "timestamp": rfc3339(event.at)}
    if incident is None:
        return {**common, "source": "partywall", "severity": "info"}
    return {
        **common,
        "source": cut(incident.resource),
        "severity": _SEVERITIES.get(incident.severity, "warning"),
        "component": cut(incident.resource),
        "class": TITLES[incident.kind],
        "custom_details": incident_object(incident, event.victims, event.links),
    }


def _change(event: Event, decision: Decision, routing_key: str) -> JsonObject:
    return {
        "routing_key": routing_key,
        "payload": {
            "summary": cut(event.summary, 1024),
            "timestamp": rfc3339(event.at),
            "source": cut(decision.resource),
            "custom_details": {"tenant": cut(decision.tenant), "state": decision.state.value},
        },
        "links": [{"href": event.url, "text": "Decision"}],
    }


def _change_url(url: str) -> str:
    return url.removesuffix("/enqueue") + "/change/enqueue"
