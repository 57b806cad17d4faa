"""The dashboard role: one server, all pages, the analyzer behind them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import uvicorn
from dash import Dash, Input, Output, State, set_props
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from dashboard import address, ops, pages, shell
from dashboard.client import Client
from dashboard.config import DashboardSettings

log = logging.getLogger(__name__)

ASSETS = Path(__file__).parent / "assets"

INDEX = """<!DOCTYPE html>
<html lang="en" data-mantine-color-scheme="light">
  <head>
    {%metas%}
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
    <link rel="preload" as="font" type="font/woff2" href="/assets/fonts/inter.woff2" crossorigin>
    <script src="/assets/first/scheme.js"></script>
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <noscript>This page needs JavaScript; `partywall incidents` says the same.</noscript>
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`server` is the ASGI application; `dash` and `client` are its parts."""

    server: FastAPI
    dash: Dash
    client: Client


def build(
    settings: DashboardSettings, *, transport: httpx.AsyncBaseTransport | None = None
) -> Dashboard:
    """`transport` stands in for the network in tests."""
    registry = CollectorRegistry()
    api = Client(settings, registry=registry, transport=transport)

    @asynccontextmanager
    async def lifespan(_server: FastAPI) -> AsyncIterator[None]:
        yield
        await api.close()

    server = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    ops.routes(server, api, registry)
    app = _dash(server)
    app.layout = shell.layout(settings.refresh_s)
    shell.register(app, api, lambda: datetime.now(UTC))
    _router(app)
    for page in pages.PAGES:
        page.register(app, api)
    app._setup_server()  # type: ignore[no-untyped-call]  # Dash does it on the first GET of /, so a first visit elsewhere broke
    server.add_middleware(ops.Headers, policy=_policy(app))
    return Dashboard(server, app, api)


def _dash(server: FastAPI) -> Dash:
    return Dash(
        "partywall-dashboard",
        server=server,  # type: ignore[arg-type]  # takes a FastAPI since 4.1, its hints do not
        assets_folder=str(ASSETS),
        assets_ignore=r"(first|fonts)",
        assets_path_ignore=["first", "fonts"],
        pages_folder="",
        use_pages=False,
        title="Partywall",
        update_title="",
        index_string=INDEX,
        suppress_callback_exceptions=True,
        add_log_handler=False,
        enable_mcp=False,
        on_error=_unexpected,
    )


def _unexpected(error: Exception) -> None:
    """Dash swallows what a callback raises: log it, and tell the reader."""
    log.error("a callback failed", exc_info=error)
    message = "The dashboard made a mistake; it is in its log. Other panels still work."
    set_props("toasts", {"sendNotifications": [shell.toast("Something broke", message, bad=True)]})


def _router(app: Dash) -> None:
    @app.callback(Output("page", "children"), Input("url", "pathname"), State("url", "search"))
    async def show(path: str | None, search: str | None) -> object:
        return pages.render(address.read(path, search))


def _policy(app: Dash) -> str:
    """Scripts only from here; styles may be inline because the component libraries set them."""
    scripts = " ".join(["'self'", *app.csp_hashes()])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )


def run(settings: DashboardSettings) -> None:
    """Serve until told to stop."""
    server = build(settings).server
    uvicorn.run(
        server,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
