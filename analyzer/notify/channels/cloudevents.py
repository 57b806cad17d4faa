"""CloudEvents 1.0, structured mode (https://github.com/cloudevents/spec)."""

from __future__ import annotations

from analyzer.notify.channels.incident import envelope, subject
from analyzer.notify.channels.message import Addressee, Message, as_json, rfc3339
from analyzer.notify.event import Event, cut


def render(event: Event, to: Addressee) -> Message:
    document = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.links.base,
        "type": f"partywall.{event.type}",
        "subject": cut(event.lane, 200),
        "time": rfc3339(event.at),
        "datacontenttype": "application/json",
        "data": {**envelope(event), "reason": cut(event.reason), **subject(event)},
    }
    return Message(to.url, as_json(document), "application/cloudevents+json; charset=utf-8")
