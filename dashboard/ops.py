"""Routes beside the pages, and the headers on every answer.

Dash answers every unknown GET with its page; so whatever is not a page is named here first.
"""

from __future__ import annotations

import gzip
from collections import OrderedDict

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.address import REPORT_FORMATS
from dashboard.client import Client, ClientError

REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
KEPT_FILES = 64
SMALLEST = 1024


def routes(server: FastAPI, api: Client, registry: CollectorRegistry) -> None:
    @server.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @server.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        """Ready means that pages have data: the analyzer answers."""
        try:
            health = await api.health()
        except ClientError as error:
            return JSONResponse({"ready": False, "reasons": [str(error)]}, 503)
        return JSONResponse({"ready": True, "data_version": health.data_version})

    @server.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @server.get("/download/reports/{week}", include_in_schema=False)
    async def report(week: str, request: Request) -> Response:
        return await _report(api, week, request)

    for path in ("/api", "/api/{rest:path}", "/v1/{rest:path}", "/download/{rest:path}"):
        server.add_api_route(path, _missing, methods=["GET", "POST"], include_in_schema=False)


async def _missing() -> Response:
    problem = {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "The API is the analyzer's, by default on port 8602.",
        "id": "not-found",
    }
    return JSONResponse(problem, 404, media_type="application/problem+json")


async def _report(api: Client, week: str, request: Request) -> Response:
    """Pass one report through; its page may not run scripts here."""
    form = request.query_params.get("format", "html")
    if form not in REPORT_FORMATS or not week.replace("-", "").isalnum():
        return await _missing()
    query = {"format": form, "tenant": request.query_params.get("tenant", "")}
    try:
        file = await api.download(f"/reports/{week}", {k: v for k, v in query.items() if v})
    except ClientError as error:
        return PlainTextResponse(f"{error}\n", error.status or 503)
    headers = {"Content-Security-Policy": REPORT_POLICY}
    if form != "html":
        name = f"partywall-{week}.{REPORT_FORMATS[form]}"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(file.content, media_type=file.media_type, headers=headers)


class Headers:
    """Security headers; scripts and styles gzipped once and kept, not once a request."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._policy = policy.encode()
        self._files: OrderedDict[str, bytes] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(self, scope, send)
        await self._app(scope, receive, answer.send)

    def secure(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        ours = [
            (b"content-security-policy", self._policy),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),
            (b"x-frame-options", b"DENY"),
        ]
        return [*headers, *[(name, value) for name, value in ours if name not in present]]

    def packed(self, key: str, body: bytes) -> bytes:
        """`key` is empty for what changes: that is packed quickly and not kept."""
        if not key:
            return gzip.compress(body, 1, mtime=0)
        if key not in self._files:
            self._files[key] = gzip.compress(body, 6, mtime=0)
            while len(self._files) > KEPT_FILES:
                self._files.popitem(last=False)
        return self._files[key]


class _Answer:
    """Collects one answer, packs its body where that helps, adds the headers."""

    def __init__(self, house: Headers, scope: Scope, send: Send) -> None:
        self._house = house
        self._send = send
        self._start: Message | None = None
        self._body: list[bytes] = []
        accepted = dict(scope["headers"]).get(b"accept-encoding", b"")
        self._gzip = b"gzip" in accepted
        path, query = scope["path"], scope["query_string"].decode("latin-1")
        fixed = path.startswith(("/_dash-component-suites/", "/assets/"))
        self._key = f"{path}?{query}" if fixed else ""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body.append(message.get("body", b""))
        if not message.get("more_body", False):
            await self._finish(b"".join(self._body))

    async def _finish(self, body: bytes) -> None:
        if self._start is None:
            return
        headers = [(k, v) for k, v in self._start["headers"] if k.lower() != b"content-length"]
        packable = self._gzip and self._start["status"] == 200 and len(body) >= SMALLEST
        kind = dict(headers).get(b"content-type", b"")
        if packable and not kind.startswith((b"font/", b"image/")):
            body = self._house.packed(self._key, body)
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        if self._key and b"cache-control" not in dict(headers):
            headers.append((b"cache-control", b"public, max-age=600"))
        headers.append((b"content-length", str(len(body)).encode()))
        start = {**self._start, "headers": self._house.secure(headers)}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
