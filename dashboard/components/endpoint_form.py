"""A new endpoint: where messages go from now on. Its secret is shown once, here."""

from __future__ import annotations

import logging

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from analyzer.api.views import EndpointView
from dashboard.client import ENDPOINT, Client, ClientError

log = logging.getLogger(__name__)

FORMATS = [
    ("alertmanager", "Alertmanager webhook"),
    ("alertmanager_api", "Alertmanager's own API"),
    ("cloudevents", "CloudEvents"),
    ("json", "Plain JSON"),
    ("pagerduty", "PagerDuty"),
    ("slack", "Slack"),
    ("teams", "Microsoft Teams"),
]


def form() -> Component:
    fields = html.Div(
        [
            dmc.TextInput(id="door-name", label="Name", size="xs", inputProps={"maxLength": 80}),
            dmc.TextInput(
                id="door-url",
                label="Address",
                placeholder="https://",
                size="xs",
                className="pw-form-wide",
            ),
            dmc.Select(
                id="door-format",
                label="Format",
                data=[{"value": value, "label": words} for value, words in FORMATS],
                value=FORMATS[0][0],
                allowDeselect=False,
                size="xs",
            ),
            html.Button("Add", id="door-add", type="button", className="pw-button", n_clicks=0),
        ],
        className="pw-form",
    )
    said = html.Div(id="door-said", className="pw-said", role="status")
    return html.Details(
        [html.Summary("Add an endpoint"), fields, said], className="pw-words pw-add"
    )


def register(app: Dash, api: Client) -> None:
    """Asks the analyzer, which judges name and address; then everything is read afresh."""

    @app.callback(
        Output("door-said", "children"),
        Output("door-name", "value"),
        Output("door-url", "value"),
        Output("refresh", "n_clicks", allow_duplicate=True),
        Input("door-add", "n_clicks"),
        State("door-name", "value"),
        State("door-url", "value"),
        State("door-format", "value"),
        State("refresh", "n_clicks"),
        prevent_initial_call=True,
    )
    async def add(
        clicks: int, name: str | None, url: str | None, style: str | None, refreshes: int
    ) -> tuple[object, ...]:
        if not clicks:
            return (no_update,) * 4
        wanted = wish(name, url, style)
        if isinstance(wanted, str):
            return wanted, no_update, no_update, no_update
        try:
            made = await api.create(ENDPOINT, "/endpoints", wanted)
        except ClientError as error:
            log.warning("endpoint refused", extra={"request_id": error.request_id})
            return f"{error.detail} {error.remedy}".strip(), no_update, no_update, no_update
        return told(made), "", "", refreshes + 1


def wish(name: str | None, url: str | None, style: str | None) -> dict[str, str] | str:
    """The body of the question, or what is missing of it."""
    name, url = (name or "").strip(), (url or "").strip()
    if not name:
        return "Give it a name."
    if not url.startswith(("https://", "http://")):
        return "The address begins with https:// or http://."
    return {"name": name, "url": url, "format": style or FORMATS[0][0]}


def told(made: EndpointView) -> Component:
    if not made.secret:
        return html.P(f"{made.name} is added.")
    return html.Div(
        [
            html.P(
                f"{made.name} is added. Its secret proves that messages come from here. "
                "Copy it now: it is not shown again."
            ),
            html.Code(made.secret, className="pw-code"),
        ]
    )
