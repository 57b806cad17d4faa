"""Forms of the alerts page: silence, try a route against the past, fire a test, replay."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from analyzer.api.views.alerts import EndpointView
from dashboard import wording
from dashboard.address import quoted
from dashboard.client import DELIVERY, REHEARSAL, REPLAYED, SILENCE, Client, ClientError
from dashboard.components.exchange import exchange
from dashboard.components.rules import rehearsal

log = logging.getLogger(__name__)

LENGTHS = [("30m", "30 minutes"), ("2h", "2 hours"), ("8h", "8 hours"), ("1d", "a day"),
           ("1w", "a week")]  # fmt: skip


def silence_form() -> Component:
    return form(
        "Silence something",
        "hush",
        [
            text_input(
                "hush-match", "Events", "resource = db:shard-3, severity = ticket", wide=True
            ),
            text_input("hush-author", "Your name", ""),
            text_input("hush-reason", "Why", "", wide=True),
            dmc.Select(
                id="hush-for",
                label="For",
                data=[{"value": value, "label": words} for value, words in LENGTHS],
                value="2h",
                allowDeselect=False,
                size="xs",
            ),
        ],
        "Silence",
    )


def try_form() -> Component:
    return form(
        "Try a route against the last 30 days",
        "try",
        [
            text_input(
                "try-match", "Events", "severity = page, victim_plan = enterprise", wide=True
            ),
            text_input("try-to", "To", "* or names of endpoints"),
        ],
        "Try",
    )


def fire_form() -> Component:
    return form(
        "Fire a past incident as a test",
        "fire",
        [
            dmc.Select(id="fire-endpoint", label="Endpoint", data=[], size="xs"),
            text_input("fire-incident", "Incident", "INC-…; empty sends a ping"),
        ],
        "Fire",
    )


def choices(found: Sequence[EndpointView]) -> list[dict[str, str]]:
    """What the endpoint of a test may be."""
    return [{"value": one.id, "label": one.name} for one in found]


def replay_form() -> Component:
    """Sends again what is ticked in the log."""
    return html.Div(
        [
            html.Button(
                "Replay the ticked", id="again-go", type="button", className="pw-button is-quiet",
                n_clicks=0,
            ),
            html.Span(id="again-said", role="status", className="pw-dim"),
        ],
        className="pw-form",
    )  # fmt: skip


def register(app: Dash, api: Client) -> None:
    _replays(app, api)
    _silences(app, api)
    _tries(app, api)
    _fires(app, api)


def _silences(app: Dash, api: Client) -> None:
    @app.callback(
        Output("hush-said", "children"),
        Output("hush-match", "value"),
        Output("hush-reason", "value"),
        Output("refresh", "n_clicks", allow_duplicate=True),
        Input("hush-go", "n_clicks"),
        State("hush-match", "value"),
        State("hush-author", "value"),
        State("hush-reason", "value"),
        State("hush-for", "value"),
        State("refresh", "n_clicks"),
        prevent_initial_call=True,
    )
    async def silence(
        clicks: int,
        match: str | None,
        author: str | None,
        reason: str | None,
        lasts: str | None,
        refreshes: int,
    ) -> tuple[object, ...]:
        if not clicks:
            return (no_update,) * 4
        wanted = {
            "match": parted(match),
            "author": (author or "").strip(),
            "reason": (reason or "").strip(),
            "ends_at": f"now+{lasts or '2h'}",
        }
        try:
            made = await api.create(SILENCE, "/silences", wanted)
        except ClientError as error:
            return refused(error), no_update, no_update, no_update
        muted = f" It mutes {len(made.mutes)} open incidents." if made.mutes else ""
        return html.P(f"Silenced.{muted}"), "", "", refreshes + 1


def _tries(app: Dash, api: Client) -> None:
    @app.callback(
        Output("try-said", "children"),
        Input("try-go", "n_clicks"),
        State("try-match", "value"),
        State("try-to", "value"),
        prevent_initial_call=True,
    )
    async def attempt(clicks: int, match: str | None, to: str | None) -> object:
        if not clicks:
            return no_update
        route = {"name": "this route", "match": parted(match), "to": parted(to) or ["*"]}
        try:
            found = await api.create(REHEARSAL, "/routes/backtest", {"days": 30, "route": route})
        except ClientError as error:
            return refused(error)
        return rehearsal(found)


def _fires(app: Dash, api: Client) -> None:
    @app.callback(
        Output("fire-said", "children"),
        Input("fire-go", "n_clicks"),
        State("fire-endpoint", "value"),
        State("fire-incident", "value"),
        prevent_initial_call=True,
    )
    async def fire(clicks: int, endpoint: str | None, incident: str | None) -> object:
        if not clicks:
            return no_update
        if not endpoint:
            return html.P("Choose an endpoint.")
        body = {"incident": incident.strip()} if incident and incident.strip() else {}
        try:
            sent = await api.create(DELIVERY, f"/endpoints/{quoted(endpoint)}/test", body)
        except ClientError as error:
            return refused(error)
        return exchange(sent)


def _replays(app: Dash, api: Client) -> None:
    @app.callback(
        Output("again-said", "children"),
        Output("sent-grid", "selectedRows"),
        Output("refresh", "n_clicks", allow_duplicate=True),
        Input("again-go", "n_clicks"),
        State("sent-grid", "selectedRows"),
        State("refresh", "n_clicks"),
        prevent_initial_call=True,
    )
    async def again(
        clicks: int, ticked: list[dict[str, str]] | None, refreshes: int
    ) -> tuple[object, ...]:
        if not clicks:
            return (no_update,) * 3
        if not ticked:
            return "Tick the messages to send again.", no_update, no_update
        try:
            done = await api.create(
                REPLAYED, "/deliveries/replay", {"ids": [one["id"] for one in ticked]}
            )
        except ClientError as error:
            return refused(error), no_update, no_update
        words = f"{wording.plural(done.replayed, 'message')} sent again, under the same ids."
        return words, [], refreshes + 1


def parted(text: str | None) -> list[str]:
    """`a = 1, b = 2` as its parts."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def refused(error: ClientError) -> Component:
    log.warning("refused", extra={"request_id": error.request_id})
    return html.P(f"{error.detail} {error.remedy}".strip())


def text_input(id_: str, label: str, example: str, *, wide: bool = False) -> Component:
    found: Component = dmc.TextInput(
        id=id_,
        label=label,
        placeholder=example,
        size="xs",
        className="pw-form-wide" if wide else "",
        inputProps={"maxLength": 300},
    )
    return found


def form(title: str, name: str, fields: list[Component], go: str) -> Component:
    button = html.Button(go, id=f"{name}-go", type="button", className="pw-button", n_clicks=0)
    said = html.Div(id=f"{name}-said", className="pw-said", role="status")
    return html.Details(
        [html.Summary(title), html.Div([*fields, button], className="pw-form"), said],
        className="pw-words pw-add",
    )
