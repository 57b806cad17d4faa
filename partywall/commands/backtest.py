"""`backtest`: judge recorded usage with the code of the service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from partywall.failures import Failure
from partywall.output import stderr
from partywall.session import ConfigOption, configuration


def register(app: typer.Typer) -> None:
    app.command()(backtest)


def backtest(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Holds usage.parquet.")],
    output: Annotated[
        Path | None, typer.Option(help="File for one JSON line an incident; default stdout.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Judge recorded usage in data time; one JSON line for every incident."""
    from rich.progress import Progress

    from analyzer.backtest.replay import BacktestSettings
    from analyzer.backtest.replay import backtest as judge
    from collector.model import Rejected

    mine = configuration(config).analyzer
    settings = BacktestSettings(detect=mine.detect, flags=mine.flags, decisions=mine.decisions)
    with Progress(console=stderr(), transient=True) as bar:
        task = bar.add_task("judging", total=1.0)
        try:
            verdicts = judge(
                directory,
                settings=settings,
                progress=lambda part: bar.update(task, completed=part),
            )
            found = [verdict.as_json() for verdict in verdicts]
        except Rejected as wrong:
            raise Failure(
                f"cannot read the usage in {directory}",
                f"{wrong.field}: {wrong.detail}" if wrong.field else wrong.detail,
                "docs/reference/usage.md lists the columns",
            ) from None
    _write(found, output)
    print(f"{len(found)} incident(s)", file=sys.stderr)


def _write(lines: list[str], output: Path | None) -> None:
    text = "".join(line + "\n" for line in lines)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, "utf-8")
    except OSError as wrong:
        raise Failure(
            f"cannot write {output}", wrong.strerror or str(wrong), "name another --output"
        ) from None
