"""Slack: a text that stands alone and a few blocks, victims cut to eight.

With an incoming webhook every event is a message of its own. With a bot token (`chat:write`) an
incident has one message, written by `chat.postMessage` and edited by `chat.update`; where it stands
(channel and time) is the thread of the lane.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from analyzer.model import Harm, Incident, IncidentState, Signal
from analyzer.notify.channels.incident import JsonObject
from analyzer.notify.channels.message import FORGET, Addressee, Message, Options, as_json
from analyzer.notify.event import Event, cut
from analyzer.notify.wire.answer import Answer

SHOWN = 8
SECTION = 2900
"""Slack takes 3,000 characters in a section."""

_STATUS = {
    **dict.fromkeys(("ratelimited", "rate_limited", "message_limit_exceeded"), 429),
    **dict.fromkeys(
        (
            *("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"),
            *("missing_scope", "no_permission", "access_denied", "channel_not_found"),
            *("not_in_channel", "is_archived", "restricted_action", "ekm_access_denied"),
        ),
        403,
    ),
    **dict.fromkeys(
        ("invalid_blocks", "invalid_blocks_format", "msg_too_long", "no_text", "invalid_arguments"),
        400,
    ),
}
"""Slack's own words for no (it answers 200 with them), in the numbers of HTTP; others: 503."""

_GONE = ("message_not_found", "cant_update_message", "edit_window_closed", "is_inactive")
"""The message cannot be edited any more: the next try writes a new one."""

_LOUD = ("incident.escalated", "incident.reminder")


def render(event: Event, to: Addressee) -> Message:
    test = "[TEST] " if event.test else ""
    blocks = [_section(f"*{test}{_mark(event)}* {_escaped(event.summary)}")]
    if event.incident is not None:
        blocks += _details(event.incident, event.victims)
    elif event.reason:
        blocks.append(_section(_escaped(event.reason)))
    blocks.append(_context(f"<{event.url}|Open in Partywall> · {event.id} · #{event.seq}"))
    text = cut(f"{test}{_mark(event)} {_escaped(event.summary)}", SECTION)
    body: JsonObject = {"text": text, "blocks": blocks}
    if not to.token:
        return Message(to.url, as_json(body))
    return _by_bot(event, to, body)


def _by_bot(event: Event, to: Addressee, body: JsonObject) -> Message:
    """What an incident became edits its message, in silence. A decision answers in its thread; a
    reminder or an escalation must be heard, so it answers and is shown in the channel as well."""
    channel, _, ts = to.thread.partition(":")
    base = to.url.rstrip("/")
    quiet = {"unfurl_links": False, "unfurl_media": False}
    loud = event.type in _LOUD
    if ts and event.incident is not None and not loud:
        edit = as_json({"channel": channel, "ts": ts, **body})
        return Message(f"{base}/chat.update", edit, token=to.token)
    place: JsonObject = {"channel": to.options.channel, **quiet}
    if ts:
        place = {"channel": channel, "thread_ts": ts, "reply_broadcast": loud, **quiet}
    begins = not ts and event.incident is not None
    post = as_json({**place, **body})
    return Message(f"{base}/chat.postMessage", post, token=to.token, begins=begins)


def problems(options: Options, token: str) -> list[str]:
    """What is missing or wrong, as `key: what, remedy`."""
    if token and not options.channel:
        return ["channel: missing, a bot token needs the channel's id such as C0123456789"]
    if options.channel and not token:
        return ["token: missing, a channel needs the bot token (xoxb-…)"]
    return []


def understood(answer: Answer, message: Message) -> Answer:
    """`{"ok": true, "channel": …, "ts": …}`, or 200 with an error in words."""
    if not message.token or answer.status is None or not 200 <= answer.status < 300:
        return answer
    said = _object(answer.body)
    if said.get("ok") is True:
        place = f"{said.get('channel', '')}:{said.get('ts', '')}"
        return replace(answer, thread=cut(place, 200) if message.begins else "")
    error = str(said.get("error", "an answer that is no JSON"))[:100]
    if error in _GONE:
        return replace(answer, status=503, error=f"slack says {error}", thread=FORGET)
    return replace(answer, status=_STATUS.get(error, 503), error=f"slack says {error}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


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
