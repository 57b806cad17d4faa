"""The pictures of the page Shards: who fills a resource, when, with whom, for how much."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dash import Dash
from dash.development.base_component import Component

from analyzer.api.views.resources import DensityRow
from dashboard import client, wording
from dashboard.client import Client
from dashboard.components import behind
from dashboard.components.panel import graph, panel
from dashboard.components.table import Cell
from dashboard.figures import density, fleet
from dashboard.figures import room as room_figures
from dashboard.wiring import Ask, Filled, connect, empty

Rows = Callable[[Ask], Awaitable[list[DensityRow]]]


def panels() -> list[Component]:
    return [
        _picture(
            "lorenz",
            "How unevenly it is shared",
            "A curve that sags to the corner is one tenant's; the fullest resources.",
            "Lorenz curves of the fullest resources",
            half=True,
        ),
        _picture(
            "frontier",
            "Full against trouble",
            "A dot a resource and week: to the right fuller, above more hours of incidents.",
            "Packing against hours of incidents, by resource and week",
            half=True,
        ),
        _picture(
            "hours",
            "Who works when",
            "Largest tenants of the fullest (or chosen) resource by hour of the week, UTC.",
            "Heatmap of tenants by hour of the week",
            height=420,
        ),
        _picture(
            "together",
            "Who peaks with whom",
            "Correlation of hourly loads over four weeks: what peaks apart shares best.",
            "Map of resources by how alike their loads are",
            half=True,
        ),
        _picture(
            "tree",
            "What the cost is made of",
            "Resource, plan, tenant of this week: the area is cost, orange loses, blue earns.",
            "Treemap of cost by resource, plan and tenant",
            height=fleet.TREE_HEIGHT,
            half=True,
        ),
    ]


def _picture(
    name: str,
    title: str,
    how: str,
    label: str,
    *,
    height: int = room_figures.HEIGHT,
    half: bool = False,
) -> Component:
    return panel(
        name,
        title,
        how,
        graph(f"{name}-graph", height, label),
        behind.place(f"{name}-data"),
        height=height,
        wide="pw-w-6" if half else "",
    )


def register(app: Dash, api: Client, rows_of: Rows) -> None:
    _by_density(app, api, rows_of)
    _by_fleet(app, api)


def _by_density(app: Dash, api: Client, rows_of: Rows) -> None:
    async def lorenz(ask: Ask) -> Filled:
        rows = room_figures.curved(await rows_of(ask))
        if not rows:
            return empty("Nobody used a resource in the last week.")
        told: list[list[Cell]] = [
            [row.resource, f"{row.lorenz[len(row.lorenz) // 2]:.1%}", wording.number(row.gini)]
            for row in rows
        ]
        head = ("Resource", "The smaller half takes", "Gini")
        return Filled(
            (room_figures.lorenz(rows, ask.scheme), behind.behind(head, told, "Last week"))
        )

    async def hours(ask: Ask) -> Filled:
        fullest = density.ranked(await rows_of(ask), 1)
        if not fullest:
            return empty("No resource is known yet.")
        found = await api.get(client.HOURS, "/density/hours", resource=fullest[0].resource)
        if not found.tenants:
            return empty(f"Nobody used {found.resource} in the last four weeks.")
        told: list[list[Cell]] = [
            [tenant, f"{sum(row) / len(row):.1%}", f"{max(row):.1%}", _when(row)]
            for tenant, row in zip(found.tenants, found.values, strict=True)
        ]
        head = ("Tenant", "Mean", "Busiest", "At (UTC)")
        figure = room_figures.hours(found, ask.scheme)
        return Filled((figure, behind.behind(head, told, found.resource)))

    _connect(app, "lorenz", lorenz)
    _connect(app, "hours", hours)


def _by_fleet(app: Dash, api: Client) -> None:
    async def frontier(ask: Ask) -> Filled:
        known = await api.get(client.WEEKS, "/density/weeks")
        weeks = [one for one in known if ask.at.resource in {"", one.resource}]
        if not weeks:
            return empty("No resource has a known capacity and an hour of usage.")
        newest = sorted(weeks, key=lambda one: (one.week, one.packing), reverse=True)
        told: list[list[Cell]] = [
            [one.resource, one.week, wording.percent(one.packing), f"{one.incident_hours:.2f}"]
            for one in newest
        ]
        head = ("Resource", "Week", "Full", "Hours of incidents")
        data = behind.behind(head, told, "Eight weeks, newest first", texts=2)
        return Filled((fleet.frontier(weeks, ask.scheme), data))

    async def together(ask: Ask) -> Filled:
        found = await api.get(client.TOGETHER, "/density/together")
        if len(found.resources) < 2:
            return empty("Two resources with a day of usage are needed to compare them.")
        told: list[list[Cell]] = [
            [pair.one, pair.other, wording.number(pair.correlation), wording.percent(pair.common)]
            for pair in found.apart
        ]
        head = ("Resource", "With", "Correlation", "Common peak of both peaks")
        data = behind.behind(head, told, "The pairs that peak furthest apart", texts=2)
        return Filled((fleet.together(found, ask.scheme), data))

    async def tree(ask: Ask) -> Filled:
        found = await api.get(client.TREE, "/costs/tree")
        if not found.leaves:
            return empty("Nothing is allocated this week. Prices stand under [[cost.price]].")
        told: list[list[Cell]] = [
            [
                leaf.resource,
                leaf.plan or "–",
                leaf.tenant,
                wording.money(leaf.cost, found.currency),
                wording.percent(leaf.margin),
            ]
            for leaf in found.leaves
        ]
        head = ("Resource", "Plan", "Tenant", "Cost", "Margin")
        data = behind.behind(head, told, f"Week {found.week}", texts=3)
        return Filled((fleet.tree(found, ask.scheme), data))

    for name, load in (("frontier", frontier), ("together", together), ("tree", tree)):
        _connect(app, name, load)


def _connect(app: Dash, name: str, load: Callable[[Ask], Awaitable[Filled]]) -> None:
    connect(app, name, [(f"{name}-graph", "figure"), (f"{name}-data", "children")], load)


def _when(row: list[float]) -> str:
    hour = row.index(max(row))
    return f"{room_figures.DAYS[hour // 24]} {hour % 24:02d}:00"
