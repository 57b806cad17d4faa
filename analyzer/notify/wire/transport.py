"""The way out: one POST over a guarded connection, within one deadline for the whole exchange.

httpcore rather than httpx: we need its network layer (to pin the checked address and to bound a
receiver that drips its answer), and nothing of redirects, cookies, proxies or the environment.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Protocol

import httpcore

from analyzer.notify.channels.message import Mail, Message
from analyzer.notify.settings import NotifySettings
from analyzer.notify.wire.answer import Answer
from analyzer.notify.wire.guard import BlockedError, Guard, guard
from analyzer.notify.wire.mail import send_mail


class Transport(Protocol):
    """Sends one message; never raises for what the other side does."""

    def send(self, message: Message, headers: Mapping[str, str]) -> Answer: ...


class HttpTransport:
    """The real one. Every send opens its own connection, so each is checked anew."""

    def __init__(
        self,
        settings: NotifySettings,
        *,
        guarded: Guard | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls`: whose certificates are trusted; the system's, if not given."""
        self._settings, self._tls = settings, tls
        self._guard = guarded or guard(settings.allow, settings.ports)
        self._mail_guard = guarded or guard(settings.allow, settings.mail_ports)

    def send(self, message: Message, headers: Mapping[str, str]) -> Answer:
        started = time.monotonic()
        try:
            if message.mail is not None:
                return self._mail(message, message.mail, started)
            status, returned, body = self._post(message, headers, started)
        except BlockedError as blocked:
            return Answer(None, error=f"blocked: {blocked}", ms=_ms(started), blocked=True)
        except (*_UNSENDABLE, ValueError, TypeError, LookupError) as wrong:
            return Answer(None, error=f"wrong url: {wrong}", ms=_ms(started), blocked=True)
        except (OSError, *_FAILURES) as failed:
            words = f"{type(failed).__name__}: {failed}".rstrip(": ")
            return Answer(None, error=words, ms=_ms(started))
        return Answer(status, returned, body, _words(status), _ms(started))

    def _mail(self, message: Message, mail: Mail, started: float) -> Answer:
        settings = self._settings
        answer = send_mail(
            message,
            mail,
            self._mail_guard,
            self._tls or _tls(),
            connect_s=settings.connect_timeout_s,
            deadline=started + settings.total_timeout_s,
        )
        return replace(answer, ms=_ms(started))

    def _post(
        self, message: Message, headers: Mapping[str, str], started: float
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        settings = self._settings
        backend = _GuardedBackend(self._guard, started + settings.total_timeout_s)
        times = {"connect": settings.connect_timeout_s, "read": settings.total_timeout_s}
        with (
            httpcore.ConnectionPool(
                ssl_context=self._tls or _tls(), network_backend=backend
            ) as pool,
            pool.stream(
                message.method,
                message.url,
                headers=_on_the_wire(message, headers),
                content=message.body,
                extensions={"timeout": {**times, "write": settings.total_timeout_s}},
            ) as response,
        ):
            returned = tuple(
                (k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers[:50]
            )
            return response.status, returned, _beginning(response, message.reads)


_UNSENDABLE = (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError)

_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ConnectionNotAvailable,
    httpcore.ProxyError,
)


@cache
def _tls() -> ssl.SSLContext:
    """The system's certificates, read once and only when needed."""
    return ssl.create_default_context()


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects only where the guard lets it, to exactly the address that was checked."""

    def __init__(self, guarded: Guard, deadline: float) -> None:
        self._guard, self._deadline = guarded, deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address = self._guard.address(host, port)
        stream = self._inner.connect_tcp(
            address, port, _left(self._deadline, timeout), local_address, socket_options
        )
        return _Deadlined(stream, self._deadline)


class _Deadlined(httpcore.NetworkStream):
    """A stream whose every wait ends at the deadline, however slowly the other side drips."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline, timeout))
        return _Deadlined(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the receiver took too long")
    return left if timeout is None else min(left, timeout)


def _beginning(response: httpcore.Response, most: int) -> bytes:
    body = b""
    for part in response.iter_stream():
        body += part
        if len(body) >= most:
            break
    return body[:most]


def _on_the_wire(message: Message, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    url = httpcore.URL(message.url)
    host = url.host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    named = host if url.port is None else f"{host}:{url.port}"
    length = str(len(message.body))
    bearer = [("Authorization", f"Bearer {message.token}")] if message.token else []
    return [("Host", named), ("Content-Length", length), *bearer, *headers.items()]


def _words(status: int) -> str:
    if status < 300:
        return ""
    return "redirects are not followed" if status < 400 else f"answered {status}"


def _ms(started: float) -> float:
    return (time.monotonic() - started) * 1000
