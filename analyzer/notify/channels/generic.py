"""Plain JSON in the manner of Standard Webhooks: `type`, `timestamp`, `data`."""

from __future__ import annotations

from analyzer.notify.channels.incident import envelope, subject
from analyzer.notify.channels.message import Addressee, Message, as_json
from analyzer.notify.event import Event, cut


def render(event: Event, to: Addressee) -> Message:
    return Message(
        to.url,
        as_json(
            {
                **envelope(event),
                "url": event.url,
                "data": {"reason": cut(event.reason, 1000), **subject(event)},
            }
        ),
    )
