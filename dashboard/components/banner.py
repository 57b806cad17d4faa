"""The sentence on top: who is hurting whom now, or that nobody is."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from analyzer.api.views.incidents import IncidentSummary
from analyzer.api.views.status import Health
from dashboard import address, wording


def banner(
    health: Health, worst: IncidentSummary | None, watched: Sequence[IncidentSummary] = ()
) -> Component:
    """`watched` are pending: suspected, not yet sure enough to tell anybody."""
    if worst is None:
        return _calm(health, watched)
    words = [
        html.P(
            [
                html.Span(wording.kind(worst.kind), className="pw-banner-kind"),
                html.Span(
                    f"on {worst.resource} since {wording.moment(worst.started_at, health.now)}"
                ),
                html.Span(wording.confidence(worst.confidence)),
            ],
            className="pw-banner-meta",
        ),
        html.P(health.sentence or worst.sentence, className="pw-banner-sentence"),
        *_watching(watched),
    ]
    link = dcc.Link(
        "Open incident", href=address.link("incidents", worst.id), className="pw-button"
    )
    return html.Div([html.Div(words), link], className="pw-banner is-bad")


def _watching(watched: Sequence[IncidentSummary]) -> list[Component]:
    """The first suspicion in one quiet line; more are counted."""
    if not watched:
        return []
    first = watched[0]
    link = dcc.Link(first.sentence, href=address.link("incidents", first.id), className="pw-link")
    more = f" and {len(watched) - 1} more" if len(watched) > 1 else ""
    return [html.P(["Watching: ", link, more], className="pw-banner-watch")]


OLD_S = 60.0


def _judged_until(health: Health) -> str:
    """Calm on old data is calm of then: say so."""
    if (health.data_age_s or 0.0) <= OLD_S:
        return ""
    return f"Judged on data up to {wording.moment(health.newest_window)} UTC, not on now. "


def _calm(health: Health, watched: Sequence[IncidentSummary]) -> Component:
    said = _judged_until(health)
    if health.longest_calm_s:
        said += f"Longest calm: {wording.span(health.longest_calm_s)}."
    return html.Div(
        html.Div(
            [
                html.P(
                    html.Span("Watching" if watched else "Calm", className="pw-banner-kind"),
                    className="pw-banner-meta",
                ),
                html.P(health.sentence, className="pw-banner-sentence"),
                *(_watching(watched) or [html.P(said, className="pw-dim")]),
            ]
        ),
        className=f"pw-banner is-{'watch' if watched else 'calm'}",
    )


def first_steps() -> Component:
    """What to do when there is no data at all."""
    command = (
        "curl -X POST http://127.0.0.1:8601/api/v1/usage "
        "-H 'Content-Type: application/x-ndjson' --data-binary @usage.ndjson"
    )
    return html.Div(
        html.Div(
            [
                html.P(
                    html.Span("No data yet", className="pw-banner-kind"), className="pw-banner-meta"
                ),
                html.P("Send a first sample to the collector.", className="pw-banner-sentence"),
                html.P(
                    "Point Prometheus remote write at :8601/api/v1/write, or try:",
                    className="pw-dim",
                ),
                html.Code(command, className="pw-code"),
            ]
        ),
        className="pw-banner is-calm",
    )
