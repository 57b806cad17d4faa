"""`report`: the weekly cost report, from the running service or from its data directory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.failures import FINDING, UNREACHABLE, Failure
from partywall.output import Format, show_one, stderr
from partywall.session import (
    ApiOption,
    ConfigOption,
    FormatOption,
    configuration,
    connect,
    target,
)

if TYPE_CHECKING:
    from partywall.client import Client

FORMATS = ("html", "pdf", "csv", "xlsx", "focus", "json")


VIEWS = ("exec", "account", "sre", "finance")


def register(app: typer.Typer) -> None:
    tree = typer.Typer(help="Write the cost report of a week, or deliver what is due.")
    tree.callback(invoke_without_command=True)(report)
    tree.command()(deliver)
    app.add_typer(tree, name="report")


def report(
    context: typer.Context,
    week: Annotated[str, typer.Option(help="ISO week such as 2026-W47; default last week.")] = "",
    tenant: Annotated[str, typer.Option(help="Only this tenant's page.")] = "",
    formats: Annotated[
        str, typer.Option("--format", help="html, pdf, csv, xlsx, focus, json; with commas.")
    ] = "html,csv",
    view: Annotated[str, typer.Option(help="exec, account, sre or finance; default finance.")] = "",
    output: Annotated[Path, typer.Option(help="Directory for the files.")] = Path("reports"),
    config: ConfigOption = None,
    api: ApiOption = "",
) -> None:
    """Write the cost report of a week."""
    if context.invoked_subcommand:
        return
    from partywall.client import Client

    week = week or last_week(datetime.now(UTC))
    wanted = [one.strip() for one in formats.split(",") if one.strip()]
    unknown = [one for one in wanted if one not in FORMATS]
    if unknown or not wanted:
        raise Failure(
            f"unknown format {', '.join(unknown) or 'none'}", "the report has other forms",
            "choose from " + ", ".join(FORMATS),
        )  # fmt: skip
    if (view and view not in VIEWS) or (view == "account" and not tenant):
        raise Failure(
            f"no such view: {view}" if view != "account" else "the account view is of one tenant",
            "the report is seen in four ways", "choose from " + ", ".join(VIEWS)
            + "; with account name a --tenant",
        )  # fmt: skip
    output.mkdir(parents=True, exist_ok=True)
    where = target(config, api)
    with Client(where.api, where.token, timeout_s=120) as client:
        if api or client.reachable():
            written = _from_service(client, (week, tenant, view), wanted, output)
        else:
            written = _from_data((week, tenant, view), wanted, output, config)
    for path in written:
        print(path)


def deliver(
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """Deliver every report that is due now; what was delivered before is not sent again."""
    from analyzer.api.views.reports import ReportRound

    with connect(config, api) as client:
        done = client.post(ReportRound, "/report-deliveries")
    if not done.deliveries:
        raise Failure(
            "no report is delivered to anybody", "the analyzer's configuration has no delivery",
            "add a [[delivery]] table; docs/how-to/weekly-report.md shows one",
        )  # fmt: skip
    show_one(
        done, {"sent": "\n".join(done.sent) or "-", "failed": "\n".join(done.failed) or "-"}, form
    )
    if done.failed:
        raise typer.Exit(FINDING)


def last_week(now: datetime) -> str:
    """The ISO week before this one."""
    year, number, _ = (now - timedelta(days=7)).isocalendar()
    return f"{year}-W{number:02d}"


def _from_service(
    client: Client, which: tuple[str, str, str], formats: list[str], output: Path
) -> list[Path]:
    written = []
    week, tenant, view = which
    for form in formats:
        answer = client.raw(
            f"/reports/{week}", format=form, tenant=tenant or None, view=view or None
        )
        path = output / file_name(week, tenant, form, view)
        path.write_bytes(answer.content)
        written.append(path)
    stderr().print(f"cost report {week} from {client.base}", markup=False)
    return written


def _from_data(
    which: tuple[str, str, str], formats: list[str], output: Path, config: Path | None
) -> list[Path]:
    """No service runs: open its store ourselves."""
    from analyzer.reports.ledger import build_report
    from analyzer.store.database import Store
    from collector.model import Rejected, TenantId

    week, tenant, view = which
    settings = configuration(config).analyzer
    if not settings.database.exists():
        raise Failure(
            f"no analyzer answers and there is no store at {settings.database}",
            "the report needs either", "start `partywall up`, or name the right --config",
            code=UNREACHABLE,
        )  # fmt: skip
    store = Store.open(settings.database)
    stderr().print(f"cost report {week} from {settings.database}", markup=False)
    try:
        return build_report(
            store, week, TenantId(tenant) if tenant else None, formats, output,
            settings=settings.money(), now=datetime.now(UTC), view=view,
        )  # fmt: skip
    except Rejected as wrong:
        raise Failure(
            f"no report of {week}", wrong.detail, "name another --week or --tenant", code=FINDING
        ) from None
    finally:
        store.close()


def file_name(week: str, tenant: str, form: str, view: str = "") -> str:
    """The file of one form; a tenant's name cannot leave the directory."""
    whose = "".join(c if c.isalnum() or c in "-_." else "_" for c in tenant)
    ending = "focus.csv" if form == "focus" else form
    seen = f"-{view}" if view and not whose else ""
    return f"partywall-{week}{seen}{'-' + whose if whose else ''}.{ending}"
