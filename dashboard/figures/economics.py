"""Cost as areas, as steps, against revenue, and by plan. Floats only place; words are exact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate, pairwise

import plotly.graph_objects as go

from analyzer.api.views.cost import CostLine
from dashboard.figures.base import framed
from dashboard.figures.tiles import Tile, rectangle, tiles
from dashboard.theme import Scheme

HEIGHT = 380
OTHER = "__other__"
CAUSES = (
    ("price", "prices"),
    ("usage", "own use"),
    ("neighbours", "neighbours"),
    ("policy", "policy"),
    ("moves", "moves"),
    ("restatement", "restatement"),
)
_AREAS = 150


def treemap(lines: Sequence[CostLine], currency: str, scheme: Scheme) -> go.Figure:
    """Plan, then tenant; area is cost, colour is margin over cost: orange loses, blue earns.

    Drawn as rectangles: our plotly has no treemap in it.
    """
    found = go.Figure()
    shapes, notes = [], []
    spots: list[tuple[Tile, CostLine]] = []
    plans = by_plan([line for line in lines if Decimal(line.total) > 0][:_AREAS], others=True)
    plans.sort(key=lambda one: -_whole(one[1]))
    for (plan, mine), room in zip(
        plans, tiles([_whole(mine) for _, mine in plans], Tile(0, 0, 160, 100)), strict=True
    ):
        notes.append(_label(plan, room, scheme))
        inside = room.inside(0.4, top=5)
        for line, tile in zip(mine, tiles([_cost(one) for one in mine], inside), strict=True):
            shapes.append(rectangle(tile, _shade(line, scheme), scheme.panel))
            spots.append((tile, line))
    found.add_trace(
        go.Scatter(
            x=[tile.x + tile.width / 2 for tile, _ in spots],
            y=[tile.y + tile.height / 2 for tile, _ in spots],
            mode="text",
            text=[_short(line, tile) for tile, line in spots],
            textfont={"size": 11, "color": scheme.text},
            customdata=[
                [_name(line), line.total, _margin_words(line, currency), _plan(line)]
                for _, line in spots
            ],
            hovertemplate="<b>%{customdata[0]}</b>, %{customdata[3]}<br>%{customdata[1]} "
            + currency
            + "<br>%{customdata[2]}<extra></extra>",
            cliponaxis=False,
        )
    )
    framed(found, scheme, height=HEIGHT, legend=False)
    found.update_layout(shapes=shapes, annotations=notes, hovermode="closest", hoverdistance=60)
    found.update_xaxes(visible=False, range=[0, 160], fixedrange=True)
    found.update_yaxes(visible=False, range=[0, 100], fixedrange=True)
    return found


def _label(plan: str, room: Tile, scheme: Scheme) -> dict[str, object]:
    return {
        "x": room.x + 0.6,
        "y": room.y + room.height - 2.6,
        "xanchor": "left",
        "text": plan.replace("<", "&lt;"),
        "showarrow": False,
        "font": {"size": 11, "color": scheme.dim},
    }


def _shade(line: CostLine, scheme: Scheme) -> str:
    """Stronger, the further from break-even; grey without a price."""
    if line.margin is None:
        return scheme.fill(scheme.others, 0.35)
    part = _earning(line)
    colour = scheme.aggressor if part < 0 else scheme.victim
    return scheme.fill(colour, 0.15 + 0.5 * abs(part))


def _short(line: CostLine, tile: Tile) -> str:
    """A name only where it fits; a minus marks who loses, besides the colour."""
    name = _name(line).replace("<", "&lt;")
    if tile.width < 2.1 * (len(name) + 1) or tile.height < 4:
        return ""
    return f"− {name}" if _earning(line) < 0 else name


def _cost(line: CostLine) -> float:
    return float(Decimal(line.total))


def _whole(lines: Sequence[CostLine]) -> float:
    return sum(map(_cost, lines))


def scatter(lines: Sequence[CostLine], currency: str, scheme: Scheme) -> go.Figure:
    """Cost against revenue, both logarithmic; on the diagonal a tenant breaks even."""
    shown = earning(lines)
    x = [float(Decimal(line.total)) for line in shown]
    y = [float(Decimal(line.revenue or "0")) for line in shown]
    ends = [min([*x, *y], default=1.0), max([*x, *y], default=1.0)]
    found = go.Figure()
    found.add_trace(
        go.Scatter(
            x=ends, y=ends, mode="lines", name="break-even",
            line={"color": scheme.dim, "dash": "dot", "width": 1}, hoverinfo="skip",
        )
    )  # fmt: skip
    for words, colour, symbol, wins in (
        ("earns more than it costs", scheme.victim, "circle", True),
        ("costs more than it earns", scheme.aggressor, "x", False),
    ):
        mine = [k for k in range(len(shown)) if (y[k] >= x[k]) is wins]
        found.add_trace(
            go.Scatter(
                x=[x[k] for k in mine],
                y=[y[k] for k in mine],
                mode="markers",
                name=words,
                marker={"color": colour, "symbol": symbol, "size": 8, "opacity": 0.75},
                customdata=[
                    [_name(shown[k]), shown[k].total, shown[k].revenue, shown[k].margin]
                    for k in mine
                ],
                hovertemplate="<b>%{customdata[0]}</b><br>costs %{customdata[1]}, earns"
                f" %{{customdata[2]}} {currency}<br>margin %{{customdata[3]}}<extra></extra>",
            )
        )
    framed(found, scheme, height=HEIGHT)
    found.update_xaxes(type="log", title={"text": f"cost, {currency}", "font": {"size": 11}})
    found.update_yaxes(type="log", title={"text": f"revenue, {currency}", "font": {"size": 11}})
    found.update_layout(legend={"y": -0.2})
    return found


def earning(lines: Sequence[CostLine]) -> list[CostLine]:
    """Tenants with a price and a cost, without the rest that is summed."""
    return [
        line
        for line in lines
        if line.tenant != OTHER
        and line.revenue
        and Decimal(line.revenue) > 0
        and Decimal(line.total) > 0
    ]


def changes(lines: Sequence[CostLine]) -> list[tuple[str, Decimal]] | None:
    """The six causes summed over tenants, and the change; None when nobody's is known."""
    known = [line.why for line in lines if line.why is not None]
    if not known:
        return None
    return [
        (words, sum((Decimal(getattr(why, name)) for why in known), Decimal()))
        for name, words in CAUSES
    ]


def waterfall(
    steps: Sequence[tuple[str, Decimal]], now: Decimal, currency: str, scheme: Scheme
) -> go.Figure:
    """From last week, as it was told, to this week; drawn as bars on bars."""
    change = sum((amount for _, amount in steps), Decimal())
    words = ["last week", *(name for name, _ in steps), "this week"]
    amounts = [now - change, *(amount for _, amount in steps), now]
    values = [float(amount) for amount in amounts]
    ends = list(accumulate(values[:-1]))
    bases = [0.0, *(min(a, b) for a, b in pairwise(ends)), 0.0]
    colours = [
        scheme.others,
        *(scheme.aggressor if value > 0 else scheme.victim for value in values[1:-1]),
        scheme.others,
    ]
    found = go.Figure(
        go.Bar(
            x=words,
            base=bases,
            y=[values[0], *map(abs, values[1:-1]), values[-1]],
            text=[str(amounts[0]), *(f"{amount:+}" for amount in amounts[1:-1]), str(now)],
            textposition="outside",
            cliponaxis=False,
            customdata=[str(amount) for amount in amounts],
            hovertemplate=f"<b>%{{x}}</b><br>%{{customdata}} {currency}<extra></extra>",
            marker={"color": colours, "line": {"width": 0}},
        )
    )
    framed(found, scheme, height=HEIGHT, legend=False)
    found.update_layout(margin={"t": 28}, bargap=0.35)
    found.update_xaxes(tickangle=0, tickfont={"size": 11}, fixedrange=True)
    found.update_yaxes(title={"text": currency, "font": {"size": 11}}, rangemode="tozero")
    return found


def box(lines: Sequence[CostLine], currency: str, scheme: Scheme) -> go.Figure:
    """Cost a tenant by plan: the middle half, the median, and who is far out."""
    found = go.Figure()
    for plan, mine in by_plan(lines):
        found.add_trace(
            go.Box(
                x=[float(Decimal(line.total)) for line in mine],
                name=plan,
                customdata=[[_name(line), line.total] for line in mine],
                hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} "
                + currency + "<extra></extra>",
                marker={"color": scheme.victim, "size": 4},
                line={"color": scheme.dim, "width": 1},
                fillcolor=scheme.fill(scheme.victim, 0.18),
                boxpoints="outliers",
            )
        )  # fmt: skip
    framed(found, scheme, height=HEIGHT, legend=False)
    found.update_xaxes(type="log", title={"text": currency, "font": {"size": 11}})
    return found


def by_plan(lines: Sequence[CostLine], *, others: bool = False) -> list[tuple[str, list[CostLine]]]:
    """Tenants of each plan that cost something; the summed rest only with `others`."""
    plans: dict[str, list[CostLine]] = defaultdict(list)
    for line in lines:
        if (others or line.tenant != OTHER) and Decimal(line.total) > 0:
            plans[_plan(line)].append(line)
    return sorted(plans.items())


def _plan(line: CostLine) -> str:
    return "all others" if line.tenant == OTHER else line.plan or "no plan"


def _name(line: CostLine) -> str:
    return f"{line.names:,} others" if line.tenant == OTHER else line.tenant


def _earning(line: CostLine) -> float:
    """Margin over cost, from -1 to 1; what has no price is in the middle."""
    if line.margin is None:
        return 0.0
    return max(-1.0, min(1.0, float(Decimal(line.margin) / Decimal(line.total))))


def _margin_words(line: CostLine, currency: str) -> str:
    return "no price" if line.margin is None else f"margin {line.margin} {currency}"
