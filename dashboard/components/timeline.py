"""What happened, in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dash import html
from dash.development.base_component import Component

from analyzer.api.views.incidents import TimelineEntry
from dashboard import wording


def timeline(entries: Sequence[TimelineEntry], now: datetime | None = None) -> Component:
    return html.Ol([_item(entry, now) for entry in entries], className="pw-timeline")


def _item(entry: TimelineEntry, now: datetime | None) -> Component:
    return html.Li(
        [
            html.Time(
                wording.moment(entry.at, now),
                dateTime=entry.at.isoformat(),
                className="pw-num pw-dim",
            ),
            html.Div([html.Span(entry.what), html.Span(entry.detail, className="pw-dim")]),
        ]
    )
