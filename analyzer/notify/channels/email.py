"""A mail, as text and as HTML: `smtps://host:465`, or `smtp://host:587` with STARTTLS.

The same event gives the same bytes on every try: `Message-ID` is the event's id, the boundary is
made of it and the date is the event's. All mails of an incident name it in `References`, so that
mail programs show them as one conversation.
"""

from __future__ import annotations

import html
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from analyzer.model import Harm, IncidentState, Signal
from analyzer.notify.channels.message import Addressee, Mail, Message, Options
from analyzer.notify.event import Event, cut
from analyzer.notify.sentence import TITLES

_STYLE = "font-family:sans-serif;max-width:40em"
_CELL = "padding:.2em 1em .2em 0;text-align:left"


def render(event: Event, to: Addressee) -> Message:
    options = to.options
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(options.sender)
    mail["To"] = [_address(each) for each in options.recipients]
    mail["Subject"] = _subject(event)
    mail["Date"] = format_datetime(event.created_at)
    place = urlsplit(event.links.base).hostname or "partywall"
    mail["Message-ID"] = f"<{event.id}@{place}>"
    if event.incident is not None:
        mail["References"] = f"<{_one_line(event.incident.id)}@{place}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Partywall-Event"] = event.type
    mail.set_content(_plain(event), cte="quoted-printable")
    mail.add_alternative(_html(event), subtype="html", cte="quoted-printable")
    mail.set_boundary(f"partywall-{event.id}")
    envelope = Mail(
        parseaddr(options.sender)[1],
        tuple(parseaddr(each)[1] for each in options.recipients),
        options.username,
        to.token,
    )
    return Message(to.url, mail.as_bytes(), "message/rfc822", mail=envelope)


def _subject(event: Event) -> str:
    """`[Partywall] Resolved: NoisyNeighbour on db:shard-3 (INC-1)`."""
    test = "[TEST] " if event.test else ""
    incident = event.incident
    if incident is None:
        return cut(_one_line(f"[Partywall] {test}{event.summary}"), 180)
    over = incident.state is IncidentState.RESOLVED
    word = "resolved" if over else event.type.removeprefix("incident.")
    what = f"{TITLES[incident.kind]} on {cut(incident.resource, 80)} ({incident.id})"
    return _one_line(f"[Partywall] {test}{word.capitalize()}: {what}")


def problems(options: Options, token: str) -> list[str]:
    """What is missing or wrong, as `key: what, remedy`."""
    found = []
    sender = (options.sender,) if options.sender else ()
    for key, given in (("sender", sender), ("recipients", options.recipients)):
        wrong = [each for each in given if not _is_address(each)]
        if wrong or not given:
            shown = f"{cut(wrong[0], 60)!r} is no mail address" if wrong else "missing"
            found.append(f"{key}: {shown}, write name@example.com")
    if bool(options.username) != bool(token):
        found.append("token: username and token (the password) belong together, give both")
    return found


def _is_address(text: str) -> bool:
    _, address = parseaddr(text)
    name, _, host = address.rpartition("@")
    plain = address.isascii() and text.isprintable() and " " not in address
    return plain and bool(name and host)


def _address(text: str) -> Address:
    name, address = parseaddr(text)
    return Address(display_name=_one_line(name), addr_spec=address)


def _rows(event: Event) -> list[tuple[str, str]]:
    """What the mail says besides its sentence, as label and value."""
    rows = [("Why", event.reason)] if event.reason else []
    if event.incident is not None:
        finding = event.incident.finding
        rows += [
            ("Resource", event.incident.resource),
            ("Severity", event.incident.severity),
            ("Sure", f"{finding.confidence:.0%}"),
            ("Victims", str(event.victims)),
            *((cut(harm.tenant, 80), _felt(harm)) for harm in finding.victims),
        ]
    return [*rows, *event.facts[:20]]


def _felt(harm: Harm) -> str:
    if harm.signal is Signal.ERRORS:
        return f"{harm.before_s:.1%} → {harm.during_s:.1%} errors"
    return f"{harm.before_s * 1000:.0f} → {harm.during_s * 1000:.0f} ms"


def _plain(event: Event) -> str:
    lines = [_one_line(event.summary), ""]
    lines += [f"{_one_line(key)}: {_one_line(value)}" for key, value in _rows(event)]
    return _sound("\n".join([*lines, "", event.url, f"-- \n{event.id} #{event.seq}", ""]))


def _html(event: Event) -> str:
    def safe(text: str) -> str:
        return html.escape(_one_line(text))

    rows = "".join(
        f'<tr><th style="{_CELL}">{safe(key)}</th><td style="{_CELL}">{safe(value)}</td></tr>\n'
        for key, value in _rows(event)
    )
    return _sound(
        f'<!doctype html><html><body style="{_STYLE}">\n<p>{safe(event.summary)}</p>\n'
        f"<table>\n{rows}</table>\n"
        f'<p><a href="{html.escape(event.url)}">Open in Partywall</a></p>\n'
        f"<p><small>{safe(event.id)} #{event.seq}</small></p>\n</body></html>\n"
    )


def _one_line(text: str) -> str:
    """Without line breaks and control characters: a name must not write headers."""
    kept = "".join(c if c.isprintable() else " " for c in _sound(text))
    return " ".join(kept.split())


def _sound(text: str) -> str:
    """Half a surrogate pair is no character."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
