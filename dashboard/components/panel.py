"""The frame every panel stands in, and its states.

The state is a class on the frame; the body stays mounted, so a figure keeps its zoom over a
refresh and the last good one stays, greyed, when a later question fails.
"""

from __future__ import annotations

from enum import StrEnum

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.client import ClientError
from dashboard.components.aria import named, named_by
from dashboard.theme import GRAPH_CONFIG

Children = list[Component | str]


class PanelState(StrEnum):
    """`partial` shows its body with an amber strip above; `stale` is set for the whole page."""

    LOADING = "loading"
    READY = "ready"
    PARTIAL = "partial"
    EMPTY = "empty"
    ERROR = "error"


def panel(
    id_: str, title: str, how: str, *body: Component, height: int = 0, wide: str = ""
) -> Component:
    """`how` is one line: how to read it. `height` (px) keeps the skeleton at the final size."""
    style = {"minHeight": f"{height}px"} if height else {}
    frame = html.Section(
        [
            html.Header(
                [
                    html.H2(title, id=f"{id_}-title"),
                    html.Span("stale", className="pw-chip pw-stale-chip"),
                    html.P(how, className="pw-how"),
                ]
            ),
            html.Div(id=f"{id_}-note", className="pw-note", role="status"),
            html.Div(list(body), className="pw-body", style=style),
        ],
        id=id_,
        className=frame_class(PanelState.LOADING, had_data=False) + (f" {wide}" if wide else ""),
    )
    return named_by(frame, f"{id_}-title")


def frame_class(state: PanelState, *, had_data: bool) -> str:
    return f"pw-panel is-{state.value}{' has-data' if had_data else ''}"


def next_class(was: str | None, state: PanelState) -> str:
    """The class after `was`: remembers whether good data was ever shown, keeps the width class."""
    before = (was or "").split()
    had = "has-data" in before or state in {PanelState.READY, PanelState.PARTIAL}
    kept = [name for name in before if name.startswith("pw-w-")]
    return " ".join([frame_class(state, had_data=had), *kept])


def failure_note(error: ClientError) -> Children:
    """What failed, what to do, and the id to look for in the logs."""
    found: Children = [html.Strong(error.detail)]
    if error.remedy:
        found.append(html.Span(f" {error.remedy}"))
    found.append(html.Span(f" Request {error.request_id}.", className="pw-dim pw-num"))
    found.append(html.Button("Retry", className="pw-retry", type="button"))
    return found


def graph(id_: str, height: int, label: str) -> Component:
    """A chart's place; `label` is what a screen reader says of it."""
    place = html.Div(
        dcc.Graph(
            id=id_,
            figure={"data": [], "layout": {"height": height}},
            config=dict(GRAPH_CONFIG),  # type: ignore[arg-type]  # showSendToCloud is newer than it
            style={"height": f"{height}px"},
        ),
        role="img",
    )
    return named(place, label)
