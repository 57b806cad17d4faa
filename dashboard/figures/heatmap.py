"""Who is louder than usual: tenants x time, log2 of offered load over expected."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from analyzer.api.views.resources import Heatmap
from dashboard.figures.base import framed, time_axis
from dashboard.theme import Scheme

REACH = 3.0
"""Colours end at 8 times and one eighth of the expected load."""

ROW_PX = 15
HEAD_PX = 52


def height(rows: int) -> int:
    return max(180, HEAD_PX + ROW_PX * rows)


def colours(scheme: Scheme) -> list[tuple[float, str]]:
    """Diverging, quiet in the middle: the expected load takes the colour of the panel."""
    low, lowish = scheme.low
    highish, high = scheme.high
    return [
        (0.0, low),
        (0.25, lowish),
        (0.46, scheme.centre),
        (0.54, scheme.centre),
        (0.75, highish),
        (1.0, high),
    ]


def figure(view: Heatmap, scheme: Scheme) -> go.Figure:
    values = np.array(
        [[np.nan if cell is None else cell for cell in row] for row in view.values], dtype=float
    )
    shown = np.clip(values, -REACH, REACH)
    trace = go.Heatmap(
        z=shown,
        x=view.clock,
        y=view.tenants,
        customdata=np.round(np.exp2(values), 2),
        zmin=-REACH,
        zmax=REACH,
        colorscale=colours(scheme),
        xgap=0,
        ygap=1,
        hoverongaps=False,
        hovertemplate="<b>%{y}</b><br>%{x|%d %b %H:%M} UTC<br>"
        "%{customdata}× expected<extra></extra>",
        showscale=False,  # the panel draws the scale: plotly's own takes a fifth of the height
    )
    traces = [trace, _gaps(view, values, scheme)] if np.isnan(values).any() else [trace]
    found = framed(go.Figure(traces), scheme, height=height(len(view.tenants)), legend=False)
    time_axis(found)
    found.update_xaxes(showgrid=False)
    found.update_yaxes(
        autorange="reversed", showgrid=False, tickfont={"size": 11}, fixedrange=True, dtick=1
    )
    return found


def _gaps(view: Heatmap, values: npt.NDArray[np.float64], scheme: Scheme) -> go.Heatmap:
    """What is not known is grey: the panel's own colour already means as expected."""
    return go.Heatmap(
        z=np.where(np.isnan(values), 0.0, np.nan),
        x=view.clock,
        y=view.tenants,
        colorscale=[(0.0, scheme.gap), (1.0, scheme.gap)],
        ygap=1,
        hoverongaps=False,
        hovertemplate="<b>%{y}</b><br>%{x|%d %b %H:%M} UTC<br>no data<extra></extra>",
        showscale=False,
    )
