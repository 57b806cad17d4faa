"""`demo`: a simulated platform through the real doors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from partywall import lifeline


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    *,
    tenants: Annotated[int, typer.Option(min=12, max=20_000, help="How many tenants.")] = 200,
    minutes: Annotated[float, typer.Option(min=0, help="Live minutes, then stop; 0: go on.")] = 0,
    data: Annotated[Path, typer.Option(help="Directory of the demo's own data.")] = Path(
        "data/demo"
    ),
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the data of last time.")] = False,
) -> None:
    """Show it: history, a live platform, and within two minutes a noisy neighbour by name."""
    from partywall.demo import Plan, run

    lifeline.hold()
    named = asyncio.run(run(Plan(tenants=tenants, minutes=minutes, data=data, keep=keep)))
    if minutes and not named:
        raise typer.Exit(1)
