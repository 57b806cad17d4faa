"""Who fills a resource, and when."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from analyzer.api.views.resources import DensityRow, HoursOfWeek
from dashboard.figures.base import framed
from dashboard.figures.density import fullness
from dashboard.theme import Scheme

HEIGHT = 340
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CURVES = 6


def lorenz(rows: Sequence[DensityRow], scheme: Scheme) -> go.Figure:
    """The more a curve sags, the more of the load is one tenant's. The fullest resources."""
    found = go.Figure()
    found.add_trace(
        go.Scatter(
            x=[0, 1], y=[0, 1], mode="lines", name="all equal", hoverinfo="skip",
            line={"color": scheme.dim, "dash": "dot", "width": 1},
        )
    )  # fmt: skip
    dashes = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
    for rank, row in enumerate(curved(rows)):
        n = len(row.lorenz) - 1
        gini = "" if row.gini is None else f", Gini {row.gini:.2f}"
        found.add_trace(
            go.Scatter(
                x=[k / n for k in range(n + 1)],
                y=row.lorenz,
                mode="lines",
                name=f"{row.resource}{gini}",
                line={
                    "color": scheme.aggressor if rank == 0 else scheme.others_steps[rank % 3],
                    "dash": dashes[rank],
                    "width": 2,
                },
                hovertemplate=f"<b>{_safe(row.resource)}</b><br>the smallest %{{x:.0%}} of tenants"
                " take %{y:.1%}<extra></extra>",
            )
        )
    framed(found, scheme, height=HEIGHT)
    found.update_xaxes(
        tickformat=".0%", title={"text": "tenants, smallest first", "font": {"size": 11}}
    )
    found.update_yaxes(tickformat=".0%", title={"text": "part of the load", "font": {"size": 11}})
    found.update_layout(legend={"orientation": "v", "x": 0.02, "y": 0.98, "yanchor": "top"})
    return found


def curved(rows: Sequence[DensityRow]) -> list[DensityRow]:
    """The fullest with a curve."""
    known = [row for row in rows if len(row.lorenz) > 1]
    return sorted(known, key=lambda row: (-(fullness(row) or 0.0), row.resource))[:_CURVES]


def hours(found: HoursOfWeek, scheme: Scheme) -> go.Figure:
    """Tenants by hour of the week: the darker, the more of the capacity it takes then."""
    figure = go.Figure(
        go.Heatmap(
            z=found.values,
            y=found.tenants,
            x=list(range(168)),
            customdata=[[f"{DAYS[h // 24]} {h % 24:02d}:00" for h in range(168)]]
            * len(found.tenants),
            hovertemplate="<b>%{y}</b><br>%{customdata} UTC: %{z:.1%} of capacity<extra></extra>",
            colorscale=[[0, scheme.centre], [0.5, scheme.high[0]], [1, scheme.high[1]]],
            zmin=0,
            colorbar={"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
        )
    )
    framed(figure, scheme, height=max(180, 70 + 18 * len(found.tenants)), legend=False)
    figure.update_xaxes(tickvals=[24 * day for day in range(7)], ticktext=DAYS, showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False, dtick=1)
    return figure


def _safe(text: str) -> str:
    """Plotly reads a few tags in templates."""
    return text.replace("<", "&lt;")
