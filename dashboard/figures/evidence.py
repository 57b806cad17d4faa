"""The evidence: aggressor, victims and resource, three rows on one clock."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analyzer.api.views.incidents import Band, IncidentDetail
from dashboard import wording
from dashboard.figures import labels
from dashboard.figures.base import framed, time_axis
from dashboard.theme import Scheme

HEIGHT = 600
ROWS = 3
MEASURED = frozenset({"aggressor", "victims", "others"})


def figure(view: IncidentDetail, scheme: Scheme) -> go.Figure:
    """Row 1: each blamed tenant's offered load against its expected band. Row 2: the victims'
    median with the middle half, dotted what the model says without the aggressor, and their
    promise. Row 3: the resource's load stacked, with its capacity.
    """
    view = _known(view)
    rows = (view.aggressor_bands, view.victim_bands, view.resource_bands)
    found = make_subplots(rows=ROWS, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    for row, bands in enumerate(rows, start=1):
        _row(found, row, _readable(bands), view, scheme)
    framed(found, scheme, height=HEIGHT, revision=view.id, legend=False)
    time_axis(found)
    found.update_layout(
        hovermode="x unified",
        margin={"t": 44, "r": labels.WIDTH_PX},
    )
    found.update_xaxes(showspikes=True, spikemode="across", spikethickness=1, spikecolor=scheme.dim)
    found.update_xaxes(spikedash="solid", spikesnap="cursor")
    found.update_yaxes(rangemode="tozero", nticks=5)
    for row, (bands, title) in enumerate(zip(rows, _titles(view), strict=True), start=1):
        _name(found, row, _readable(bands), title, scheme)
    _notes(found, view, scheme)
    _marks(found, view, scheme)
    if view.clock:  # left to itself the axis makes room for the words at the marks
        found.update_xaxes(range=[view.clock[0], view.clock[-1]])
    return found


def _known(view: IncidentDetail) -> IncidentDetail:
    """Cut at the last window that anybody was measured in: a stack would fall to zero there."""
    bands = [*view.aggressor_bands, *view.victim_bands, *view.resource_bands]
    end = max((_end(band) for band in bands if band.role in MEASURED), default=len(view.clock))

    def cut(some: Sequence[Band]) -> list[Band]:
        return [band.model_copy(update={"values": band.values[:end]}) for band in some]

    return view.model_copy(
        update={
            "clock": view.clock[:end],
            "aggressor_bands": cut(view.aggressor_bands),
            "victim_bands": cut(view.victim_bands),
            "resource_bands": cut(view.resource_bands),
        }
    )


def _end(band: Band) -> int:
    return max((k + 1 for k, value in enumerate(band.values) if value is not None), default=0)


def _titles(view: IncidentDetail) -> tuple[str, str, str]:
    who = wording.names(view.aggressors, 2) if view.aggressors else "the most harmed"
    return f"Load of {who}", "What the victims feel", f"Load of {view.resource}"


def _name(found: go.Figure, row: int, bands: Sequence[Band], title: str, scheme: Scheme) -> None:
    """Title and unit above the row, the names of its lines at their ends."""
    if not bands:
        return
    stacked = row == ROWS
    top = _top(bands, stacked=stacked)
    found.update_yaxes(range=[0, top], row=row, col=1)
    labels.draw(found, row, labels.labels(_ordered(bands), stacked=stacked, top=top), scheme)
    found.add_annotation(
        x=0,
        xref="paper",
        xanchor="left",
        y=1,
        yref=f"y{row if row > 1 else ''} domain",
        yanchor="bottom",
        text=f"{title}, {_unit(bands)}",
        showarrow=False,
        font={"size": 12, "color": scheme.text},
    )


def _top(bands: Sequence[Band], *, stacked: bool) -> float:
    """A little above the highest line; of a stack, above its sum."""
    areas = [b.values for b in bands if stacked and b.role in {"others", "aggressor"}]
    peaks = [sum(v or 0.0 for v in window) for window in zip(*areas, strict=False)]
    peaks += [v for band in bands for v in band.values if v is not None]
    return max(peaks, default=0.0) * 1.06 or 1.0


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
    for band in _ordered(bands):
        if band.role in {"expected_low", "expected_high", "victims_low", "victims_high"}:
            continue
        found.add_trace(_line(band, view, scheme, stacked=stacked), row=row, col=1)


def _ordered(bands: Sequence[Band]) -> list[Band]:
    """What lies below is drawn first."""
    order = {"others": 0, "aggressor": 1, "victims": 2, "without": 3}
    return sorted(bands, key=lambda band: order.get(band.role, 4))


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
        "aggressor": (scheme.aggressor, "solid", 2.4),
        "victims": (scheme.victim, "solid", 2),
        "without": (scheme.victim, "dot", 1.6),
        "expected": (scheme.dim, "dash", 1.2),
        "capacity": (scheme.text, "dash", 1.2),
        "slo": (scheme.text, "dash", 1.2),
    }.get(band.role, (scheme.others, "solid", 1.2))


MOST_NOTES = 12
NOTE_CHARS = 26


def _notes(found: go.Figure, view: IncidentDetail, scheme: Scheme) -> None:
    """What others told us of, as thin lines with their words at the top of the first row."""
    for note in view.annotations[:MOST_NOTES]:
        if not view.clock or not view.clock[0] <= note.at <= view.clock[-1]:
            continue
        found.add_vline(x=note.at, line={"color": scheme.dim, "width": 1, "dash": "dash"})
        words = note.title[:NOTE_CHARS] + ("…" if len(note.title) > NOTE_CHARS else "")
        found.add_annotation(
            x=note.at,
            y=1,
            yref="y domain",
            yanchor="top",
            xanchor="left",
            textangle=-90,
            text=html.escape(words),
            hovertext=html.escape(f"{note.at:%H:%M:%S} {note.title} {note.detail}"[:300]),
            showarrow=False,
            font={"size": 10, "color": scheme.dim},
        )


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
            yshift=18,
            xanchor=anchor,
            text=f"{word} {at:%H:%M}",
            showarrow=False,
            font={"size": 11, "color": scheme.text},
        )
