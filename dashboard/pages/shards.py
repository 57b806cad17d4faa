"""Which shared resource is full, and which tenant to move?"""

from __future__ import annotations

import asyncio

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views.resources import DensityRow
from dashboard import address, client, wording
from dashboard.client import Client
from dashboard.components import kpi, move_form, table
from dashboard.components.chips import cleared
from dashboard.components.grid import GridColumn, grid
from dashboard.components.keys import keys
from dashboard.components.kpi import Kpi
from dashboard.components.panel import graph, panel
from dashboard.components.table import Cell, Column
from dashboard.figures import density
from dashboard.pages import shards_pictures as pictures
from dashboard.pages.overview import OPEN, blamed, opens
from dashboard.wiring import Ask, Filled, connect, empty, follow

TITLE = "Shards"
QUESTION = "Which resource is full, who fills it, how long does it last?"
SOON_DAYS = 14
_MOST = 20

COLUMNS = [
    GridColumn("resource", "Resource", 120, grow=2),
    GridColumn("kind", "Kind", 80, wide_only=True),
    GridColumn(
        "packing",
        "Full",
        120,
        render="PwBar",
        number=True,
        help="Load at the 95th percentile of the week over capacity",
    ),
    GridColumn("headroom", "Headroom", 90, show="pwPercent", number=True, wide_only=True),
    GridColumn(
        "n1",
        "If one is lost",
        100,
        show="pwPercent",
        number=True,
        wide_only=True,
        help="Headroom when the other resource of its kind whose loss would hurt most is lost",
    ),
    GridColumn("binds", "Binds", 75, wide_only=True, help="The fullest dimension"),
    GridColumn("tenants", "Tenants", 74, number=True),
    GridColumn("active", "Active", 70, number=True, wide_only=True),
    GridColumn(
        "gain",
        "Sharing gain",
        100,
        show="pwTimes",
        number=True,
        wide_only=True,
        help="Sum of the tenants' own peaks over the common peak",
    ),
    GridColumn(
        "effective",
        "Effective",
        80,
        show="pwNumber",
        number=True,
        wide_only=True,
        help="How many equal tenants would load it as unevenly",
    ),
    GridColumn(
        "gini",
        "Inequality",
        85,
        show="pwNumber",
        number=True,
        wide_only=True,
        help="Gini coefficient of the tenants' loads: 0 equal, 1 one takes all",
    ),
    GridColumn("top", "Largest tenant", 110, render="PwTenant", wide_only=True),
    GridColumn("top_share", "Its share", 80, show="pwPercent", number=True, wide_only=True),
    GridColumn(
        "room",
        "Room for",
        85,
        number=True,
        show="pwNumber",
        wide_only=True,
        help="How many more median tenants fit",
    ),
    GridColumn("days", "Days to full", 92, number=True, show="pwNumber"),
]


def layout(_at: address.Address) -> list[Component]:
    return [
        panel(
            "room", "Numbers", "", kpi.row("room-cards", 4), wide="pw-w-full pw-w-bare pw-w-four"
        ),
        panel(
            "bars",
            "How full the resources are",
            "Busiest hours of the week as part of capacity, split by the largest tenants.",
            keys(density.KEYS),
            graph("bars-graph", 320, "Bars of resource use against capacity"),
            height=320,
        ),
        *pictures.panels(),
        panel(
            "plan",
            "What to move",
            "In order; each step is safe after the ones before it.",
            html.Div(id="plan-table"),
            move_form.move_form(),
            height=120,
        ),
        panel(
            "dimensions",
            "What binds",
            "Busy time, operations in flight and a second, volume, bytes held, where limited. The"
            " fullest binds; reserved is what contracts grant.",
            html.Div(id="dimensions-table"),
            height=120,
        ),
        panel(
            "packing",
            "Packing",
            "The same week in numbers; a dash means that the capacity is not known.",
            grid("packing-grid", COLUMNS, height=480, sort="packing"),
            height=480,
        ),
    ]


def register(app: Dash, api: Client) -> None:
    async def rows_of(ask: Ask) -> list[DensityRow]:
        rows = await api.get(client.DENSITY, "/density")
        return [row for row in rows if ask.at.resource in {"", row.resource}]

    async def room(ask: Ask) -> Filled:
        return Filled((kpi.kpis(cards(await rows_of(ask))),))

    async def bars(ask: Ask) -> Filled:
        open_ = api.get(client.INCIDENTS, "/incidents", state=OPEN, limit=100)
        rows, incidents = await asyncio.gather(rows_of(ask), open_)
        known = [row for row in rows if density.fullness(row) is not None]
        if not known:
            return empty(
                "No resource has a known capacity. Set one under [[resource]] in the configuration."
            )
        style = {"height": f"{density.height(len(known))}px"}
        return Filled((density.figure(rows, blamed(incidents), ask.scheme), style))

    async def packing(ask: Ask) -> Filled:
        rows = await rows_of(ask)
        if not rows:
            return empty("No resource is known yet. They appear with the first usage of them.")
        return Filled(([grid_row(row) for row in rows],))

    async def dimensions(ask: Ask) -> Filled:
        rows = [row for row in await rows_of(ask) if row.dimensions]
        if not rows:
            return empty("No resource has a known capacity and usage to hold against it.")
        columns = [
            Column("Resource"), Column("Dimension"), Column("Full", number=True),
            Column("Headroom", number=True), Column("If one is lost", number=True),
            Column("Reserved", number=True), Column("Binds"),
        ]  # fmt: skip
        told = [line for row in density.ranked(rows, _MOST) for line in dimension_rows(row)]
        return Filled((table.table(columns, told, "Last week, fullest resources first"),))

    connect(app, "dimensions", [("dimensions-table", "children")], dimensions)
    pictures.register(app, api, rows_of)
    _plan(app, api)
    move_form.register(app, api)
    connect(app, "room", [("room-cards", "children")], room)
    connect(app, "bars", [("bars-graph", "figure"), ("bars-graph", "style")], bars)
    connect(app, "packing", [("packing-grid", "rowData")], packing)
    opens(app, "bars-graph", "openResource")
    follow(app, "shard-chips", lambda at: cleared("On", "var-resource", at.resource, at))


def _plan(app: Dash, api: Client) -> None:
    async def plan(_ask: Ask) -> Filled:
        found = await api.get(client.PLAN, "/placement/plan", most=20)
        if not found.moves:
            kept = "; ".join(f"{one.name}: {one.why}" for one in found.kept[:4])
            return Filled((html.P(f"No move is worth it. {kept}", className="pw-dim"),))
        columns = [
            Column("Tenant"), Column("From"), Column("To"), Column("Why"),
            Column("Saves a month", number=True),
        ]  # fmt: skip
        rows: list[list[Cell]] = [
            [
                one.tenant,
                one.source,
                one.target,
                one.reason,
                wording.money(one.saving, found.currency) if one.saving else "–",
            ]
            for one in found.moves
        ]
        caption = f"{found.before} resources before, {found.after} after; at least {found.bound}"
        return Filled((table.table(columns, rows, caption),))

    connect(app, "plan", [("plan-table", "children")], plan)


def dimension_rows(row: DensityRow) -> list[list[Cell]]:
    """A line a dimension, the fullest first. Contracts and the loss of one speak of time."""
    ranked = sorted(row.dimensions, key=lambda one: (-one.full, one.name))
    return [
        [
            row.resource,
            one.name,
            wording.percent(one.full),
            wording.percent(1 - one.full),
            wording.percent(one.n1_headroom),
            wording.percent(row.reservation if one.name == "time" else None),
            "binds" if one.name == row.binding else "–",
        ]
        for one in ranked
    ]


def cards(rows: list[DensityRow]) -> list[Kpi]:
    full = density.ranked(rows, 1)
    above = [row for row in rows if (density.fullness(row) or 0) > density.TARGET]
    soon = [row for row in rows if row.days_to_full is not None and row.days_to_full < SOON_DAYS]
    known = [row.room for row in rows if row.room is not None]
    return [
        Kpi(
            "Fullest",
            wording.percent(density.fullness(full[0])) if full else "–",
            full[0].resource if full else "none known",
            "bad" if above else "",
        ),
        Kpi(
            "Above target",
            f"{len(above):,}",
            f"of {wording.plural(len(rows), 'resource')}",
            "bad" if above else "",
        ),
        Kpi(
            "Full within two weeks",
            f"{len(soon):,}",
            wording.names([row.resource for row in soon], 2),
        ),
        Kpi("Room for", f"{sum(known):,}" if known else "–", "more median tenants in all"),
    ]


def grid_row(row: DensityRow) -> dict[str, object]:
    return {
        "resource": row.resource,
        "kind": row.kind,
        "packing": density.fullness(row),
        "headroom": row.headroom,
        "n1": row.n1_headroom,
        "binds": row.binding or "–",
        "tenants": row.tenants,
        "active": row.active_tenants,
        "gain": row.multiplexing_gain,
        "effective": row.effective_tenants,
        "gini": row.gini,
        "top": row.top_tenant,
        "top_share": row.top_share,
        "room": row.room,
        "days": row.days_to_full,
    }
