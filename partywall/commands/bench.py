"""`bench`: side by side with the peers that are installed."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from partywall.failures import Failure


class What(StrEnum):
    """What can be measured."""

    INGEST = "ingest"
    QUERY = "query"
    CYCLE = "cycle"
    BACKTEST = "backtest"
    STORAGE = "storage"
    DETECT = "detect"
    COST = "cost"
    ALERTS = "alerts"


def register(app: typer.Typer) -> None:
    extra = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(context_settings=extra)(bench)


def bench(
    context: typer.Context,
    what: Annotated[What | None, typer.Argument(help="One of them; without it, all.")] = None,
) -> None:
    """Measure beside installed peers and print the ratios. Needs a source checkout.

    What follows the name goes to that bench: `partywall bench detect --quick`.
    """
    there = [one for one in What if _exists(one)]
    if not there or (what and what not in there):
        raise Failure(
            f"there is no bench {what or ''}".rstrip(),
            "benches live in the folder bench/ of a source checkout",
            "run the command from there" + (f"; here: {', '.join(there)}" if there else ""),
        )
    for one in [what] if what else there:
        command = [sys.executable, "-m", f"bench.{one}", *context.args]
        code = subprocess.run(command, check=False).returncode
        if code:
            raise typer.Exit(code)


def _exists(what: What) -> bool:
    """Here, and not merely importable: the bench is run from this directory."""
    return Path("bench", what, "__main__.py").is_file()
