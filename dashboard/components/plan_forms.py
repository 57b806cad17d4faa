"""Forms of the alerts page that make rules: a route, planned work."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from dashboard.client import ROUTE, WINDOW, Client, ClientError
from dashboard.components.rule_forms import form, parted, refused, text_input

REPEATS = [("0", "never"), ("3600", "every hour"), ("14400", "every 4 hours"),
           ("86400", "every day")]  # fmt: skip
ESCALATES = [("0", "nobody else"), ("300", "after 5 min"), ("900", "after 15 min"),
             ("3600", "after an hour")]  # fmt: skip


def route_form() -> Component:
    return form(
        "Add a route",
        "way",
        [
            text_input("way-name", "Name of the route", "database pages"),
            text_input("way-match", "Events", "severity = page, resource = db:*", wide=True),
            text_input("way-to", "To", "* or names of endpoints"),
            _choice("way-repeat", "Told again", REPEATS, "14400"),
            _choice("way-after", "Unacknowledged, tell", ESCALATES, "0"),
            text_input("way-step", "Whom then", "names of endpoints"),
            text_input("way-fallback", "Fallback", "an endpoint"),
            dmc.Checkbox(id="way-on", label="Ask the routes after it, too", size="xs"),
        ],
        "Add the route",
    )


def window_form() -> Component:
    return form(
        "Plan work",
        "work",
        [
            text_input("work-name", "Name of the work", "vacuum"),
            text_input("work-match", "Events", "resource = db:*", wide=True),
            text_input("work-start", "From", "now+1h, 2026-12-24T22:00Z"),
            text_input("work-end", "Until", "now+3h, 2026-12-25T02:00Z"),
            text_input("work-days", "Or weekly on", "sat, sun"),
            text_input("work-at", "At", "02:00"),
            dmc.NumberInput(
                id="work-minutes", label="Minutes", value=60, min=1, hideControls=True, size="xs"
            ),
            text_input("work-zone", "By the clocks of", "UTC, Europe/Berlin"),
            text_input("work-reason", "Why", "", wide=True),
        ],
        "Plan it",
    )


def route_wish(
    name: str | None, match: str | None, to: str | None, repeat: str | None, after: str | None,
    step: str | None, fallback: str | None, goes_on: object,
) -> dict[str, object] | str:  # fmt: skip
    """The body of the question, or what is missing of it."""
    if not (name or "").strip():
        return "Give it a name."
    steps, later = parted(step), float(after or 0)
    if bool(steps) != bool(later):
        return "Say both when somebody else is told, and whom; or neither."
    return {
        "name": (name or "").strip(),
        "match": parted(match),
        "to": parted(to) or ["*"],
        "continues": bool(goes_on),
        "repeat_s": float(repeat or 0),
        "fallback": (fallback or "").strip(),
        "steps": [{"after_s": later, "to": steps}] if steps else [],
    }


def window_wish(
    name: str | None, match: str | None, start: str | None, end: str | None, days: str | None,
    at: str | None, minutes: float | str | None, zone: str | None, reason: str | None,
) -> dict[str, object] | str:  # fmt: skip
    """The body of the question, or what is missing of it."""
    if not (name or "").strip():
        return "Give it a name."
    if not parted(match):
        return "Say whose events, such as resource = db:*."
    common: dict[str, object] = {
        "name": (name or "").strip(), "match": parted(match), "reason": (reason or "").strip(),
    }  # fmt: skip
    once, weekly = [(start or "").strip(), (end or "").strip()], parted(days)
    if weekly and any(once):
        return "Plan it once (from, until) or weekly (days), not both."
    if weekly:
        length = int(minutes) if minutes else 60
        zone = (zone or "").strip() or "UTC"
        return common | {
            "days": weekly, "at": (at or "").strip(), "minutes": length, "zone": zone,
        }  # fmt: skip
    if not all(once):
        return "Say from when until when, or on which days."
    return common | {"starts_at": once[0], "ends_at": once[1]}


def register(app: Dash, api: Client) -> None:
    """Asks the analyzer, which judges the rule; then everything is read afresh."""

    @app.callback(
        Output("way-said", "children"),
        Output("way-name", "value"),
        Output("refresh", "n_clicks", allow_duplicate=True),
        Input("way-go", "n_clicks"),
        *(State(f"way-{one}", "value") for one in ("name", "match", "to", "repeat", "after")),
        *(State(f"way-{one}", "value") for one in ("step", "fallback")),
        State("way-on", "checked"),
        State("refresh", "n_clicks"),
        prevent_initial_call=True,
    )
    async def add_route(clicks: int, *given: object) -> tuple[object, ...]:
        if not clicks:
            return (no_update,) * 3
        *fields, refreshes = given
        wanted = route_wish(*fields)  # type: ignore[arg-type]
        if isinstance(wanted, str):
            return wanted, no_update, no_update
        try:
            made = await api.create(ROUTE, "/routes", wanted)
        except ClientError as error:
            return refused(error), no_update, no_update
        unknown = f" No endpoint is called {', '.join(made.unknown)}." if made.unknown else ""
        return html.P(f"{made.name} is added.{unknown}"), "", int(str(refreshes or 0)) + 1

    @app.callback(
        Output("work-said", "children"),
        Output("work-name", "value"),
        Output("refresh", "n_clicks", allow_duplicate=True),
        Input("work-go", "n_clicks"),
        *(State(f"work-{one}", "value") for one in ("name", "match", "start", "end", "days")),
        *(State(f"work-{one}", "value") for one in ("at", "minutes", "zone", "reason")),
        State("refresh", "n_clicks"),
        prevent_initial_call=True,
    )
    async def plan_work(clicks: int, *given: object) -> tuple[object, ...]:
        if not clicks:
            return (no_update,) * 3
        *fields, refreshes = given
        wanted = window_wish(*fields)  # type: ignore[arg-type]
        if isinstance(wanted, str):
            return wanted, no_update, no_update
        try:
            made = await api.create(WINDOW, "/maintenance", wanted)
        except ClientError as error:
            return refused(error), no_update, no_update
        return html.P(f"{made.name} is {made.state}."), "", int(str(refreshes or 0)) + 1


def _choice(id_: str, label: str, options: list[tuple[str, str]], value: str) -> Component:
    found: Component = dmc.Select(
        id=id_,
        label=label,
        data=[{"value": value, "label": words} for value, words in options],
        value=value,
        allowDeselect=False,
        size="xs",
    )
    return found
