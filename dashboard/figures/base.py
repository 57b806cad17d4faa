"""What all figures share: transparent ground, thin grid, units on the axes, one font."""

from __future__ import annotations

import plotly.graph_objects as go

from dashboard.theme import FONT, Scheme


def framed(
    figure: go.Figure, scheme: Scheme, *, height: int, revision: str = "", legend: bool = True
) -> go.Figure:
    """`revision` keeps the reader's zoom while it stays the same."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": scheme.dim},
        hoverlabel={
            "bgcolor": scheme.panel,
            "bordercolor": scheme.line,
            "font": {"family": FONT, "size": 12, "color": scheme.text},
            "align": "left",
        },
        showlegend=legend,
        legend={
            "orientation": "h",
            "x": 0,
            "y": -0.08,
            "yanchor": "top",
            "font": {"size": 12},
            "bgcolor": "rgba(0,0,0,0)",
        },
        uirevision=revision or "kept",
        dragmode="zoom",
    )
    axis = {
        "gridcolor": scheme.grid,
        "linecolor": scheme.line,
        "zeroline": False,
        "automargin": True,
        "ticks": "",
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def time_axis(figure: go.Figure) -> None:
    """Clock on the ticks, the day once below; times are UTC."""
    figure.update_xaxes(
        type="date",
        tickformatstops=[
            {"dtickrange": [None, 60_000], "value": "%H:%M:%S"},
            {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%d %b"},
            {"dtickrange": [86_400_000, None], "value": "%d %b"},
        ],
        nticks=7,
        tickangle=0,
    )
