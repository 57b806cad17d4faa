"""Slack incoming webhook: a text that stands alone and a few blocks, victims cut to eight."""

from __future__ import annotations

from analyzer.model import Harm, Incident, IncidentState, Signal
from analyzer.notify.channels.incident import JsonObject
from analyzer.notify.channels.message import Addressee, Message, as_json
from analyzer.notify.event import Event, cut

SHOWN = 8
SECTION = 2900
"""Slack takes 3,000 characters in a section."""


def render(event: Event, to: Addressee) -> Message:
    test = "[TEST] " if event.test else ""
    blocks = [_section(f"*{test}{_mark(event)}* {_escaped(event.summary)}")]
    if event.incident is not None:
        blocks += _details(event.incident, event.victims)
    elif event.reason:
        blocks.append(_section(_escaped(event.reason)))
    blocks.append(_context(f"<{event.url}|Open in Partywall> · {event.id} · #{event.seq}"))
    text = cut(f"{test}{_mark(event)} {_escaped(event.summary)}", SECTION)
    return Message(to.url, as_json({"text": text, "blocks": blocks}))


def _mark(event: Event) -> str:
    if event.incident is None:
        return event.type
    if event.incident.state is IncidentState.RESOLVED:
        return "Resolved"
    return event.type.removeprefix("incident.").capitalize()


def _details(incident: Incident, victims: int) -> list[JsonObject]:
    lines = [_line(harm) for harm in incident.finding.victims[:SHOWN]]
    if victims > len(lines):
        lines.append(f"… and {victims - len(lines)} more")
    sure = f"{incident.finding.confidence:.0%} sure · {incident.severity} · {incident.kind.value}"
    return [_section("\n".join(lines))] * bool(lines) + [_context(sure)]


def _line(harm: Harm) -> str:
    if harm.signal is Signal.ERRORS:
        return (
            f"• {_escaped(cut(harm.tenant, 80))}: {harm.before_s:.1%} → {harm.during_s:.1%} errors"
        )
    before, during = harm.before_s * 1000, harm.during_s * 1000
    return f"• {_escaped(cut(harm.tenant, 80))}: {before:.0f} → {during:.0f} ms"


def _section(text: str) -> JsonObject:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION)}}


def _context(text: str) -> JsonObject:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(text, SECTION)}]}


def _escaped(text: str) -> str:
    """Slack's three control characters; a tenant's name must not mention @channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
