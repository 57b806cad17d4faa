"""`backtest`: judge recorded usage with the code of the service."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.failures import Failure
from partywall.output import stderr
from partywall.session import ConfigOption, configuration

if TYPE_CHECKING:
    from analyzer.backtest.compare import Comparison
    from analyzer.backtest.replay import Verdict


def register(app: typer.Typer) -> None:
    app.command()(backtest)


def backtest(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Holds usage.parquet.")],
    output: Annotated[
        Path | None, typer.Option(help="File for one JSON line an incident; default stdout.")
    ] = None,
    config: ConfigOption = None,
    against: Annotated[
        Path | None, typer.Option(help="A second configuration: what would it have told?")
    ] = None,
) -> None:
    """Judge recorded usage in data time; one JSON line for every incident."""
    ours = _judged(directory, config)
    if against is None:
        _write([verdict.as_json() for verdict in ours], output)
        print(f"{len(ours)} incident(s)", file=sys.stderr)
        return
    from analyzer.backtest.compare import compare

    compared = compare(ours, _judged(directory, against))
    lines = [_tagged(pair[1], "both") for pair in compared.both]
    lines += [_tagged(verdict, "first") for verdict in compared.first]
    lines += [_tagged(verdict, "second") for verdict in compared.second]
    _write(lines, output)
    _print_compared(compared, str(config or "first"), str(against))


def _judged(directory: Path, config: Path | None) -> list[Verdict]:
    from rich.progress import Progress

    from analyzer.backtest.replay import BacktestSettings
    from analyzer.backtest.replay import backtest as judge
    from collector.model import Rejected

    mine = configuration(config).analyzer
    settings = BacktestSettings(detect=mine.detect, flags=mine.flags, decisions=mine.decisions)
    with Progress(console=stderr(), transient=True) as bar:
        task = bar.add_task(f"judging by {config or 'the configuration'}", total=1.0)
        try:
            verdicts = judge(
                directory,
                settings=settings,
                progress=lambda part: bar.update(task, completed=part),
            )
            return list(verdicts)
        except Rejected as wrong:
            raise Failure(
                f"cannot read the usage in {directory}",
                f"{wrong.field}: {wrong.detail}" if wrong.field else wrong.detail,
                "docs/reference/usage.md lists the columns",
            ) from None


def _tagged(verdict: Verdict, told_by: str) -> str:
    return json.dumps({"told_by": told_by, **json.loads(verdict.as_json())})


def _print_compared(compared: Comparison, first: str, second: str) -> None:
    """How often each would have fired, and whom it would have blamed, on stderr."""
    from rich.table import Table

    table = Table("would have fired", first, second, "both")
    mine = [*(pair[0] for pair in compared.both), *compared.first]
    other = [*(pair[1] for pair in compared.both), *compared.second]
    table.add_row("incidents", *(str(len(one)) for one in (mine, other, compared.both)))
    for kind in sorted({verdict.kind for verdict in (*mine, *other)}):
        counts = [
            sum(verdict.kind == kind for verdict in told)
            for told in (mine, other, [pair[0] for pair in compared.both])
        ]
        table.add_row(f"  {kind}", *map(str, counts))
    told = stderr()
    told.print(table)
    for alone, name in ((compared.first, first), (compared.second, second)):
        for one in alone:
            whom = ", ".join(one.aggressors) or "nobody blamed"
            line = f"only {name}: {one.started_at:%Y-%m-%d %H:%M} {one.resource} {one.kind} {whom}"
            told.print(line, markup=False, highlight=False)
    if (sooner := compared.sooner_s) is not None:
        word = "sooner" if sooner >= 0 else "later"
        told.print(f"what both tell, {second} tells {abs(sooner):.0f} s {word} (median)",
                   markup=False, highlight=False)  # fmt: skip


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
