"""The command `partywall`: one name for everything the service does from a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from partywall.commands import (
    backtest,
    bench,
    bills,
    decisions,
    demo,
    doctor,
    endpoints,
    incidents,
    keeping,
    placement,
    places,
    report,
    roles,
    routing,
    tokens,
)
from partywall.failures import Failure

tree = typer.Typer(
    name="partywall",
    help="Hears which tenant makes the noise, who suffers, how sure that is and what to do.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:  # noqa: FBT001
    if value:
        from importlib.metadata import version

        print(version("partywall"))
        raise typer.Exit


@tree.callback()
def _options(
    *, version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False
) -> None:
    """Options of the command itself."""


for room in (
    roles, demo, backtest, report, bench, placement, places, incidents, decisions, endpoints,
    routing, bills, doctor, tokens, keeping,
):  # fmt: skip
    room.register(tree)


def app(run: Callable[..., Any] = tree) -> None:
    """Run the command line. Failures are three lines on stderr and an exit code."""
    try:
        run()
    except Failure as failure:
        _complain(failure)
        sys.exit(failure.code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _complain(failure: Failure) -> None:
    from partywall.output import stderr

    console = stderr()
    console.print(f"partywall: {failure.what}", style="bold red", markup=False)
    console.print(f"why: {failure.why}\nfix: {failure.fix}", markup=False)
