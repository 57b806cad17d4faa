"""Are the inputs right, and is the service itself well?"""

from __future__ import annotations

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views.status import Health
from dashboard import address, client, wording
from dashboard.client import Client
from dashboard.components.badge import badge
from dashboard.components.decision import decision
from dashboard.components.panel import panel
from dashboard.components.table import Cell, Column, table
from dashboard.wiring import Ask, Filled, connect, empty

TITLE = "Health"
QUESTION = "Are the inputs right, and is the service itself well?"


def layout(_at: address.Address) -> list[Component]:
    return [
        panel(
            "service",
            "Service",
            "As the analyzer says.",
            html.Div(id="service-facts"),
            height=220,
            wide="pw-w-5",
        ),
        panel(
            "open",
            "Open decisions",
            "Actions that wait for a word.",
            html.Div(id="open-list"),
            wide="pw-w-7",
        ),
        panel(
            "known",
            "Resources",
            "State of each, last window.",
            html.Div(id="known-table"),
            height=200,
        ),
    ]


def register(app: Dash, api: Client) -> None:
    async def service(_ask: Ask) -> Filled:
        return Filled((facts(await api.health()),))

    async def open_(_ask: Ask) -> Filled:
        found = [
            one for one in await api.get(client.DECISIONS, "/decisions") if one.state == "proposed"
        ]
        if not found:
            return empty("No action waits for a word.")
        return Filled(([decision(one) for one in found[:10]],))

    async def known(_ask: Ask) -> Filled:
        found = await api.get(client.RESOURCES, "/resources")
        if not found:
            return empty("No resource is known yet.")
        columns = [
            Column("Resource"),
            Column("Kind"),
            Column("State"),
            Column("In use", number=True),
            Column("Tenants", number=True),
            Column("Capacity, busy s/s", number=True, wide_only=True),
        ]
        rows: list[list[Cell]] = [
            [
                one.id,
                one.kind,
                badge(wording.kind(one.state), _tone(one.state)),
                wording.percent(one.utilisation),
                f"{one.tenants:,}",
                wording.number(one.capacity),
            ]
            for one in found
        ]
        return Filled((table(columns, rows, "Resources"),))

    connect(app, "service", [("service-facts", "children")], service)
    connect(app, "open", [("open-list", "children")], open_)
    connect(app, "known", [("known-table", "children")], known)


def _tone(state: str) -> str:
    return "calm" if state == "calm" else "bad"


def facts(health: Health) -> Component:
    pairs = [
        ("Version", health.version),
        ("Data version", f"{health.data_version:,}"),
        (
            "Newest complete window",
            f"{wording.moment(health.newest_window)} UTC" if health.newest_window else "none",
        ),
        ("Age of the data", wording.span(health.data_age_s)),
        (
            "Known",
            f"{health.tenants:,} tenants, {health.resources:,} resources",
        ),
        (
            "Silent sources",
            wording.names(health.stale_sources, 8) if health.stale_sources else "none",
        ),
        ("Messages waiting", f"{health.deliveries_pending:,}, {health.deliveries_failed:,} failed"),
        ("Longest calm", wording.span(health.longest_calm_s)),
    ]
    if health.backfilling:
        pairs.append(("Loading history", health.backfilling))
    cells = [
        cell
        for name, value in pairs
        for cell in (html.Dt(name), html.Dd(value, className="pw-num"))
    ]
    return html.Dl(cells, className="pw-facts")
