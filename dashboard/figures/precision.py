"""What was said against what was so."""

from __future__ import annotations

import plotly.graph_objects as go

from analyzer.api.views.precision import PrecisionView
from dashboard.figures.base import framed
from dashboard.theme import Scheme

HEIGHT = 300


def reliability(view: PrecisionView, scheme: Scheme) -> go.Figure:
    """A dot a group of like confidence with its 95 % interval; on the line we are as right as we
    say, below it we are too sure.
    """
    found = go.Figure()
    found.add_trace(
        go.Scatter(
            x=[0, 1], y=[0, 1], mode="lines", name="as right as said", hoverinfo="skip",
            line={"color": scheme.dim, "dash": "dot", "width": 1},
        )
    )  # fmt: skip
    known = [one for one in view.bins if one.precision.value is not None]
    parts = [one.precision.value or 0.0 for one in known]
    found.add_trace(
        go.Scatter(
            x=[one.said for one in known],
            y=parts,
            mode="markers+text",
            name="confirmed by people",
            text=[f" {one.precision.right} of {one.precision.judged}" for one in known],
            textposition="middle right",
            marker={"color": scheme.victim, "size": 10},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [
                    (one.precision.high or 0.0) - p for one, p in zip(known, parts, strict=True)
                ],
                "arrayminus": [
                    p - (one.precision.low or 0.0) for one, p in zip(known, parts, strict=True)
                ],
                "color": scheme.victim,
                "thickness": 1.5,
            },
            hovertemplate="said %{x:.0%}, %{y:.0%} confirmed<extra></extra>",
        )
    )
    for value, words in ((view.in_force, "opens from here"), (view.threshold, "labels ask for")):
        if words == "opens from here" or view.threshold != view.in_force:
            found.add_vline(
                x=value, line={"color": scheme.text, "width": 1, "dash": "dash"},
                annotation={"text": words, "font": {"size": 11}, "yanchor": "bottom"},
            )  # fmt: skip
    framed(found, scheme, height=HEIGHT)
    found.update_layout(margin={"t": 26})  # the words over the thresholds
    found.update_xaxes(
        tickformat=".0%", range=[0, 1.12], title={"text": "how sure we said", "font": {"size": 11}}
    )
    found.update_yaxes(
        tickformat=".0%", range=[0, 1.05], title={"text": "confirmed", "font": {"size": 11}}
    )
    return found
