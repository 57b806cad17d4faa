"""`tenants`, `resources`, `status`: who lives where and how it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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
    from analyzer.api.views import ResourceView, TenantSummary


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(tenants)
    app.command()(resources)


def status(
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """Who is hurting whom now, in a sentence, and how fresh the data is."""
    from analyzer.api.views import Health

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


def tenants(
    tenant: Annotated[str, typer.Argument(help="One tenant; without it, all.")] = "",
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    sort: Annotated[str, typer.Option(help="Column to sort by.")] = "noise",
    search: Annotated[str, typer.Option(help="Part of the name.")] = "",
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
) -> None:
    """The tenants, the loudest first."""
    from analyzer.api.views import TenantPage

    if tenant:
        _one_tenant(tenant, config, api, form)
        return
    with connect(config, api) as client:
        page = client.get(
            TenantPage, "/tenants", sort=sort, order="desc", search=search or None, limit=limit
        )
    show(page.items, _TENANT, form)


def _one_tenant(tenant: str, config: ConfigOption, api: str, form: Format) -> None:
    from urllib.parse import quote

    from analyzer.api.views import TenantDetail

    with connect(config, api) as client:
        detail = client.get(TenantDetail, f"/tenants/{quote(tenant, safe='')}")
    lines = {column.heading: column.text(detail) for column in _TENANT}
    lines["caused"] = names([one.id for one in detail.as_aggressor])
    lines["suffered"] = names([one.id for one in detail.as_victim])
    show_one(detail, lines, form)


def resources(
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """What the tenants share, and how full it is."""
    from analyzer.api.views import ResourceView

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
