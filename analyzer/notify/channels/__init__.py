"""How one event reads for one kind of receiver: a file each, all of one shape.

`render(event, to)` is pure: the same event gives the same bytes on every retry and replay. None
means this receiver has no use for the event; the delivery is then marked skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analyzer.notify.channels import (
    alertmanager,
    alertmanager_api,
    cloudevents,
    email,
    generic,
    pagerduty,
    slack,
    teams,
)
from analyzer.notify.channels.message import MAX_BODY, Addressee, Message, Options
from analyzer.notify.event import Event, fewer_victims
from analyzer.notify.wire.answer import Answer

HTTP = ("https", "http")


def _nothing(options: Options, token: str) -> list[str]:  # noqa: ARG001
    return []


@dataclass(frozen=True, slots=True)
class Channel:
    """A format. `supersedes`: a stale opening may be dropped once its resolution is queued.

    `schemes` are what its addresses begin with; `problems` judges its options, as `key: what,
    remedy`; `understood` reads the receiver's own way to say no and the name of what it made (a
    thread) out of the answer; `a_second` is how many messages an address takes (None: any).
    """

    render: Callable[[Event, Addressee], Message | None]
    supersedes: bool = False
    schemes: tuple[str, ...] = HTTP
    problems: Callable[[Options, str], list[str]] = _nothing
    understood: Callable[[Answer, Message], Answer] | None = None
    a_second: float | None = None


CHANNELS: Mapping[str, Channel] = {
    "alertmanager": Channel(alertmanager.render),
    "alertmanager_api": Channel(alertmanager_api.render),
    "cloudevents": Channel(cloudevents.render),
    "email": Channel(email.render, schemes=("smtps", "smtp"), problems=email.problems),
    "json": Channel(generic.render, problems=generic.problems),
    "pagerduty": Channel(pagerduty.render, supersedes=True),
    "slack": Channel(
        slack.render,
        supersedes=True,
        problems=slack.problems,
        understood=slack.understood,
        a_second=1.0,
    ),
    "teams": Channel(teams.render, supersedes=True, a_second=1.0),
}


def render(event: Event, to: Addressee, style: str) -> Message | None:
    """The message of a format, with as many victims as fit into `MAX_BODY`."""
    smaller: Event | None = event
    while smaller is not None:
        event = smaller
        message = CHANNELS[style].render(event, to)
        if message is None or len(message.body) <= MAX_BODY:
            return message
        smaller = fewer_victims(event)
    return message
