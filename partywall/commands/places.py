"""`tenants`, `resources`, `status`: who lives where and how it goes."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from partywall.failures import FINDING, Failure
from partywall.output import (
    Field,
    Format,
    milliseconds,
    moment,
    names,
    number,
    percent,
    show,
    show_one,
)  # fmt: skip
from partywall.session import ApiOption, ConfigOption, FormatOption, connect

if TYPE_CHECKING:
    from analyzer.api.views.resources import ResourceView
from analyzer.api.views.tenants import TenantSummary


def register(app: typer.Typer) -> None:
    app.command()(status)
    group = typer.Typer(cls=_Tenants, help="The tenants, the loudest first; or one of them.")
    group.callback(invoke_without_command=True)(tenants)
    group.command(hidden=True)(show_tenant)
    group.command()(erase)
    app.add_typer(group, name="tenants")
    app.command()(resources)


def status(
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """Who is hurting whom now, in a sentence, and how fresh the data is."""
    from analyzer.api.views.status import Health

    with connect(config, api) as client:
        health = client.get(Health, "/status")
    lines = {
        "now": health.sentence,
        "newest window": moment(health.newest_window),
        "data age": number(health.data_age_s, " s"),
        "tenants": str(health.tenants),
        "resources": str(health.resources),
        "open incidents": str(health.open_incidents),
        "deliveries": f"{health.deliveries_pending} pending, {health.deliveries_failed} failed",
    }
    show_one(health, lines, form)


class _Tenants(TyperGroup):
    """`tenants ID` is `tenants show-tenant ID`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        named = args if args[0] in self.commands else ["show-tenant", *args]
        return super().resolve_command(ctx, named)


def tenants(
    ctx: typer.Context,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    sort: Annotated[str, typer.Option(help="Column to sort by.")] = "noise",
    search: Annotated[str, typer.Option(help="Part of the name.")] = "",
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
) -> None:
    """The tenants, the loudest first; `tenants ID` shows one."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views.tenants import TenantPage

    with connect(config, api) as client:
        page = client.get(
            TenantPage, "/tenants", sort=sort, order="desc", search=search or None, limit=limit
        )
    show(page.items, _TENANT, form)


def show_tenant(
    tenant: Annotated[str, typer.Argument(help="Its id.")],
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """One tenant: what it caused and what it suffered."""
    from urllib.parse import quote

    from analyzer.api.views.tenants import TenantDetail

    with connect(config, api) as client:
        detail = client.get(TenantDetail, f"/tenants/{quote(tenant, safe='')}")
    lines = {column.heading: column.text(detail) for column in _TENANT}
    lines["caused"] = names([one.id for one in detail.as_aggressor])
    lines["suffered"] = names([one.id for one in detail.as_victim])
    show_one(detail, lines, form)


def erase(
    tenant: Annotated[str, typer.Argument(help="Its id.")],
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    yes: Annotated[str, typer.Option(help="The id again, instead of being asked for it.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who asks; default the user's name.")] = "",
) -> None:
    """Forget a tenant: its id and name leave every file. It does not come back."""
    from urllib.parse import quote

    from analyzer.api.views.upkeep import ErasureView

    again = yes or typer.prompt("Sums stay without a name. Type the id again to erase it")
    with connect(config, api, timeout_s=600) as client:
        done = client.post(
            ErasureView,
            f"/tenants/{quote(tenant, safe='')}/erase",
            {"confirm": again, "by": by or getpass.getuser()},
        )
    left = names(done.left) if done.left else "no file holds the id"
    lines = {"erasure": done.id, "mentions": str(done.cells), "files": str(done.files)}
    show_one(done, lines | {"left": left}, form)
    if done.left:
        raise Failure(
            f"{len(done.left)} file(s) still hold the id",
            names(done.left),
            "spool segments are drained within seconds; remove other files by hand",
            code=FINDING,
        )


def resources(
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """What the tenants share, and how full it is."""
    from analyzer.api.views.resources import ResourceView

    with connect(config, api) as client:
        show(client.list(ResourceView, "/resources"), _RESOURCE, form)


_TENANT: list[Field[TenantSummary]] = [
    Field("tenant", lambda one: one.id),
    Field("plan", lambda one: one.plan),
    Field("state", lambda one: one.state),
    Field("noise", lambda one: number(one.noise, "x"), number=True),
    Field("share", lambda one: percent(one.share), number=True),
    Field("p95", lambda one: milliseconds(one.p95_s), number=True),
    Field("requests/s", lambda one: number(one.requests_per_s), number=True),
    Field("cost", lambda one: one.cost or "-", number=True),
    Field("resources", lambda one: names(one.resources)),
]
_RESOURCE: list[Field[ResourceView]] = [
    Field("resource", lambda one: one.id),
    Field("kind", lambda one: one.kind),
    Field("state", lambda one: one.state),
    Field("utilisation", lambda one: percent(one.utilisation), number=True),
    Field("capacity", lambda one: number(one.capacity), number=True),
    Field("tenants", lambda one: str(one.tenants), number=True),
]
