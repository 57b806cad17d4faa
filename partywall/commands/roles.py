"""`up` and the roles by themselves."""

from __future__ import annotations

import asyncio
import sys

import typer

from partywall import lifeline
from partywall.session import ConfigOption, configuration


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(collect)
    app.command()(analyze)
    app.command()(dashboard)


def up(config: ConfigOption = None) -> None:
    """Run the service: collector, analyzer and dashboard, watched and restarted."""
    from partywall import ports
    from partywall.config import address
    from partywall.up import roles, serve

    lifeline.hold()
    settings = configuration(config)
    listens = {
        "collector": settings.collector.listen,
        "analyzer": settings.analyzer.listen,
        "dashboard": settings.dashboard.listen,
    }
    ports.demand(listens)
    urls = {role: address(listen) for role, listen in listens.items()}
    file = str(settings.file) if settings.file else None
    asyncio.run(serve(roles(file, urls), say=_say, log=_log))


def collect(config: ConfigOption = None) -> None:
    """Run the collector alone: receive usage and make it durable."""
    lifeline.hold()
    settings = configuration(config).collector
    from collector.app import run

    run(settings)


def analyze(config: ConfigOption = None) -> None:
    """Run the analyzer alone: own the store, judge, tell, answer the API."""
    lifeline.hold()
    settings = configuration(config).analyzer
    from analyzer.app import run

    run(settings)


def dashboard(config: ConfigOption = None) -> None:
    """Run the dashboard alone: pages over the analyzer's API."""
    lifeline.hold()
    settings = configuration(config).dashboard
    from dashboard.app import run

    run(settings)


def _say(text: str) -> None:
    print(f"partywall | {text}", file=sys.stderr, flush=True)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
