"""All resources at one look: who peaks with whom, what fills cost, what being full costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import plotly.graph_objects as go

from analyzer.api.views.cost import CostLeaf, CostTree
from analyzer.api.views.resources import LoadsTogether, ResourceWeekView
from dashboard.figures.base import framed
from dashboard.figures.tiles import Tile, rectangle, tiles
from dashboard.theme import Scheme

HEIGHT = 340
TREE_HEIGHT = 460
ROOM = (160.0, 100.0)
LABEL = 4.0
_OTHERS = "__other__"


def frontier(weeks: Sequence[ResourceWeekView], scheme: Scheme) -> go.Figure:
    """A dot a resource and week: how full it was against its hours of incidents."""
    newest = max((one.week for one in weeks), default="")
    found = go.Figure()
    for name, mine in (
        ("earlier weeks", [one for one in weeks if one.week != newest]),
        ("this week", [one for one in weeks if one.week == newest]),
    ):
        bad = [one.incident_hours > 0 for one in mine]
        now = name == "this week"
        found.add_trace(
            go.Scatter(
                x=[one.packing for one in mine],
                y=[one.incident_hours for one in mine],
                mode="markers",
                name=name,
                marker={
                    "size": 11 if now else 8,
                    "opacity": 1 if now else 0.5,
                    "symbol": ["x" if is_bad else "circle" for is_bad in bad],
                    "color": [scheme.aggressor if is_bad else scheme.victim for is_bad in bad],
                },
                customdata=[[_safe(one.resource), one.week] for one in mine],
                hovertemplate="<b>%{customdata[0]}</b>, %{customdata[1]}<br>%{x:.0%} full,"
                " %{y:.2f} h of incidents<extra></extra>",
            )
        )
    framed(found, scheme, height=HEIGHT)
    found.update_xaxes(
        tickformat=".0%",
        rangemode="tozero",
        title={"text": "full at the 95th percentile", "font": {"size": 11}},
    )
    found.update_yaxes(
        rangemode="tozero", title={"text": "hours of incidents in the week", "font": {"size": 11}}
    )
    found.update_layout(legend={"y": 1.02, "yanchor": "bottom"})
    return found


def together(found: LoadsTogether, scheme: Scheme) -> go.Figure:
    """Resource against resource: vermillion peak together, blue apart. Nothing on the diagonal."""
    shown = [
        [None if i == j else value for j, value in enumerate(row)]
        for i, row in enumerate(found.correlation)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            x=found.resources,
            y=found.resources,
            zmin=-1,
            zmax=1,
            colorscale=[
                [0, scheme.low[0]], [0.25, scheme.low[1]], [0.5, scheme.centre],
                [0.75, scheme.high[0]], [1, scheme.high[1]],
            ],
            hoverongaps=False,
            hovertemplate="<b>%{y}</b> with <b>%{x}</b>: r = %{z:.2f}<extra></extra>",
            colorbar={"thickness": 10, "outlinewidth": 0, "tickvals": [-1, 0, 1],
                      "ticktext": ["apart", "unrelated", "together"]},
        )
    )  # fmt: skip
    framed(figure, scheme, height=max(HEIGHT, 120 + 18 * len(found.resources)), legend=False)
    figure.update_yaxes(autorange="reversed", showgrid=False, dtick=1)
    figure.update_xaxes(showgrid=False, dtick=1, tickangle=-40)
    return figure


def tree(found: CostTree, scheme: Scheme) -> go.Figure:
    """Resource > plan > tenant, the area is cost, the colour the tenant's margin.

    Drawn as rectangles: our plotly has no treemap in it.
    """
    shapes: list[dict[str, object]] = []
    notes: list[dict[str, object]] = []
    spots: list[tuple[Tile, CostLeaf]] = []
    resources = _grouped(found.leaves, lambda leaf: leaf.resource)
    for (resource, below), room in _laid(resources, Tile(0, 0, *ROOM)):
        notes.append(_label(resource, room, scheme.text, scheme))
        shapes.append(rectangle(room.inside(0.2), "rgba(0,0,0,0)", scheme.line))
        plans = _grouped(below, lambda leaf: leaf.plan or "no plan")
        for (plan, mine), area in _laid(plans, room.inside(0.4, top=LABEL)):
            if area.height > 2 * LABEL:
                notes.append(_label(plan, area, scheme.dim, scheme))
            inside = area.inside(0.2, top=LABEL if area.height > 2 * LABEL else 0.0)
            for leaf, tile in zip(mine, tiles([_cost(one) for one in mine], inside), strict=True):
                shapes.append(rectangle(tile, _shade(leaf, scheme), scheme.panel))
                spots.append((tile, leaf))
    figure = go.Figure(
        go.Scatter(
            x=[tile.x + tile.width / 2 for tile, _ in spots],
            y=[tile.y + tile.height / 2 for tile, _ in spots],
            mode="text",
            text=[_short(leaf, tile) for tile, leaf in spots],
            textfont={"size": 11, "color": scheme.text},
            customdata=[
                [_name(leaf), _safe(leaf.resource), _safe(leaf.plan or "no plan"), leaf.cost,
                 _margin(leaf)]
                for _, leaf in spots
            ],
            hovertemplate="<b>%{customdata[0]}</b> on %{customdata[1]}, %{customdata[2]}<br>"
            "%{customdata[3]} " + _safe(found.currency) + "<br>%{customdata[4]}<extra></extra>",
            cliponaxis=False,
        )
    )  # fmt: skip
    framed(figure, scheme, height=TREE_HEIGHT, legend=False)
    figure.update_layout(shapes=shapes, annotations=notes, hovermode="closest", hoverdistance=60)
    figure.update_xaxes(visible=False, range=[0, ROOM[0]], fixedrange=True)
    figure.update_yaxes(visible=False, range=[0, ROOM[1]], fixedrange=True)
    return figure


Group = tuple[str, list[CostLeaf]]


def _grouped(leaves: Sequence[CostLeaf], by: Callable[[CostLeaf], str]) -> list[Group]:
    """Dearest group first, dearest leaf first in each."""
    found: dict[str, list[CostLeaf]] = {}
    for leaf in sorted(leaves, key=lambda one: (-_cost(one), one.tenant)):
        found.setdefault(by(leaf), []).append(leaf)
    return sorted(found.items(), key=lambda group: (-_sum(group[1]), group[0]))


def _laid(groups: Sequence[Group], room: Tile) -> Iterator[tuple[Group, Tile]]:
    yield from zip(groups, tiles([_sum(mine) for _, mine in groups], room), strict=True)


def _cost(leaf: CostLeaf) -> float:
    return float(leaf.cost)


def _sum(leaves: Sequence[CostLeaf]) -> float:
    return sum(_cost(leaf) for leaf in leaves)


def _label(text: str, room: Tile, colour: str, scheme: Scheme) -> dict[str, object]:
    """In the corner, where it fits; the hover tells it everywhere."""
    fits = room.width > 1.5 * len(text) and room.height > LABEL
    return {
        "x": room.x + 0.6,
        "y": room.y + room.height - 0.5,
        "xanchor": "left",
        "yanchor": "top",
        "text": _safe(text) if fits else "",
        "showarrow": False,
        "font": {"size": 11, "color": colour},
        "bgcolor": scheme.fill(scheme.panel, 0.0),
    }


def _shade(leaf: CostLeaf, scheme: Scheme) -> str:
    """Stronger, the further from break-even; grey where the margin is not known."""
    if leaf.margin is None:
        return scheme.fill(scheme.others, 0.35)
    colour = scheme.aggressor if leaf.margin < 0 else scheme.victim
    return scheme.fill(colour, 0.15 + 0.5 * min(1.0, abs(leaf.margin)))


def _name(leaf: CostLeaf) -> str:
    return "all smaller ones" if leaf.tenant == _OTHERS else _safe(leaf.tenant)


def _margin(leaf: CostLeaf) -> str:
    return "margin not known" if leaf.margin is None else f"margin {leaf.margin:.0%}"


def _short(leaf: CostLeaf, tile: Tile) -> str:
    """A name only where it fits; a minus marks who loses, besides the colour."""
    name = _name(leaf)
    if tile.width < 2.1 * (len(name) + 1) or tile.height < 4:
        return ""
    return f"− {name}" if (leaf.margin or 0) < 0 else name


def _safe(text: str) -> str:
    """Plotly reads a few tags in texts."""
    return text.replace("<", "&lt;")
