"""What does each tenant cost and earn?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from analyzer.api.views.cost import CostLine, CostPage, ResourceCost
from dashboard import address, client, wording
from dashboard.client import Client, ClientError
from dashboard.components import behind, kpi, table
from dashboard.components.badge import badge
from dashboard.components.chips import chips
from dashboard.components.grid import GridColumn, grid
from dashboard.components.keys import Key, keys
from dashboard.components.kpi import Kpi
from dashboard.components.panel import PanelState, graph, panel
from dashboard.components.table import Cell, Column
from dashboard.figures import cost, economics
from dashboard.wiring import Ask, Filled, connect, empty

TITLE = "Cost"
QUESTION = "What does each tenant cost and earn, to the cent?"

COLUMNS = [
    GridColumn("tenant", "Tenant", 130, render="PwTenant", grow=2),
    GridColumn("plan", "Plan", 95, wide_only=True),
    GridColumn(
        "direct", "Used directly", 110, show="pwMoney", number=True, wide_only=True, money=True
    ),
    GridColumn("own", "Own idle", 90, show="pwMoney", number=True, wide_only=True, money=True),
    GridColumn("idle", "Pool idle", 90, show="pwMoney", number=True, wide_only=True, money=True),
    GridColumn(
        "shared", "Common share", 115, show="pwMoney", number=True, wide_only=True, money=True
    ),
    GridColumn("credit", "Credit", 85, show="pwMoney", number=True, wide_only=True, money=True),
    GridColumn("total", "Total", 95, show="pwMoney", number=True, money=True),
    GridColumn("share", "Of the bill", 100, show="pwPercent", number=True, wide_only=True),
    GridColumn("revenue", "Earns", 90, show="pwMoney", number=True, wide_only=True, money=True),
    GridColumn("margin", "Margin", 95, show="pwMoney", number=True, money=True),
    GridColumn("change", "Against last week", 135, show="pwChange", number=True, wide_only=True),
]


KEYS = [
    Key("used directly", "area", "dark"),
    Key("share of idle time", "area", "mid"),
    Key("share of common costs", "area", "pale"),
]


def layout(_at: address.Address) -> list[Component]:
    return [
        html.Div(id="weeks", className="pw-filter pw-w-full"),
        panel("bill", "Numbers", "", kpi.row("bill-cards"), wide="pw-w-full pw-w-bare"),
        panel(
            "top",
            "Costliest tenants",
            "What they used, and their part of idle time and common costs.",
            keys(KEYS),
            graph("top-graph", 480, "Bars of cost a tenant"),
            height=480,
            wide="pw-w-7",
        ),
        panel(
            "pools",
            "Resources",
            "Each bill is allocated, idle or unattributed; the three add up exactly.",
            html.Div(id="pools-table"),
            height=200,
            wide="pw-w-5",
        ),
        panel(
            "areas",
            "Where the money goes",
            "Area is cost, by plan and tenant; orange costs more than it earns, blue earns more.",
            graph("areas-graph", economics.HEIGHT, "Treemap of cost by plan and tenant"),
            behind.place("areas-data"),
            height=economics.HEIGHT,
            wide="pw-w-6",
        ),
        panel(
            "steps",
            "Why it changed",
            "From last week, as it was told, to this week; the six causes sum exactly.",
            graph("steps-graph", economics.HEIGHT, "Waterfall of the weekly change"),
            behind.place("steps-data"),
            height=economics.HEIGHT,
            wide="pw-w-6",
        ),
        panel(
            "earning",
            "Cost against revenue",
            "Above the dotted line a tenant earns more than it costs.",
            graph("earning-graph", economics.HEIGHT, "Scatter of cost against revenue"),
            behind.place("earning-data"),
            height=economics.HEIGHT,
            wide="pw-w-6",
        ),
        panel(
            "tiers",
            "Cost by plan",
            "The box holds the middle half of the plan's tenants; dots are far out.",
            graph("tiers-graph", economics.HEIGHT, "Boxes of cost a tenant by plan"),
            behind.place("tiers-data"),
            height=economics.HEIGHT,
            wide="pw-w-6",
        ),
        panel(
            "lines",
            "Every tenant",
            "Amounts add up to the bill as shown, in its currency.",
            grid("lines-grid", COLUMNS, height=520, sort="total"),
            height=520,
        ),
    ]


def register(app: Dash, api: Client) -> None:
    async def asked(ask: Ask) -> CostPage:
        return await api.get(client.COSTS, "/costs", week=ask.at.week)

    async def bill(ask: Ask) -> Filled:
        page = await asked(ask)
        return Filled((kpi.kpis(cards(page)),))

    async def top(ask: Ask) -> Filled:
        page = await asked(ask)
        if not page.lines:
            return empty("Nothing is allocated in this time. Prices stand under [[cost.price]].")
        figure = cost.figure(page.lines, page.currency, ask.scheme)
        return Filled((figure, {"height": f"{cost.height(len(page.lines))}px"}))

    async def pools(ask: Ask) -> Filled:
        page = await asked(ask)
        if not page.resources:
            return empty("No resource has a price. Set one under [[cost.price]].")
        return Filled((pools_table(page),))

    async def lines(ask: Ask) -> Filled:
        page = await asked(ask)
        if not page.lines:
            return empty("No tenant has a cost in this time.")
        return Filled(([row(line) for line in page.lines],), *_coverage(page))

    _pictures(app, asked)
    connect(app, "bill", [("bill-cards", "children")], bill)
    connect(app, "top", [("top-graph", "figure"), ("top-graph", "style")], top)
    connect(app, "pools", [("pools-table", "children")], pools)
    connect(app, "lines", [("lines-grid", "rowData")], lines)
    _weeks(app, api)


def _pictures(app: Dash, asked: Callable[[Ask], Awaitable[CostPage]]) -> None:
    async def areas(ask: Ask) -> Filled:
        page = await asked(ask)
        if not page.lines:
            return empty("Nothing is allocated in this time.")
        rows: list[list[Cell]] = [
            [one.tenant, one.plan, one.total, one.margin or "–"] for one in page.lines
        ]
        data = behind.behind(("Tenant", "Plan", "Cost", "Margin"), rows, page.currency, texts=2)
        return Filled((economics.treemap(page.lines, page.currency, ask.scheme), data))

    async def steps(ask: Ask) -> Filled:
        page = await asked(ask)
        found = economics.changes(page.lines)
        if found is None:
            return empty("Only a closed week is compared with the week before it.")
        now = sum((Decimal(line.total) for line in page.lines if line.why), Decimal())
        figure = economics.waterfall(found, now, page.currency, ask.scheme)
        rows: list[list[Cell]] = [[words, f"{amount:+}"] for words, amount in found]
        return Filled(
            (figure, behind.behind(("Cause", page.currency), rows, "Of all tenants shown"))
        )

    async def earning(ask: Ask) -> Filled:
        page = await asked(ask)
        known = economics.earning(page.lines)
        if not known:
            return empty("No tenant has both a price and a cost. Prices stand under [[plan]].")
        rows: list[list[Cell]] = [
            [one.tenant, one.total, one.revenue or "–", one.margin or "–"] for one in known
        ]
        data = behind.behind(("Tenant", "Cost", "Revenue", "Margin"), rows, page.currency)
        return Filled((economics.scatter(page.lines, page.currency, ask.scheme), data))

    async def tiers(ask: Ask) -> Filled:
        page = await asked(ask)
        plans = economics.by_plan(page.lines)
        if not plans:
            return empty("No tenant has a cost in this time.")
        rows: list[list[Cell]] = [
            [plan, f"{len(mine):,}", *_quartiles([Decimal(one.total) for one in mine])]
            for plan, mine in plans
        ]
        head = ("Plan", "Tenants", "Least", "Median", "Most")
        data = behind.behind(head, rows, page.currency)
        return Filled((economics.box(page.lines, page.currency, ask.scheme), data))

    for name, load in (("areas", areas), ("steps", steps), ("earning", earning), ("tiers", tiers)):
        connect(app, name, [(f"{name}-graph", "figure"), (f"{name}-data", "children")], load)


def _quartiles(costs: list[Decimal]) -> list[Cell]:
    ordered = sorted(costs)
    return [f"{ordered[0]}", f"{ordered[len(ordered) // 2]}", f"{ordered[-1]}"]


def _weeks(app: Dash, api: Client) -> None:
    @app.callback(
        Output("weeks", "children"),
        Input("version", "data"),
        Input("url", "search"),
        State("url", "pathname"),
    )
    async def weeks(version: str | None, search: str | None, path: str) -> list[Component]:
        at = address.read(path, search)
        if version is None:
            raise PreventUpdate
        try:
            page = await api.get(client.COSTS, "/costs", week=at.week)
        except ClientError:
            raise PreventUpdate from None
        return choose_week(page, at)


def choose_week(page: CostPage, at: address.Address) -> list[Component]:
    choices = [(week, week) for week in page.weeks[:12]]
    months = [(month, month) for month in page.months[:6]]
    download = f"/download/reports/{page.week}"
    files = [
        html.A("CSV", href=f"{download}?format=csv"),
        html.A("Report", href=f"{download}?format=html", target="_blank"),
    ]
    extra = html.Div(
        [
            badge(page.status, "warn" if page.status == "estimate" else "calm"),
            html.Span(
                f"{page.start:%d %b %H:%M} to {page.end:%d %b %H:%M} {page.zone}, {page.hours} h"
            ),
            *(files if "W" in page.week else []),
        ],
        className="pw-chips",
    )
    return [
        chips("Week", "var-week", page.week, choices, at),
        chips("Month", "var-week", page.week, months, at),
        extra,
    ]


def _coverage(page: CostPage) -> tuple[PanelState, str]:
    if page.coverage is None or page.coverage > 0.999:
        return PanelState.READY, ""
    return (
        PanelState.PARTIAL,
        f"Usage covers {page.coverage:.1%} of the week's hours; the rest is unattributed.",
    )


def cards(page: CostPage) -> list[Kpi]:
    known = [Decimal(line.margin) for line in page.lines if line.margin is not None]
    losing = sum(margin < 0 for margin in known)

    def money(amount: str) -> str:
        return wording.rounded(amount, page.currency)

    return [
        Kpi("Bill", money(page.bill), f"{page.week}, {page.status}{_reconciled(page)}"),
        Kpi("Allocated", money(page.allocated), f"to {wording.plural(len(page.lines), 'tenant')}"),
        Kpi("Idle", money(page.idle), "paid for, not used"),
        Kpi("Unattributed", money(page.unattributed), "nobody could be named"),
        Kpi(
            "Cost more than they earn",
            f"{losing:,}",
            f"of {len(known):,} with a price",
            "bad" if losing else "",
        ),
    ]


def _reconciled(page: CostPage) -> str:
    return f", {page.reconciled:.0%} as billed" if page.reconciled else ""


def pools_table(page: CostPage) -> Component:
    """The column of adjustments is there once a bill replaced an estimate."""
    billed = any(one.adjustment is not None for one in page.resources)
    names = ("Resource", "Bill", "Allocated", "Idle", "Unattributed", "Against estimate")
    columns = [
        Column(name, number=name != "Resource", wide_only=name in names[4:])
        for name in names[: None if billed else -1]
    ]
    rows: list[list[Cell]] = [
        [
            _named(one),
            *[
                wording.money(amount, "")
                for amount in (one.bill, one.allocated, one.idle, one.unattributed)
            ],
            *([_adjusted(one)] if billed else []),
        ]
        for one in page.resources
    ]
    return table.table(columns, rows, "Cost of each resource")


def _adjusted(one: ResourceCost) -> str:
    return "–" if one.adjustment is None else wording.money(one.adjustment, "")


def _named(one: ResourceCost) -> Cell:
    """Lines of a bill that no rule gives to a resource are shown, and said to be so."""
    return (
        [one.resource, " ", badge("no rule", "warn")] if one.kind == "unmatched" else one.resource
    )


def row(line: CostLine) -> dict[str, object]:
    """Amounts stay the analyzer's decimal strings; the grid sorts them as numbers."""
    return line.model_dump()
