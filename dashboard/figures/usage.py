"""One tenant's load against what is expected of it, and what its callers feel, on one clock."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analyzer.api.views.tenants import ResourceUsage
from dashboard.figures.base import framed, time_axis
from dashboard.theme import Scheme

MOST = 3
"""Resources drawn; the busiest tenants rarely work on more."""

ROW_PX = 170


def shown(usage: Sequence[ResourceUsage]) -> list[ResourceUsage]:
    def busy(one: ResourceUsage) -> float:
        return sum(point.busy or 0.0 for point in one.points)

    return sorted((one for one in usage if one.points), key=busy, reverse=True)[:MOST]


def height(usage: Sequence[ResourceUsage]) -> int:
    return 70 + ROW_PX * (len(shown(usage)) + 1)


def figure(
    usage: Sequence[ResourceUsage], slo_ms: float | None, scheme: Scheme, *, loud: bool = False
) -> go.Figure:
    """One row a resource (work asked of it and expected), then one row of p95 latencies. `loud`
    draws the load in the aggressor's colour.
    """
    rows = shown(usage)
    found = make_subplots(rows=len(rows) + 1, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    for number, one in enumerate(rows, start=1):
        _load(found, number, one, scheme, loud=loud)
    _felt(found, len(rows) + 1, rows, slo_ms, scheme)
    framed(found, scheme, height=height(usage), legend=False)
    time_axis(found)
    found.update_layout(hovermode="x unified", margin={"t": 10})
    found.update_yaxes(rangemode="tozero", nticks=5)
    return found


def _load(found: go.Figure, row: int, one: ResourceUsage, scheme: Scheme, *, loud: bool) -> None:
    clock = [point.ts for point in one.points]
    expected = go.Scatter(
        x=clock,
        y=[point.expected for point in one.points],
        name="expected at this hour",
        mode="lines",
        line={"color": scheme.dim, "dash": "dash", "width": 1.2},
        legendgroup="expected",
        showlegend=row == 1,
        hovertemplate="%{y:.3g} expected<extra></extra>",
    )
    busy = go.Scatter(
        x=clock,
        y=[point.busy for point in one.points],
        name="asked of the resource",
        mode="lines",
        line={"color": scheme.aggressor if loud else scheme.text, "width": 1.8},
        legendgroup="busy",
        showlegend=row == 1,
        hovertemplate="%{y:.3g} busy s/s<extra></extra>",
    )
    found.add_trace(expected, row=row, col=1)
    found.add_trace(busy, row=row, col=1)
    words = f"{one.resource}<br>busy s/s"
    found.update_yaxes(title={"text": words, "font": {"size": 11}}, row=row, col=1)


def _felt(
    found: go.Figure,
    row: int,
    rows: Sequence[ResourceUsage],
    slo_ms: float | None,
    scheme: Scheme,
) -> None:
    for number, one in enumerate(rows):
        found.add_trace(
            go.Scatter(
                x=[point.ts for point in one.points],
                y=[None if p.p95_s is None else p.p95_s * 1000 for p in one.points],
                name=f"p95 on {one.resource}",
                mode="lines",
                line={
                    "color": scheme.victim,
                    "width": 1.8,
                    "dash": ("solid", "dash", "dot")[number],
                },
                hovertemplate="%{y:.3g} ms<extra></extra>",
            ),
            row=row,
            col=1,
        )
    if slo_ms is not None and rows:
        found.add_hline(
            y=slo_ms,
            row=row,
            col=1,
            line={"color": scheme.text, "dash": "dash", "width": 1},
            annotation={
                "text": f"promised {slo_ms:.0f} ms",
                "font": {"size": 11, "color": scheme.dim},
                "xanchor": "right",
            },
        )
    found.update_yaxes(title={"text": "p95, ms", "font": {"size": 11}}, row=row, col=1)
