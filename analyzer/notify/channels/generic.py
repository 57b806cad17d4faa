"""Plain JSON in the manner of Standard Webhooks: `type`, `timestamp`, `data`; or the operator's own
template over the same data."""

from __future__ import annotations

from analyzer.notify.channels.incident import JsonObject, envelope, subject
from analyzer.notify.channels.message import Addressee, Message, Options, as_json
from analyzer.notify.channels.template import TemplateFailed, check, fill
from analyzer.notify.event import Event, cut


def render(event: Event, to: Addressee) -> Message:
    if not to.options.template:
        return Message(to.url, as_json(_document(event)))
    try:
        return Message(to.url, fill(to.options.template, data(event)))
    except TemplateFailed as wrong:
        note = f"template: {wrong}; the default body was sent"
        return Message(to.url, as_json(_document(event)), note=cut(note))


def problems(options: Options, token: str) -> list[str]:  # noqa: ARG001
    """What is wrong with the template, as `key: what, remedy`."""
    wrong = check(options.template) if options.template else ""
    return [f"template: {wrong}"] if wrong else []


def data(event: Event) -> JsonObject:
    """What a template may name. All names are always there; `incident` may be none."""
    parts = subject(event)
    return {
        **envelope(event),
        "url": event.url,
        "reason": cut(event.reason, 1000),
        "incident": parts.get("incident"),
        "decision": parts.get("decision"),
        "facts": parts.get("facts", {}),
    }


def _document(event: Event) -> JsonObject:
    return {
        **envelope(event),
        "url": event.url,
        "data": {"reason": cut(event.reason, 1000), **subject(event)},
    }
