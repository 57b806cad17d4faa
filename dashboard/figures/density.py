"""How full each resource is, and who fills it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from analyzer.api.views.resources import DensityRow
from dashboard.components.keys import Key
from dashboard.figures.base import framed
from dashboard.theme import Scheme

HEAD_PX = 56
MOST = 24
TARGET = 0.8
"""Where the marked line stands: above it one more surge finds no room."""

KEYS = (
    Key("held responsible now", "area", "aggressor"),
    Key("four largest tenants", "area", "dark"),
    Key("all others", "area", "rest"),
    Key("if another of its kind is lost", "line", "text"),
)

OTHERS = "__other__"


def fullness(row: DensityRow) -> float | None:
    """Share of the capacity used at the 95th percentile of the week; None without a capacity."""
    if row.packing is not None:
        return row.packing
    return row.p95_load / row.capacity if row.capacity else None


def ranked(rows: Sequence[DensityRow], most: int = MOST) -> list[DensityRow]:
    """Fullest first; what has no capacity stands last."""
    return sorted(rows, key=lambda row: -(fullness(row) or 0.0))[:most]


def height(rows: int) -> int:
    """Bars stay between 22 and 40 px, whatever their number."""
    shown = max(1, min(rows, MOST))
    return HEAD_PX + shown * max(22, min(40, 590 // shown))


def figure(
    rows: Sequence[DensityRow], blamed: Mapping[str, frozenset[str]], scheme: Scheme
) -> go.Figure:
    """Stacked bars, one a resource. `blamed` maps a resource to the tenants now held responsible:
    they are vermillion, the largest others step down in grey.
    """
    shown = [row for row in ranked(rows) if fullness(row) is not None]
    found = go.Figure()
    for rank in range(4):
        _add(found, shown, rank, blamed, scheme)
    _add_rest(found, shown, scheme)
    _add_lost(found, shown, scheme)
    framed(found, scheme, height=height(len(shown)), legend=False)
    found.update_layout(barmode="stack", bargap=0.28)
    top = max([1.02, *[max(fullness(row) or 0, _lost(row) or 0) * 1.04 for row in shown]])
    found.update_xaxes(range=[0, top], dtick=0.2, tickformat=".0%", side="bottom", fixedrange=True)
    found.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, dtick=1)
    for at, words, dash in ((TARGET, "target 80 %", "dot"), (1.0, "capacity", "solid")):
        found.add_vline(x=at, line={"color": scheme.dim, "width": 1, "dash": dash})
        found.add_annotation(
            x=at,
            y=1,
            yref="paper",
            yanchor="bottom",
            xanchor="right",
            text=words,
            showarrow=False,
            font={"size": 11, "color": scheme.dim},
        )
    found.update_layout(margin={"t": 22})
    return found


def _parts(row: DensityRow) -> list[tuple[str, float]]:
    full = fullness(row) or 0.0
    return [(one.tenant, one.share * full) for one in row.shares if one.tenant != OTHERS]


def _add(
    found: go.Figure,
    rows: Sequence[DensityRow],
    rank: int,
    blamed: Mapping[str, frozenset[str]],
    scheme: Scheme,
) -> None:
    """The tenants of one rank over all resources, as one trace."""
    parts = [_parts(row)[rank] if rank < len(_parts(row)) else ("", 0.0) for row in rows]
    held = [
        name in blamed.get(row.resource, frozenset())
        for row, (name, _) in zip(rows, parts, strict=True)
    ]
    found.add_trace(
        go.Bar(
            orientation="h",
            y=[row.resource for row in rows],
            x=[value for _, value in parts],
            name=f"#{rank + 1} tenant",
            customdata=[name for name, _ in parts],
            marker={
                "color": [scheme.aggressor if bad else scheme.others_steps[rank] for bad in held],
                "line": {"width": 1, "color": scheme.panel},
            },
            hovertemplate="<b>%{y}</b><br>%{customdata}: %{x:.1%} of capacity<extra></extra>",
        )
    )


def _lost(row: DensityRow) -> float | None:
    return None if row.n1_headroom is None else 1 - row.n1_headroom


def _add_lost(found: go.Figure, rows: Sequence[DensityRow], scheme: Scheme) -> None:
    """Where each bar would end if the worst other resource of its kind were lost."""
    known = [row for row in rows if _lost(row) is not None]
    found.add_trace(
        go.Scatter(
            y=[row.resource for row in known],
            x=[_lost(row) for row in known],
            mode="markers",
            name="if one is lost",
            marker={
                "symbol": "line-ns",
                "size": 16,
                "line": {"width": 2, "color": scheme.text},
            },
            hovertemplate="<b>%{y}</b><br>%{x:.0%} full if another of its kind is lost"
            "<extra></extra>",
        )
    )


def _add_rest(found: go.Figure, rows: Sequence[DensityRow], scheme: Scheme) -> None:
    rest = [(fullness(row) or 0.0) - sum(v for _, v in _parts(row)[:4]) for row in rows]
    found.add_trace(
        go.Bar(
            orientation="h",
            y=[row.resource for row in rows],
            x=[max(0.0, value) for value in rest],
            name="all others",
            customdata=[row.tenants for row in rows],
            marker={"color": scheme.fill(scheme.others, 0.35), "line": {"width": 0}},
            hovertemplate="<b>%{y}</b><br>all others: %{x:.1%} of capacity"
            "<br>%{customdata} tenants in all<extra></extra>",
        )
    )
