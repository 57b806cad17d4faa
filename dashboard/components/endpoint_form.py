"""A new endpoint: where messages go from now on. Its secret is shown once, here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from analyzer.api.views.alerts import EndpointView
from dashboard.client import ENDPOINT, Client, ClientError

log = logging.getLogger(__name__)

FORMATS = [
    ("alertmanager", "Alertmanager webhook"),
    ("alertmanager_api", "Alertmanager's own API"),
    ("cloudevents", "CloudEvents"),
    ("email", "E-mail"),
    ("json", "Plain JSON"),
    ("pagerduty", "PagerDuty"),
    ("slack", "Slack"),
    ("teams", "Microsoft Teams"),
]


@dataclass(frozen=True, slots=True)
class Extra:
    """A field that only some formats need; `many` is a list, written with commas."""

    key: str
    label: str
    formats: tuple[str, ...]
    secret: bool = False
    many: bool = False


EXTRAS = [
    Extra("routing_key", "Integration key", ("pagerduty",), secret=True),
    Extra("token", "Bot token (optional)", ("slack",), secret=True),
    Extra("channel", "Channel id, with a bot token", ("slack",)),
    Extra("sender", "From", ("email",)),
    Extra("recipients", "To, with commas between", ("email",), many=True),
    Extra("username", "User at the mail server", ("email",)),
    Extra("token", "Password there", ("email",), secret=True),
    Extra("template", "Template (optional)", ("json",)),
    Extra("replicas", "Other replicas, with commas between", ("alertmanager_api",), many=True),
]
"""`token` stands twice: it is another thing for Slack than for a mail server."""


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
            *(_extra(number, one) for number, one in enumerate(EXTRAS)),
            html.Button("Add", id="door-add", type="button", className="pw-button", n_clicks=0),
        ],
        className="pw-form",
    )
    said = html.Div(id="door-said", className="pw-said", role="status")
    return html.Details(
        [html.Summary("Add an endpoint"), fields, said], className="pw-words pw-add"
    )


def _extra(number: int, one: Extra) -> Component:
    common = {"id": {"type": "door-extra", "index": number}, "label": one.label, "size": "xs"}
    eye = {"aria-label": f"Show what is written as {one.label}"}
    field = (
        dmc.PasswordInput(**common, miw=160, visibilityToggleButtonProps=eye)
        if one.secret
        else dmc.TextInput(**common)
    )
    return html.Div(field, id={"type": "door-place", "index": number}, style={"display": "none"})


def shown(style: str | None) -> list[dict[str, str]]:
    """Which of the extra fields stand in the form, as the style of each."""
    return [{} if style in one.formats else {"display": "none"} for one in EXTRAS]


def register(app: Dash, api: Client) -> None:
    """Asks the analyzer, which judges name and address; then everything is read afresh."""

    app.callback(
        Output({"type": "door-place", "index": ALL}, "style"), Input("door-format", "value")
    )(shown)

    @app.callback(
        Output("door-said", "children"),
        Output("door-name", "value"),
        Output("door-url", "value"),
        Output({"type": "door-extra", "index": ALL}, "value"),
        Output("refresh", "n_clicks", allow_duplicate=True),
        Input("door-add", "n_clicks"),
        State("door-name", "value"),
        State("door-url", "value"),
        State("door-format", "value"),
        State({"type": "door-extra", "index": ALL}, "value"),
        State("refresh", "n_clicks"),
        prevent_initial_call=True,
    )
    async def add(
        clicks: int,
        name: str | None,
        url: str | None,
        style: str | None,
        extras: list[str | None],
        refreshes: int,
    ) -> tuple[object, ...]:
        kept = [no_update] * len(EXTRAS)
        if not clicks:
            return no_update, no_update, no_update, kept, no_update
        wanted = wish(name, url, style, extras)
        if isinstance(wanted, str):
            return wanted, no_update, no_update, kept, no_update
        try:
            made = await api.create(ENDPOINT, "/endpoints", wanted)
        except ClientError as error:
            log.warning("endpoint refused", extra={"request_id": error.request_id})
            said = f"{error.detail} {error.remedy}".strip()
            return said, no_update, no_update, kept, no_update
        return told(made), "", "", [""] * len(EXTRAS), refreshes + 1


def wish(
    name: str | None, url: str | None, style: str | None, extras: Sequence[str | None] = ()
) -> dict[str, object] | str:
    """The body of the question, or what is missing of it; `extras` in the order of `EXTRAS`."""
    name, url, style = (name or "").strip(), (url or "").strip(), style or FORMATS[0][0]
    if not name:
        return "Give it a name."
    schemes = ("smtps://", "smtp://") if style == "email" else ("https://", "http://")
    if not url.startswith(schemes):
        return f"The address begins with {schemes[0]} or {schemes[1]}."
    given = {
        one.key: [part.strip() for part in text.split(",")] if one.many else text
        for one, text in zip(EXTRAS, ((each or "").strip() for each in extras), strict=False)
        if style in one.formats and text
    }
    return {"name": name, "url": url, "format": style, **given}


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
