"""Microsoft Teams: an Adaptive Card for a Workflows webhook ("Post to a channel when a webhook
request is received"). The old connectors are gone; a workflow answers 202 and takes 28 kB.

Names of tenants stand in `RichTextBlock`s, whose runs are plain text: a `TextBlock` would read
Markdown out of them. Cards of version 1.4, which every Teams client draws.
"""

from __future__ import annotations

from analyzer.model import Harm, Incident, IncidentState, Signal
from analyzer.notify.channels.incident import JsonObject
from analyzer.notify.channels.message import Addressee, Message, as_json
from analyzer.notify.event import Event, cut

SHOWN = 8
_COLOURS = {"page": "Attention", "ticket": "Warning"}


def render(event: Event, to: Addressee) -> Message:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [_title(event), _text(event.summary), *_details(event)],
        "actions": [{"type": "Action.OpenUrl", "title": "Open in Partywall", "url": event.url}],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return Message(to.url, as_json({"type": "message", "attachments": [attachment]}))


def _title(event: Event) -> JsonObject:
    incident = event.incident
    if incident is None:
        word, colour = event.type, "Default"
    elif incident.state is IncidentState.RESOLVED:
        word, colour = "Resolved", "Good"
    else:
        word = event.type.removeprefix("incident.").capitalize()
        colour = _COLOURS.get(incident.severity, "Default")
    test = "[TEST] " if event.test else ""
    return _text(test + word, size="Large", weight="Bolder", color=colour)


def _details(event: Event) -> list[JsonObject]:
    lines = _harms(event.incident, event.victims) if event.incident else []
    if event.decision is not None and event.reason:
        lines.append(event.reason)
    lines += [f"{key}: {value}" for key, value in event.facts[:10]]
    said = [_text(cut(line), spacing="Small") for line in lines]
    foot = _text(f"{event.id} · #{event.seq}", size="Small", isSubtle=True)
    return [*said, foot]


def _harms(incident: Incident, victims: int) -> list[str]:
    lines = [_line(harm) for harm in incident.finding.victims[:SHOWN]]
    if victims > len(lines):
        lines.append(f"… and {victims - len(lines)} more")
    sure = f"{incident.finding.confidence:.0%} sure · {incident.severity} · {incident.kind.value}"
    return [*lines, sure]


def _line(harm: Harm) -> str:
    name = cut(harm.tenant, 80)
    if harm.signal is Signal.ERRORS:
        return f"{name}: {harm.before_s:.1%} → {harm.during_s:.1%} errors"
    return f"{name}: {harm.before_s * 1000:.0f} → {harm.during_s * 1000:.0f} ms"


def _text(text: str, *, spacing: str = "Default", **run: object) -> JsonObject:
    """Plain text, however it looks: nothing in it is a link or a mention."""
    inline = {"type": "TextRun", "text": text, **run}
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [inline]}
