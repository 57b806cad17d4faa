"""Did people get told?"""

from __future__ import annotations

import asyncio

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views import DeliveryView, EndpointView
from dashboard import address, client, wording
from dashboard.client import Client
from dashboard.components import endpoint_form, kpi, table
from dashboard.components.badge import state_badge
from dashboard.components.decision import action
from dashboard.components.grid import GridColumn, grid
from dashboard.components.kpi import Kpi
from dashboard.components.panel import panel
from dashboard.components.table import Cell, Column
from dashboard.wiring import Ask, Filled, connect, empty

TITLE = "Alerts"
QUESTION = "Did people get told?"
MOST = 500
NO_DOORS = "No endpoint is set. Add one below, or name one under [[endpoint]] in the TOML file."
LOST = frozenset({"dead", "failed"})

COLUMNS = [
    GridColumn("created", "Made (UTC)", 110, show="pwTime"),
    GridColumn("event", "Event", 140, grow=2),
    GridColumn("incident", "Incident", 110, render="PwIncident", wide_only=True),
    GridColumn("endpoint", "To", 130),
    GridColumn("state", "State", 100, render="PwState"),
    GridColumn("attempt", "Attempts", 90, number=True, wide_only=True),
    GridColumn("status", "HTTP", 75, number=True, wide_only=True),
    GridColumn("ms", "Took, ms", 90, show="pwNumber", number=True, wide_only=True),
    GridColumn("next", "Next try", 110, show="pwTime", wide_only=True),
    GridColumn("error", "Why not", 160, grow=2, wide_only=True),
]


def layout(_at: address.Address) -> list[Component]:
    return [
        panel(
            "told", "Numbers", "", kpi.row("told-cards", 4), wide="pw-w-full pw-w-bare pw-w-four"
        ),
        panel(
            "doors",
            "Endpoints",
            "Where messages go.",
            html.Div(id="doors-table"),
            endpoint_form.form(),
            height=120,
            wide="pw-w-6",
        ),
        panel(
            "lost",
            "Given up",
            "Messages that nobody got; replay them when the other side is back.",
            html.Div(id="lost-table"),
            height=120,
            wide="pw-w-6",
        ),
        panel(
            "sent",
            "Deliveries",
            "One row a message and endpoint, newest first.",
            grid("sent-grid", COLUMNS, height=480, empty="Nothing was sent yet."),
            height=480,
        ),
    ]


def register(app: Dash, api: Client) -> None:
    endpoint_form.register(app, api)

    async def deliveries() -> list[DeliveryView]:
        return await api.get(client.DELIVERIES, "/deliveries", limit=MOST)

    async def told(_ask: Ask) -> Filled:
        found, doors = await asyncio.gather(deliveries(), api.get(client.ENDPOINTS, "/endpoints"))
        return Filled((kpi.kpis(cards(found, doors)),))

    async def doors(_ask: Ask) -> Filled:
        found = await api.get(client.ENDPOINTS, "/endpoints")
        if not found:
            return Filled((html.P(NO_DOORS, className="pw-dim"),))
        return Filled((endpoints_table(found),))

    async def lost(_ask: Ask) -> Filled:
        found = [one for one in await deliveries() if one.state in LOST]
        if not found:
            return empty("Nothing was given up.")
        return Filled((lost_table(found),))

    async def sent(_ask: Ask) -> Filled:
        found = await deliveries()
        if not found:
            return empty("Nothing was sent yet.")
        return Filled(([row(one) for one in found],))

    connect(app, "told", [("told-cards", "children")], told)
    connect(app, "doors", [("doors-table", "children")], doors)
    connect(app, "lost", [("lost-table", "children")], lost)
    connect(app, "sent", [("sent-grid", "rowData")], sent)


def cards(found: list[DeliveryView], doors: list[EndpointView]) -> list[Kpi]:
    arrived = [one for one in found if one.delivered_at is not None]
    waiting = [one for one in found if one.delivered_at is None and one.state not in LOST]
    lost = [one for one in found if one.state in LOST]
    failing = [one.name for one in doors if one.state != "ok"]
    times = sorted(one.ms for one in arrived if one.ms is not None)
    p95 = f"p95 {wording.number(times[int(len(times) * 0.95)])} ms" if times else "none yet"
    return [
        Kpi("Arrived", f"{len(arrived):,}", p95),
        Kpi("Waiting", f"{len(waiting):,}", "tried again until they arrive"),
        Kpi("Given up", f"{len(lost):,}", "replay them below", "bad" if lost else ""),
        Kpi(
            "Endpoints failing",
            f"{len(failing):,}",
            wording.names(failing, 2) if failing else f"of {len(doors):,}",
            "bad" if failing else "",
        ),
    ]


def endpoints_table(found: list[EndpointView]) -> Component:
    columns = [
        Column("Name"),
        Column("Address", wide_only=True),
        Column("State"),
        Column("Arrived", number=True),
        Column("Failed", number=True),
        Column(""),
    ]
    rows: list[list[Cell]] = [
        [
            one.name,
            one.url,
            state_badge(one.state),
            f"{one.delivered:,}",
            f"{one.failed:,}",
            action(f"endpoints/{one.id}/test", "Test", f"Send a test message to {one.name}."),
        ]
        for one in found
    ]
    return table.table(columns, rows, "Endpoints")


def lost_table(found: list[DeliveryView]) -> Component:
    columns = [Column("Made"), Column("Event"), Column("To"), Column("Why"), Column("")]
    rows: list[list[Cell]] = [
        [
            wording.stamp(one.created_at),
            one.event_type,
            one.endpoint,
            one.error or "–",
            action(
                f"deliveries/{one.id}/replay",
                "Replay",
                f"Send {one.event_type} to {one.endpoint} again.",
            ),
        ]
        for one in found[:20]
    ]
    return table.table(columns, rows, "Messages given up")


def row(one: DeliveryView) -> dict[str, object]:
    return {
        "created": one.created_at.isoformat(),
        "event": one.event_type,
        "incident": one.incident,
        "endpoint": one.endpoint,
        "state": one.state,
        "attempt": one.attempt,
        "status": one.status,
        "ms": one.ms,
        "next": one.next_at.isoformat() if one.next_at else None,
        "error": one.error or "–",
    }
