"""Receivers that judge what they get as strictly as the real ones document it, on loopback ports.

Each answers like its model: PagerDuty 202 with the dedup key or 400 with `errors`; Slack `ok` or
words; Slack's API always 200 with `ok`; a Teams workflow 202 with nothing. What was refused stands
in `refused`, so a test need not guess.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from partywall import ports

Reply = tuple[int, dict[str, str], bytes]
PAGERDUTY_KEY = "R0UT1NGKEY0123456789abcdefghijkl"
BOT_TOKEN = "xoxb-1234567890-abcdefghij"
CHANNEL = "C0123456789"


class Refused(Exception):
    """The real one would not take it, with these words."""


def need(true: object, words: str) -> None:
    if not true:
        raise Refused(words)


def text_of(holder: Mapping[str, Any], key: str, most: int, *, least: int = 1) -> str:
    value = holder.get(key)
    need(isinstance(value, str), f"{key} must be a string")
    assert isinstance(value, str)
    need(least <= len(value) <= most, f"{key} must have {least} to {most} characters")
    return value


def only(holder: Mapping[str, Any], *keys: str) -> None:
    need(set(holder) <= set(keys), f"unknown keys {sorted(set(holder) - set(keys))}")


@dataclass
class Fake:
    """`taken` is what it accepted, in order; `limits` are answers to give before it works."""

    url: str = ""
    taken: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    limits: list[Reply] = field(default_factory=list)

    def reply(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        raise NotImplementedError


class PagerDuty(Fake):
    """Events API v2. `alerts` are the open ones by dedup key."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: dict[str, str] = {}
        self.changes: list[dict[str, Any]] = []

    def reply(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        try:
            need(len(body) <= 512 * 1024, "the event is larger than 512 KB")
            need(headers["content-type"].startswith("application/json"), "content type")
            given = json.loads(body)
            need(len(given.get("routing_key", "")) == 32, "routing_key must have 32 characters")
            if path == "/v2/change/enqueue":
                self._change(given)
            else:
                need(path == "/v2/enqueue", f"no such path {path}")
                self._event(given)
        except Refused as refused:
            self.refused.append(str(refused))
            said = {"status": "invalid event", "errors": [str(refused)]}
            return 400, {}, json.dumps(said).encode()
        self.taken.append(given)
        said = {"status": "success", "message": "Event processed"}
        return 202, {}, json.dumps({**said, "dedup_key": given.get("dedup_key")}).encode()

    def _event(self, given: dict[str, Any]) -> None:
        only(
            given,
            *("routing_key", "event_action", "dedup_key", "payload", "images", "links", "client"),
            "client_url",
        )
        key = text_of(given, "dedup_key", 255)
        action = given["event_action"]
        need(action in ("trigger", "acknowledge", "resolve"), f"event_action {action}")
        _links(given)
        if action == "trigger":
            _payload(given.get("payload"))
            self.alerts[key] = "triggered"
        elif action == "acknowledge" and key in self.alerts:
            self.alerts[key] = "acknowledged"
        elif action == "resolve":
            self.alerts.pop(key, None)

    def _change(self, given: dict[str, Any]) -> None:
        only(given, "routing_key", "payload", "links", "images")
        payload = given["payload"]
        only(payload, "summary", "timestamp", "source", "custom_details")
        text_of(payload, "summary", 1024)
        _links(given)
        self.changes.append(payload)


def _payload(payload: Any) -> None:
    need(isinstance(payload, dict), "payload is missing")
    only(
        payload,
        *("summary", "source", "severity", "timestamp", "component", "group", "class"),
        "custom_details",
    )
    text_of(payload, "summary", 1024)
    text_of(payload, "source", 1024)
    severity = payload["severity"]
    need(severity in ("critical", "error", "warning", "info"), f"severity {severity}")
    datetime.fromisoformat(payload["timestamp"])
    need(isinstance(payload.get("custom_details", {}), dict), "custom_details is no object")


def _links(given: dict[str, Any]) -> None:
    for link in given.get("links", []):
        only(link, "href", "text")
        need(link["href"].startswith(("http://", "https://")), "href is no URL")


class Slack(Fake):
    """An incoming webhook under `/services/…` and the two methods of a bot under `/api`."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}
        self.replies: list[dict[str, Any]] = []

    def reply(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        plain = {"Content-Type": "text/plain"}
        try:
            given = json.loads(body)
            _message(given)
            if not path.startswith("/api/"):
                need(path.startswith("/services/"), "no_service")
                only(given, "text", "blocks")
                self.taken.append(given)
                return 200, plain, b"ok"
            need(headers.get("authorization") == f"Bearer {BOT_TOKEN}", "invalid_auth")
            need(given["channel"] == CHANNEL, "channel_not_found")
            answer = self._method(path.removeprefix("/api/"), given)
        except Refused as refused:
            self.refused.append(str(refused))
            if path.startswith("/api/"):
                return 200, {}, json.dumps({"ok": False, "error": str(refused)}).encode()
            return 400, plain, str(refused).encode()
        self.taken.append(given)
        return 200, {}, json.dumps({"ok": True, "channel": CHANNEL, **answer}).encode()

    def _method(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        if method == "chat.update":
            need(given["ts"] in self.messages, "message_not_found")
            only(given, "channel", "ts", "text", "blocks")
            self.messages[given["ts"]] = given
            return {"ts": given["ts"], "text": given["text"], "message": given}
        need(method == "chat.postMessage", "unknown_method")
        only(
            given,
            *("channel", "text", "blocks", "thread_ts", "reply_broadcast", "unfurl_links"),
            "unfurl_media",
        )
        ts = f"{1763640000 + len(self.messages) + len(self.replies)}.000100"
        if "thread_ts" in given:
            need(given["thread_ts"] in self.messages, "thread_not_found")
            self.replies.append(given)
        else:
            self.messages[ts] = given
        return {"message": given, "ts": ts}


def _message(given: dict[str, Any]) -> None:
    text_of(given, "text", 40_000)
    blocks = given.get("blocks", [])
    need(len(blocks) <= 50, "invalid_blocks")
    for block in blocks:
        if block["type"] == "section":
            only(block, "type", "text")
            need(block["text"]["type"] == "mrkdwn", "invalid_blocks")
            text_of(block["text"], "text", 3000)
        else:
            need(block["type"] == "context", "invalid_blocks")
            need(1 <= len(block["elements"]) <= 10, "invalid_blocks")
            for element in block["elements"]:
                text_of(element, "text", 3000)


class Teams(Fake):
    """A workflow that posts an Adaptive Card: 202, or 400 with the words of Power Automate."""

    def reply(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        try:
            need(len(body) <= 28 * 1024, "RequestEntityTooLarge")
            given = json.loads(body)
            only(given, "type", "attachments")
            need(given["type"] == "message", "type must be message")
            (attachment,) = given["attachments"]
            need(
                attachment["contentType"] == "application/vnd.microsoft.card.adaptive",
                "contentType",
            )
            need(attachment.get("contentUrl", 0) is None, "contentUrl must be null")
            _card(attachment["content"])
        except Refused as refused:
            self.refused.append(str(refused))
            return 400, {}, json.dumps({"error": {"message": str(refused)}}).encode()
        self.taken.append(given)
        return 202, {}, b""


_RUN = {
    "color": ("Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"),
    "size": ("Default", "Small", "Medium", "Large", "ExtraLarge"),
    "weight": ("Default", "Lighter", "Bolder"),
    "isSubtle": (True, False),
}
_SPACING = ("Default", "None", "Small", "Medium", "Large", "ExtraLarge", "Padding")


def _card(card: dict[str, Any]) -> None:
    only(card, "$schema", "type", "version", "msteams", "body", "actions")
    need(card["type"] == "AdaptiveCard", "type")
    need(tuple(map(int, card["version"].split("."))) <= (1, 5), "version")
    for element in card["body"]:
        need(element["type"] == "RichTextBlock", "only plain text, no Markdown")
        only(element, "type", "inlines", "spacing")
        need(element.get("spacing", "Default") in _SPACING, "spacing")
        for run in element["inlines"]:
            need(run["type"] == "TextRun" and run["text"], "TextRun")
            only(run, "type", "text", *_RUN)
            for key, values in _RUN.items():
                need(run.get(key, values[0]) in values, key)
    need(len(card["actions"]) <= 6, "actions")
    for action in card["actions"]:
        need(action["type"] == "Action.OpenUrl" and action["title"], "Action.OpenUrl")
        need(action["url"].startswith(("http://", "https://")), "url")


class Plain(Fake):
    """Takes any JSON object (or array) of at most 20 kB."""

    def reply(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        if len(body) > 20_000:
            self.refused.append("larger than 20 kB")
            return 413, {}, b""
        given = json.loads(body)
        self.taken.append(given if isinstance(given, dict) else {"alerts": given})
        return 200, {}, b"ok"


@contextmanager
def serving(fake: Fake, path: str = "/") -> Iterator[Fake]:
    """The fake on a loopback port; `limits` are answered first, in their order."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            fake.headers.append(headers)
            if fake.limits:
                status, more, said = fake.limits.pop(0)
            else:
                status, more, said = fake.reply(self.path, headers, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(said)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """What a mail server took; `answers` are given to the next messages instead of taking them."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    strangers: tuple[str, ...] = ()
    logins: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.strangers:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        self.raw.append(envelope.original_content)
        mail = message_from_bytes(envelope.original_content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        return "250 OK"

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        right = data.password == b"mailpassword"
        if right:
            self.logins.append(data.login.decode())
        return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(
    *, scheme: str = "smtp", tls: Any = None, need_login: bool = False
) -> Iterator[Mailbox]:
    """aiosmtpd on a loopback port: plain, with STARTTLS (`tls` given) or all TLS (`smtps`)."""
    box = Mailbox()
    options: dict[str, Any] = {"ssl_context": tls} if scheme == "smtps" else {"tls_context": tls}
    if need_login:
        # aiosmtpd counts only STARTTLS as TLS.
        inside = scheme == "smtps"
        options |= {
            "authenticator": box.login,
            "auth_required": True,
            "auth_require_tls": not inside,
        }
    controller = Controller(box, hostname="127.0.0.1", port=ports.free_port(), **options)
    controller.start()
    box.url = f"{scheme}://127.0.0.1:{controller.port}"
    try:
        yield box
    finally:
        controller.stop()


FAKES: dict[str, tuple[Callable[[], Fake], str]] = {
    "alertmanager": (Plain, "/hook"),
    "alertmanager_api": (Plain, "/api/v2/alerts"),
    "cloudevents": (Plain, "/events"),
    "json": (Plain, "/hook"),
    "pagerduty": (PagerDuty, "/v2/enqueue"),
    "slack": (Slack, "/services/T0000/B0000/x"),
    "teams": (Teams, "/workflows/0123456789abcdef/triggers/manual/paths/invoke"),
}
"""Format: the fake of its receiver and the path it listens on."""
