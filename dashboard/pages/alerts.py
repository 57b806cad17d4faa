"""Did people get told?"""

from __future__ import annotations

import asyncio

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views.alerts import DeliveryView, EndpointView
from dashboard import address, client, wording
from dashboard.client import Client
from dashboard.components import endpoint_form, kpi, plan_forms, rule_forms, rules, table
from dashboard.components.badge import state_badge
from dashboard.components.chips import chips
from dashboard.components.decision import action
from dashboard.components.exchange import exchange
from dashboard.components.grid import GridColumn, grid
from dashboard.components.kpi import Kpi
from dashboard.components.panel import panel
from dashboard.components.table import Cell, Column
from dashboard.wiring import Ask, Filled, connect, empty, follow

TITLE = "Alerts"
QUESTION = "Did people get told?"
MOST = 500
NO_DOORS = "No endpoint is set. Add one below, or name one under [[endpoint]] in the TOML file."
LOST = frozenset({"dead", "failed"})
WAITING = frozenset({"pending", "in_flight"})

COLUMNS = [
    # On a phone the first three must fit: when, what, and whether it arrived.
    GridColumn("created", "Made (UTC)", 107, show="pwTime"),
    GridColumn("event", "Event", 120, grow=2, render="PwDelivery"),
    GridColumn("state", "State", 93, render="PwState"),
    GridColumn("incident", "Incident", 110, render="PwIncident", wide_only=True),
    GridColumn("endpoint", "To", 130),
    GridColumn("attempt", "Attempts", 90, number=True, wide_only=True),
    GridColumn("status", "HTTP", 75, number=True, wide_only=True),
    GridColumn("ms", "Took, ms", 90, show="pwNumber", number=True, wide_only=True),
    GridColumn("next", "Next try", 110, show="pwTime", wide_only=True),
    GridColumn("reason", "Rule", 100, wide_only=True),
    GridColumn("error", "Why not", 160, grow=2, wide_only=True),
]


STATES = (
    ("", "all"),
    ("delivered", "arrived"),
    ("pending", "waiting"),
    ("skipped", "not sent"),
    ("superseded", "overtaken"),
    ("dead", "given up"),
)


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
            rule_forms.fire_form(),
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
            "ways",
            "Routes",
            "Who is told of what: the first that fits, unless it goes on.",
            html.Div(id="ways-table"),
            plan_forms.route_form(),
            rule_forms.try_form(),
            height=120,
            wide="pw-w-full",
        ),
        panel(
            "hush",
            "Silences",
            "Judged and written down, told to nobody.",
            html.Div(id="hush-table"),
            rule_forms.silence_form(),
            height=120,
            wide="pw-w-6",
        ),
        panel(
            "works",
            "Planned work",
            "Windows in which nobody is told.",
            html.Div(id="works-table"),
            plan_forms.window_form(),
            height=60,
            wide="pw-w-6",
        ),
        panel(
            "sent",
            "Deliveries",
            "One row a message and endpoint, newest first; open one to see it on the wire.",
            html.Div(id="sent-chips"),
            rule_forms.replay_form(),
            grid("sent-grid", COLUMNS, height=480, empty="No such message.", ticked="id"),
            height=480,
        ),
        panel(
            "wire",
            "Over the wire",
            "Request and answer of the message you opened.",
            html.Div(id="wire-shown"),
            height=60,
            wide="pw-w-full",
        ),
    ]


def register(app: Dash, api: Client) -> None:
    endpoint_form.register(app, api)
    plan_forms.register(app, api)
    rule_forms.register(app, api)
    follow(app, "sent-chips", lambda at: chips("State", "var-state", at.state, STATES, at))
    _deliveries(app, api)
    _rules(app, api)

    async def doors(_ask: Ask) -> Filled:
        found = await api.get(client.ENDPOINTS, "/endpoints")
        if not found:
            return Filled((html.P(NO_DOORS, className="pw-dim"), []))
        return Filled((endpoints_table(found), rule_forms.choices(found)))

    connect(app, "doors", [("doors-table", "children"), ("fire-endpoint", "data")], doors)


def _deliveries(app: Dash, api: Client) -> None:
    async def deliveries(state: str = "") -> list[DeliveryView]:
        return await api.get(client.DELIVERIES, "/deliveries", limit=MOST, state=state)

    async def told(_ask: Ask) -> Filled:
        found, doors = await asyncio.gather(deliveries(), api.get(client.ENDPOINTS, "/endpoints"))
        return Filled((kpi.kpis(cards(found, doors)),))

    async def lost(_ask: Ask) -> Filled:
        found = [one for one in await deliveries() if one.state in LOST]
        if not found:
            return empty("Nothing was given up.")
        return Filled((lost_table(found),))

    async def sent(ask: Ask) -> Filled:
        found = await deliveries(ask.at.state)
        if not (found or ask.at.state):
            return empty("Nothing was sent yet.")
        return Filled(([row(one) for one in found],))

    async def wire(ask: Ask) -> Filled:
        if not ask.at.search:
            return empty("Open a message above.")
        found = await api.get(client.DELIVERY, f"/deliveries/{address.quoted(ask.at.search)}")
        return Filled((exchange(found),))

    connect(app, "told", [("told-cards", "children")], told)
    connect(app, "lost", [("lost-table", "children")], lost)
    connect(app, "sent", [("sent-grid", "rowData")], sent)
    connect(app, "wire", [("wire-shown", "children")], wire)


def _rules(app: Dash, api: Client) -> None:
    async def ways(_ask: Ask) -> Filled:
        found = await api.get(client.ROUTES, "/routes")
        return Filled((rules.routes(found),))

    async def hush(_ask: Ask) -> Filled:
        found = await api.get(client.SILENCES, "/silences")
        if not found:
            return Filled((html.P("Nothing is silenced.", className="pw-dim"),))
        return Filled((rules.silences(found[:20]),))

    async def works(_ask: Ask) -> Filled:
        found = await api.get(client.WINDOWS, "/maintenance")
        if not found:
            return Filled((html.P("No work is planned.", className="pw-dim"),))
        return Filled((rules.windows(found),))

    connect(app, "ways", [("ways-table", "children")], ways)
    connect(app, "hush", [("hush-table", "children")], hush)
    connect(app, "works", [("works-table", "children")], works)


def cards(found: list[DeliveryView], doors: list[EndpointView]) -> list[Kpi]:
    arrived = [one for one in found if one.delivered_at is not None]
    waiting = [one for one in found if one.state in WAITING]
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
    everything = action(
        "deliveries/replay?failed_since=now-1d",
        "Replay all of a day",
        "Send again everything that was given up within the last 24 hours.",
    )
    return html.Div([table.table(columns, rows, "Messages given up"), everything])


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
        "reason": one.reason.replace("_", " ") or "–",
        "id": one.id,
    }
