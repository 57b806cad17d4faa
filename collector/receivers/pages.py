"""Fetches pages of targets and lists of targets: login, TLS, limits of time and size."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from collector.config import DiscoverySettings, ScrapeTarget
from collector.model import Rejected, Rejection

Login = ScrapeTarget | DiscoverySettings


@dataclass(frozen=True, slots=True)
class Page:
    """What was fetched."""

    body: bytes
    media_type: str


class Pages:
    """One HTTP client for each way to trust; connections are kept between fetches."""

    def __init__(self, limit: int, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._limit = limit
        self._transport = transport
        self._clients: dict[tuple[Path | None, bool], httpx.AsyncClient] = {}

    async def fetch(self, url: str, login: Login, accept: str) -> Page:
        """A page within `login.timeout_s`; redirects are not followed.

        Raises httpx.HTTPError, httpx.InvalidURL, OSError (TLS files, too), TimeoutError, and
        Rejected(BODY_TOO_LARGE).
        """
        client = self._client(login)
        auth = (login.username, login.password) if login.username else None
        headers = {"Accept": accept}
        if login.bearer:
            headers["Authorization"] = f"Bearer {login.bearer}"
        page = bytearray()
        async with client.stream(
            "GET", url, headers=headers, auth=auth, timeout=login.timeout_s
        ) as response:
            response.raise_for_status()
            async for part in response.aiter_bytes():
                page += part
                if len(page) > self._limit:
                    detail = f"the page is too large: more than {self._limit} bytes"
                    raise Rejected(Rejection.BODY_TOO_LARGE, detail)
        return Page(bytes(page), response.headers.get("content-type", ""))

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _client(self, login: Login) -> httpx.AsyncClient:
        key = (login.ca_file, login.insecure)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = httpx.AsyncClient(
                transport=self._transport, trust_env=False, verify=_trust(login)
            )
        return client


def _trust(login: Login) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=login.ca_file)
    if login.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
