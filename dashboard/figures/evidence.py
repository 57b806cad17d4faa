"""The evidence: aggressor, victims and resource, three rows on one clock."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analyzer.api.views import Band, IncidentDetail
from dashboard.figures.base import framed, time_axis
from dashboard.theme import Scheme

HEIGHT = 560
ROWS = 3
UNITS = {"s": 1.0, "ms": 1.0}


def figure(view: IncidentDetail, scheme: Scheme) -> go.Figure:
    """Row 1: each blamed tenant's offered load against its expected band. Row 2: the victims'
    median with the middle half, dotted what the model says without the aggressor, and their
    promise. Row 3: the resource's load stacked, with its capacity.
    """
    found = make_subplots(rows=ROWS, cols=1, shared_xaxes=True, vertical_spacing=0.075)
    _row(found, 1, _readable(view.aggressor_bands), view, scheme)
    _row(found, 2, _readable(view.victim_bands), view, scheme)
    _row(found, 3, _readable(view.resource_bands), view, scheme)
    framed(found, scheme, height=HEIGHT, revision=view.id, legend=False)
    time_axis(found)
    found.update_layout(
        hovermode="x unified",
        margin={"t": 22},
    )
    found.update_xaxes(showspikes=True, spikemode="across", spikethickness=1, spikecolor=scheme.dim)
    found.update_xaxes(spikedash="solid", spikesnap="cursor")
    found.update_yaxes(rangemode="tozero", nticks=5)
    for row, bands in enumerate(
        (view.aggressor_bands, view.victim_bands, view.resource_bands), start=1
    ):
        found.update_yaxes(
            title={"text": _unit(_readable(bands)), "font": {"size": 11}}, row=row, col=1
        )
    _marks(found, view, scheme)
    return found


def _readable(bands: Sequence[Band]) -> list[Band]:
    """Seconds below two become milliseconds; the whole row keeps one unit."""
    peak = max((v for b in bands if b.unit == "s" for v in b.values if v is not None), default=9.0)
    if peak >= 2.0:
        return list(bands)
    return [
        band.model_copy(
            update={"unit": "ms", "values": [None if v is None else v * 1000 for v in band.values]}
        )
        if band.unit == "s"
        else band
        for band in bands
    ]


def _unit(bands: Sequence[Band]) -> str:
    return next((band.unit for band in bands), "")


def _row(
    found: go.Figure, row: int, bands: Sequence[Band], view: IncidentDetail, scheme: Scheme
) -> None:
    stacked = row == ROWS
    _ribbon(found, row, bands, view, scheme)
    order = {"others": 0, "aggressor": 1, "victims": 2, "without": 3}
    for band in sorted(bands, key=lambda b: order.get(b.role, 4)):
        if band.role in {"expected_low", "expected_high", "victims_low", "victims_high"}:
            continue
        found.add_trace(_line(band, view, scheme, stacked=stacked), row=row, col=1)


def _ribbon(
    found: go.Figure, row: int, bands: Sequence[Band], view: IncidentDetail, scheme: Scheme
) -> None:
    """Low and high of one kind become a filled band; the pair of each name stays together."""
    for low_role, colour, words in (
        ("expected_low", scheme.others, "expected at this hour"),
        ("victims_low", scheme.victim, "victims, middle half"),
    ):
        lows = [b for b in bands if b.role == low_role]
        highs = [b for b in bands if b.role == low_role.replace("low", "high")]
        for low, high in zip(lows, highs, strict=False):
            line = {"width": 0}
            found.add_trace(
                go.Scatter(
                    x=view.clock,
                    y=low.values,
                    line=line,
                    mode="lines",
                    hoverinfo="skip",
                    showlegend=False,
                ),
                row=row,
                col=1,
            )
            found.add_trace(
                go.Scatter(
                    x=view.clock,
                    y=high.values,
                    line=line,
                    mode="lines",
                    fill="tonexty",
                    fillcolor=scheme.fill(colour, 0.22),
                    name=words,
                    hoverinfo="skip",
                ),
                row=row,
                col=1,
            )


def _line(band: Band, view: IncidentDetail, scheme: Scheme, *, stacked: bool) -> go.Scatter:
    colour, dash, width = _style(band, scheme)
    area = stacked and band.role in {"aggressor", "others"}
    fill = {"stackgroup": "load", "fillcolor": scheme.fill(colour, 0.75)} if area else {}
    return go.Scatter(
        x=view.clock,
        y=band.values,
        name=band.name,
        mode="lines",
        line={"color": colour, "dash": dash, "width": 0 if area else width},
        showlegend=not (stacked and band.role == "aggressor"),
        legendgroup=band.role,
        connectgaps=False,
        hovertemplate=f"%{{y:.3g}} {band.unit}",
        **fill,
    )


def _style(band: Band, scheme: Scheme) -> tuple[str, str, float]:
    return {
        "aggressor": (scheme.aggressor, "solid", 2),
        "victims": (scheme.victim, "solid", 2),
        "without": (scheme.victim, "dot", 1.6),
        "expected": (scheme.dim, "dash", 1.2),
        "capacity": (scheme.text, "dash", 1.2),
        "slo": (scheme.text, "dash", 1.2),
    }.get(band.role, (scheme.others, "solid", 1.2))


def _marks(found: go.Figure, view: IncidentDetail, scheme: Scheme) -> None:
    """Onset, detection and end as lines through all rows, the harm shaded."""
    if not view.clock:
        return
    end = view.ended_at or view.clock[-1]
    found.add_vrect(
        x0=view.started_at, x1=end, fillcolor=scheme.fill(scheme.aggressor, 0.07), line_width=0
    )
    marks = [(view.started_at, "onset", "right"), (view.detected_at, "detected", "left")]
    marks.append((view.ended_at, "resolved", "left"))
    for at, word, anchor in marks:
        if at is None:
            continue
        found.add_vline(x=at, line={"color": scheme.aggressor, "width": 1, "dash": "dot"})
        found.add_annotation(
            x=at,
            y=1,
            yref="paper",
            yanchor="bottom",
            xanchor=anchor,
            text=f"{word} {at:%H:%M}",
            showarrow=False,
            font={"size": 11, "color": scheme.text},
        )
