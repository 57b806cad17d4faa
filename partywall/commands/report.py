"""`report`: the weekly cost report, from the running service or from its data directory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.failures import FINDING, UNREACHABLE, Failure
from partywall.output import stderr
from partywall.session import ApiOption, ConfigOption, configuration, target

if TYPE_CHECKING:
    from partywall.client import Client

FORMATS = ("html", "pdf", "csv", "xlsx", "focus")


def register(app: typer.Typer) -> None:
    app.command()(report)


def report(
    week: Annotated[str, typer.Option(help="ISO week such as 2026-W47; default last week.")] = "",
    tenant: Annotated[str, typer.Option(help="Only this tenant's page.")] = "",
    formats: Annotated[
        str, typer.Option("--format", help="html, pdf, csv, xlsx, focus; several with commas.")
    ] = "html,csv",
    output: Annotated[Path, typer.Option(help="Directory for the files.")] = Path("reports"),
    config: ConfigOption = None,
    api: ApiOption = "",
) -> None:
    """Write the cost report of a week."""
    from partywall.client import Client

    week = week or last_week(datetime.now(UTC))
    wanted = [one.strip() for one in formats.split(",") if one.strip()]
    unknown = [one for one in wanted if one not in FORMATS]
    if unknown or not wanted:
        raise Failure(
            f"unknown format {', '.join(unknown) or 'none'}", "the report has other forms",
            "choose from " + ", ".join(FORMATS),
        )  # fmt: skip
    output.mkdir(parents=True, exist_ok=True)
    where = target(config, api)
    with Client(where.api, where.token, timeout_s=120) as client:
        if api or client.reachable():
            written = _from_service(client, week, tenant, wanted, output)
        else:
            written = _from_data(week, tenant, wanted, output, config)
    for path in written:
        print(path)


def last_week(now: datetime) -> str:
    """The ISO week before this one."""
    year, number, _ = (now - timedelta(days=7)).isocalendar()
    return f"{year}-W{number:02d}"


def _from_service(
    client: Client, week: str, tenant: str, formats: list[str], output: Path
) -> list[Path]:
    written = []
    for form in formats:
        answer = client.raw(f"/reports/{week}", format=form, tenant=tenant or None)
        path = output / file_name(week, tenant, form)
        path.write_bytes(answer.content)
        written.append(path)
    stderr().print(f"cost report {week} from {client.base}", markup=False)
    return written


def _from_data(
    week: str, tenant: str, formats: list[str], output: Path, config: Path | None
) -> list[Path]:
    """No service runs: open its store ourselves."""
    from analyzer.reports.ledger import build_report
    from analyzer.store import Store
    from collector.model import Rejected, TenantId

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
            settings=settings.money(), now=datetime.now(UTC),
        )  # fmt: skip
    except Rejected as wrong:
        raise Failure(
            f"no report of {week}", wrong.detail, "name another --week or --tenant", code=FINDING
        ) from None
    finally:
        store.close()


def file_name(week: str, tenant: str, form: str) -> str:
    """The file of one form; a tenant's name cannot leave the directory."""
    whose = "".join(c if c.isalnum() or c in "-_." else "_" for c in tenant)
    ending = "focus.csv" if form == "focus" else form
    return f"partywall-{week}{'-' + whose if whose else ''}.{ending}"
