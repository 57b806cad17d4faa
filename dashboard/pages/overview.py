"""Is anyone hurting anyone right now?"""

from __future__ import annotations

import asyncio

from dash import ClientsideFunction, Dash, Input, Output, html
from dash.development.base_component import Component

from analyzer.api.views.cost import CostPage
from analyzer.api.views.incidents import IncidentSummary
from analyzer.api.views.status import Health
from analyzer.api.views.tenants import TenantSummary
from dashboard import address, client, wording
from dashboard.client import Client, ClientError
from dashboard.components import banner, kpi, table
from dashboard.components.badge import incident_link, state_badge, tenant_link
from dashboard.components.keys import keys
from dashboard.components.kpi import Kpi
from dashboard.components.panel import PanelState, graph, panel
from dashboard.components.table import Cell, Column
from dashboard.figures import density, heatmap
from dashboard.wiring import Ask, Filled, connect, empty

TITLE = "Overview"
QUESTION = "Is anyone hurting anyone right now?"
OPEN = ("firing", "flapping")
WATCHED = "pending"
MOVERS = 8
HOT = 0.8


def layout(_at: address.Address) -> list[Component]:
    return [
        panel("now", "Now", "", html.Div(id="now-banner"), height=78, wide="pw-w-full pw-w-bare"),
        panel("numbers", "Numbers", "", kpi.row("numbers-cards"), wide="pw-w-full pw-w-bare"),
        html.Div([_louder_panel(), _feed_panel()], className="pw-stack pw-w-7"),
        html.Div([_full_panel(), _movers_panel()], className="pw-stack pw-w-5"),
    ]


def _louder_panel() -> Component:
    return panel(
        "louder",
        "Who is louder than usual",
        "One row a tenant, the loudest first: orange is more than expected at this hour, "
        "blue is less. Click a cell to open the tenant.",
        scale(),
        graph("louder-graph", 520, "Heatmap of tenants over time, offered load against expected"),
        height=520,
    )


def _full_panel() -> Component:
    return panel(
        "full",
        "How full the resources are",
        "Busiest hours of the week as part of capacity, split by the largest tenants.",
        keys(density.KEYS),
        graph("full-graph", 330, "Bars of resource use against capacity"),
        height=330,
    )


def _movers_panel() -> Component:
    return panel(
        "movers",
        "Top movers",
        "Tenants by offered load over what is expected of them.",
        html.Div(id="movers-table"),
        height=300,
    )


def _feed_panel() -> Component:
    return panel(
        "feed",
        "Latest incidents",
        "Newest first, open and past.",
        html.Div(id="feed-table"),
        height=120,
    )


def scale() -> Component:
    """The colours of the heatmap, drawn once beside its words."""
    return html.Div(
        [
            html.Span("⅛ or less"),
            html.Span(className="pw-scale-bar"),
            html.Span("8 or more times expected"),
            html.Span(className="pw-scale-gap"),
            html.Span("no data"),
        ],
        className="pw-scale",
    )


def register(app: Dash, api: Client) -> None:
    _register_words(app, api)
    _register_charts(app, api)


def _register_words(app: Dash, api: Client) -> None:
    async def now(_ask: Ask) -> Filled:
        health = await api.health()
        if health.newest_window is None:
            return Filled((banner.first_steps(),))
        found = await api.get(client.INCIDENTS, "/incidents", state=(*OPEN, WATCHED), limit=50)
        watched = [one for one in found if one.state == WATCHED]
        open_ = [one for one in found if one.state != WATCHED]
        return Filled((banner.banner(health, worst(open_), watched),))

    async def numbers(_ask: Ask) -> Filled:
        health, cost = await asyncio.gather(api.health(), _cost(api))
        return Filled((kpi.kpis(cards(health, cost)),))

    async def movers(_ask: Ask) -> Filled:
        page = await api.get(client.TENANTS, "/tenants", sort="noise", order="desc", limit=MOVERS)
        if not page.items:
            return empty("No tenant is known yet.")
        return Filled((movers_table(page.items),))

    async def feed(_ask: Ask) -> Filled:
        found = await api.get(client.INCIDENTS, "/incidents", limit=MOVERS)
        if not found:
            return empty("No incident so far.")
        return Filled((feed_table(found),))

    connect(app, "now", [("now-banner", "children")], now)
    connect(app, "numbers", [("numbers-cards", "children")], numbers)
    connect(app, "movers", [("movers-table", "children")], movers)
    connect(app, "feed", [("feed-table", "children")], feed)


def _register_charts(app: Dash, api: Client) -> None:
    async def louder(ask: Ask) -> Filled:
        view = await api.get(
            client.HEATMAP,
            "/heatmap",
            from_=ask.at.start,
            to=ask.at.end,
            limit=40,
            resource=ask.at.resource,
        )
        if not view.tenants or not view.clock:
            return empty("No tenant has data in this range. Choose a longer range above.")
        return Filled((heatmap.figure(view, ask.scheme), _tall(heatmap.height(len(view.tenants)))))

    async def full(ask: Ask) -> Filled:
        rows, open_ = await asyncio.gather(
            api.get(client.DENSITY, "/density"),
            api.get(client.INCIDENTS, "/incidents", state=OPEN, limit=100),
        )
        if not rows:
            return empty("No resource is known yet. They appear with the first usage of them.")
        figure = density.figure(rows, blamed(open_), ask.scheme)
        hidden = sum(density.fullness(row) is None for row in rows)
        note = (
            f"{wording.plural(hidden, 'resource')} without a known capacity left out."
            if hidden
            else ""
        )
        state = PanelState.PARTIAL if hidden else PanelState.READY
        return Filled((figure, _tall(density.height(len(rows) - hidden))), state, note)

    connect(app, "louder", [("louder-graph", "figure"), ("louder-graph", "style")], louder)
    connect(app, "full", [("full-graph", "figure"), ("full-graph", "style")], full)
    opens(app, "louder-graph", "openCell")
    opens(app, "full-graph", "openResource")


def opens(app: Dash, graph_id: str, function: str) -> None:
    """A click on a mark of the chart leads to what it stands for (assets/pw.js)."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("pw", function),
        Output("sink", "data", allow_duplicate=True),
        Input(graph_id, "clickData"),
        prevent_initial_call=True,
    )


def _tall(height: int) -> dict[str, str]:
    return {"height": f"{height}px"}


async def _cost(api: Client) -> CostPage | None:
    """Cost may be missing (no price sheet, no week yet) without hiding the other numbers."""
    try:
        return await api.get(client.COSTS, "/costs")
    except ClientError:
        return None


def worst(incidents: list[IncidentSummary]) -> IncidentSummary | None:
    """Pages before tickets, blame before none, then the most victims."""
    return max(
        incidents,
        key=lambda one: (one.severity == "page", one.kind == "noisy_neighbour", one.victims),
        default=None,
    )


def blamed(incidents: list[IncidentSummary]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for one in incidents:
        found[one.resource] = found.get(one.resource, frozenset()) | frozenset(one.aggressors)
    return found


def cards(health: Health, cost: CostPage | None) -> list[Kpi]:
    hot = health.hottest_utilisation
    affected = health.affected_tenants / health.tenants if health.tenants else 0
    return [
        Kpi(
            "Open incidents",
            f"{health.open_incidents}",
            _calm_words(health),
            "bad" if health.open_incidents else "",
            address.link("incidents", **{"var-state": "firing"}),
        ),
        Kpi(
            "Tenants affected",
            f"{health.affected_tenants:,}",
            f"{affected:.1%} of {health.tenants:,}",
            "victim" if health.affected_tenants else "",
            address.link("tenants", **{"var-state": "hurt"}),
        ),
        Kpi(
            "Hottest resource",
            wording.percent(hot),
            health.hottest_resource or "none known",
            "bad" if (hot or 0) > HOT else "",
            address.link("shards"),
        ),
        Kpi(
            "Cost this week",
            wording.rounded(cost.bill, cost.currency) if cost else "–",
            f"{cost.week}, {cost.status}" if cost else "no price sheet yet",
            "",
            address.link("cost"),
        ),
        Kpi(
            "Messages waiting",
            f"{health.deliveries_pending:,}",
            f"{health.deliveries_failed:,} failed",
            "bad" if health.deliveries_failed else "",
            address.link("alerts"),
        ),
    ]


def _calm_words(health: Health) -> str:
    if health.open_incidents or health.longest_calm_s is None:
        return f"on {wording.plural(health.resources, 'resource')}"
    return f"longest calm {wording.span(health.longest_calm_s)}"


def movers_table(items: list[TenantSummary]) -> Component:
    columns = [
        Column("Tenant"),
        Column("State"),
        Column("Times expected", number=True),
        Column("Share of its resource", number=True),
        Column("p95", number=True, wide_only=True),
    ]
    rows: list[list[Cell]] = [
        [
            tenant_link(one.id, "aggressor" if one.state == "loud" else ""),
            state_badge(one.state),
            wording.times(one.noise),
            table.bar(
                one.share,
                "aggressor" if one.state == "loud" else "others",
                wording.percent(one.share, 1),
            ),
            wording.seconds(one.p95_s),
        ]
        for one in items
    ]
    return table.table(columns, rows, "Tenants with the largest load over expected")


def feed_table(found: list[IncidentSummary]) -> Component:
    columns = [
        Column("Incident"),
        Column("Kind", wide_only=True),
        Column("State"),
        Column("Victims", number=True, wide_only=True),
        Column("Since (UTC)", number=True),
    ]
    rows: list[list[Cell]] = [
        [
            incident_link(one.id, one.sentence),
            wording.kind(one.kind),
            state_badge(one.state),
            f"{one.victims:,}",
            wording.stamp(one.started_at),
        ]
        for one in found
    ]
    return table.table(columns, rows, "Latest incidents")
