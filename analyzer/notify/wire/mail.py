"""The way out for mails: one message over SMTP, to the address the guard checked.

`smtps://` speaks TLS from the first byte. `smtp://` asks for STARTTLS and uses it whenever it is
offered; without it nothing goes to a public server, and a password goes nowhere.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

from analyzer.notify.channels.message import Mail, Message
from analyzer.notify.wire.answer import Answer
from analyzer.notify.wire.guard import Guard

_PORTS = {"smtp": 587, "smtps": 465}
_REFUSED_LOGIN = (530, 534, 535, 538)


def send_mail(
    message: Message, mail: Mail, guarded: Guard, tls: ssl.SSLContext, *, connect_s: float,
    deadline: float,
) -> Answer:  # fmt: skip
    """Hand the mail in. The answer's status is as HTTP would say it, its error as SMTP did.

    Raises BlockedError, and OSError when nobody answers.
    """
    parts = urlsplit(message.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    server = _server(parts.scheme, guarded, tls, max(min(connect_s, _left(deadline)), 0.1))
    watch = threading.Timer(_left(deadline), _cut, [server])
    watch.daemon = True
    try:
        watch.start()
        code, greeting = server.connect(host, port)
        if code != 220:
            return _failed(smtplib.SMTPConnectError(code, greeting))
        if server.sock is not None:
            server.sock.settimeout(max(_left(deadline), 0.1))
        _secure(server, parts.scheme, mail, guarded, tls)
        refused = server.sendmail(mail.sender, list(mail.recipients), message.body)
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    except smtplib.SMTPException as failed:
        return _failed(failed)
    finally:
        watch.cancel()
        server.close()
    said = "; ".join(f"{who}: {_words(answer)}" for who, answer in refused.items())
    return Answer(250, error=f"not taken for {said}" if said else "")


class _Pinned(smtplib.SMTP):
    """Connects to the checked address; the name stays for the TLS handshake."""

    guarded: Guard

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        self._host = host  # what TLS must find in the certificate
        return socket.create_connection((self.guarded.address(host, port), port), timeout)

    @property
    def peer(self) -> str:
        """The address we are connected to."""
        return str(self.sock.getpeername()[0]) if self.sock is not None else ""


class _PinnedTls(smtplib.SMTP_SSL, _Pinned):
    """The same, with TLS from the first byte."""


def _server(scheme: str, guarded: Guard, tls: ssl.SSLContext, timeout: float) -> _Pinned:
    name = "partywall"
    server = (
        _PinnedTls(local_hostname=name, timeout=timeout, context=tls)
        if scheme == "smtps"
        else _Pinned(local_hostname=name, timeout=timeout)
    )
    server.guarded = guarded
    return server


def _secure(server: _Pinned, scheme: str, mail: Mail, guarded: Guard, tls: ssl.SSLContext) -> None:
    server.ehlo()
    safe = scheme == "smtps"
    if not safe and server.has_extn("starttls"):
        server.starttls(context=tls)
        server.ehlo()
        safe = True
    if not safe and (mail.username or not guarded.is_listed(server.peer)):
        raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS: nothing was sent")
    if mail.username:
        server.login(mail.username, mail.password)


def _failed(failed: smtplib.SMTPException) -> Answer:
    """SMTP's answers in the numbers of HTTP: 4yz is come again, 5yz is never."""
    if isinstance(failed, smtplib.SMTPNotSupportedError):
        return Answer(401, error=str(failed))
    if isinstance(failed, smtplib.SMTPRecipientsRefused):
        answers = failed.recipients
        later = any(400 <= code < 500 for code, _ in answers.values())
        said = "; ".join(f"{who}: {_words(answer)}" for who, answer in answers.items())
        return Answer(503 if later else 422, error=f"no recipient was taken: {said}")
    if isinstance(failed, smtplib.SMTPResponseException):
        code, said = failed.smtp_code, _words((failed.smtp_code, failed.smtp_error))
        if isinstance(failed, smtplib.SMTPAuthenticationError) or code in _REFUSED_LOGIN:
            return Answer(401, error=said)
        return Answer(422 if 500 <= code < 600 else 503, error=said)
    return Answer(None, error=f"{type(failed).__name__}: {failed}".rstrip(": "))


def _words(answer: tuple[int, bytes | str]) -> str:
    code, said = answer
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())}"


def _cut(server: _Pinned) -> None:
    """Time is up, however slowly the other side drips."""
    if server.sock is not None:
        with suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
