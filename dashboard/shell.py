"""The frame around every page: where you are, how old the data is, and the one poll."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from analyzer.api.views.status import Health
from dashboard import theme, wording
from dashboard.client import Client, ClientError
from dashboard.components.aria import hidden, named
from dashboard.components.decision import REMOVE
from dashboard.components.panel import Children, failure_note

log = logging.getLogger(__name__)

OLD_S = 60.0
VERY_OLD_S = 300.0

NAV = [
    ("/", "Overview"),
    ("/incidents", "Incidents"),
    ("/tenants", "Tenants"),
    ("/shards", "Shards"),
    ("/cost", "Cost"),
    ("/reports", "Reports"),
    ("/alerts", "Alerts"),
    ("/health", "Health"),
]
RANGES = ["1h", "6h", "24h", "7d"]
OUTAGE = "down"


def layout(refresh_s: float) -> Component:
    page: Component = dmc.MantineProvider(
        [
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Interval(id="tick", interval=int(refresh_s * 1000)),
            dcc.Store(id="version"),
            dcc.Store(id="scheme"),
            dcc.Store(id="down-since"),
            dcc.Store(id="sink"),
            dmc.NotificationContainer(id="toasts", position="bottom-right"),
            html.A("Skip to content", href="#main", className="pw-skip"),
            _header(),
            _nav(),
            html.Div(id="strip", className="pw-strip", role="status"),
            html.Main(html.Div(id="page"), id="main", className="pw-main", tabIndex=-1),
            _confirm(),
        ],
        id="mantine",
        theme=dict(theme.MANTINE),
        defaultColorScheme="auto",
    )
    return page


def _header() -> Component:
    return html.Header(
        [
            dcc.Link([html.Span(className="pw-logo"), "Partywall"], href="/", className="pw-brand"),
            html.Span("…", id="age", className="pw-chip pw-num"),
            html.Div(className="pw-spring"),
            dmc.TextInput(
                id="find",
                placeholder="Find a tenant  ( / )",
                size="xs",
                className="pw-find",
                **{"aria-label": "Find a tenant"},
            ),
            dmc.SegmentedControl(
                id="range",
                data=[{"value": f"now-{one}", "label": one} for one in RANGES],
                value="now-6h",
                size="xs",
                className="pw-range",
                **{"aria-label": "Time range, counted back from now"},
            ),
            html.Span("UTC", className="pw-chip", title="All times are UTC"),
            html.Button(
                "Refresh", id="refresh", type="button", className="pw-button is-quiet", n_clicks=0
            ),
            dmc.ColorSchemeToggle(
                id="toggle",
                lightIcon=hidden(html.Span("☀")),
                darkIcon=hidden(html.Span("☾")),
                variant="default",
                size=28,
                **{"aria-label": "Light or dark"},
            ),
        ],
        className="pw-header",
    )


def _nav() -> Component:
    links = [
        dcc.Link(
            [
                html.Span(words),
                html.Span(id=f"count{path.replace('/', '-')}", className="pw-count"),
            ],
            href=path,
            id=f"nav{path.replace('/', '-')}",
            className="pw-nav-link",
        )
        for path, words in NAV
    ]
    return named(html.Nav(links, className="pw-nav"), "Pages")


def _confirm() -> Component:
    modal: Component = dmc.Modal(
        [
            html.P(id="ask-plan"),
            dcc.Store(id="ask-path"),
            dmc.TextInput(
                id="my-name",
                label="Your name",
                description="Written down with what you decide.",
                value="",
                persistence=True,
                persistence_type="local",
                inputProps={"maxLength": 80},
            ),
            html.Div(
                [
                    html.Button(
                        "Do it", id="ask-yes", type="button", className="pw-button", n_clicks=0
                    ),
                    html.Button(
                        "Leave it",
                        id="ask-no",
                        type="button",
                        className="pw-button is-quiet",
                        n_clicks=0,
                    ),
                ],
                className="pw-row pw-actions",
            ),
        ],
        id="ask",
        title="Please confirm",
        centered=True,
        opened=False,
    )
    return modal


@dataclass(frozen=True, slots=True)
class Pulse:
    """What one poll tells the frame. `version` None: nothing on the pages can have changed."""

    version: str | None
    age: str
    age_class: str
    strip: Children
    main_class: str
    incidents: str
    down_since: str | None


def alive(health: Health, was: str | None, refreshes: int) -> Pulse:
    version = f"{health.data_version}.{refreshes}"
    age = health.data_age_s
    stale = age is not None and age > OLD_S
    tone = " is-bad" if (age or 0) > VERY_OLD_S else " is-warn" if stale else ""
    words = "no data yet" if age is None else f"data {wording.span(age)} old"
    return Pulse(
        version=None if version == was else version,
        age=words,
        age_class=f"pw-chip pw-num{tone}",
        strip=_notices(health, stale=stale),
        main_class="pw-main is-stale" if stale else "pw-main",
        incidents=f"{health.open_incidents}" if health.open_incidents else "",
        down_since=None,
    )


def _notices(health: Health, *, stale: bool) -> Children:
    found: Children = []
    if health.backfilling:
        found.append(html.P(health.backfilling))
    if stale:
        found.append(
            html.P(f"Data is {wording.span(health.data_age_s)} old: figures below end there.")
        )
    if health.stale_sources:
        silent = wording.names(health.stale_sources, 5)
        found.append(
            html.P(f"{wording.plural(len(health.stale_sources), 'source')} silent: {silent}.")
        )
    return found


def outage(error: ClientError, was: str | None, since: str | None, now: datetime) -> Pulse:
    """The analyzer is away. The pages ask once more, show their errors, and wait for it."""
    began = since or f"{now:%H:%M:%S}"
    note = [
        *failure_note(error)[:2],
        html.Span(f" Since {began} UTC; this page tries again by itself."),
    ]
    return Pulse(
        version=None if was == OUTAGE else OUTAGE,
        age="no answer",
        age_class="pw-chip is-bad",
        strip=[html.P(note)],
        main_class="pw-main is-away",
        incidents="",
        down_since=began,
    )


def register(app: Dash, api: Client, clock: Callable[[], datetime]) -> None:
    _poll(app, api, clock)
    _act(app, api)
    _clientside(app)


def _poll(app: Dash, api: Client, clock: Callable[[], datetime]) -> None:
    @app.callback(
        Output("version", "data"),
        Output("age", "children"),
        Output("age", "className"),
        Output("strip", "children"),
        Output("main", "className"),
        Output("count-incidents", "children"),
        Output("down-since", "data"),
        Input("tick", "n_intervals"),
        Input("refresh", "n_clicks"),
        State("version", "data"),
        State("down-since", "data"),
    )
    async def poll(
        _tick: int, refreshes: int, was: str | None, since: str | None
    ) -> tuple[object, ...]:
        if ctx.triggered_id == "refresh":
            api.forget()
        try:
            pulse = alive(await api.health(), was, refreshes)
        except ClientError as error:
            pulse = outage(error, None if ctx.triggered_id == "refresh" else was, since, clock())
        version = no_update if pulse.version is None else pulse.version
        return (
            version,
            pulse.age,
            pulse.age_class,
            pulse.strip,
            pulse.main_class,
            pulse.incidents,
            pulse.down_since or "",
        )


def _act(app: Dash, api: Client) -> None:
    """After the reader's yes: tell the analyzer, say what it answered, ask for fresh data."""

    @app.callback(
        Output("toasts", "sendNotifications"),
        Output("ask", "opened", allow_duplicate=True),
        Output("refresh", "n_clicks"),
        Input("ask-yes", "n_clicks"),
        State("ask-path", "data"),
        State("ask-plan", "children"),
        State("my-name", "value"),
        State("refresh", "n_clicks"),
        prevent_initial_call=True,
    )
    async def act(
        _clicks: int, path: str | None, plan: str, who: str | None, refreshes: int
    ) -> tuple[object, ...]:
        if not path or not _clicks:
            return no_update, False, no_update
        place, _, label = path.partition("#")
        try:
            if label == REMOVE:
                await api.remove(f"/{place}")
            else:
                await api.post(f"/{place}", wish(place, label, who or "dashboard"))
        except ClientError as error:
            log.warning("action refused", extra={"place": place, "request_id": error.request_id})
            return [toast("Not done", f"{error.detail} {error.remedy}", bad=True)], False, no_update
        return [toast("Done", plan)], False, refreshes + 1


SIGNED = ("incidents/", "decisions/")


def wish(place: str, label: str, who: str) -> dict[str, str]:
    """The body of an action: only judgements about people's incidents are signed."""
    if not place.startswith(SIGNED):
        return {}
    return {"by": who} | ({"label": label} if label else {})


def toast(title: str, message: str, *, bad: bool = False) -> dict[str, object]:
    return {
        "action": "show",
        "title": title,
        "message": message,
        "color": "orange" if bad else "blue",
        "autoClose": 8000 if bad else 4000,
        "withBorder": True,
        "closeButtonProps": {"aria-label": "Close this message"},
    }


def _clientside(app: Dash) -> None:
    """Small things the browser does alone; the functions live in assets/pw.js."""

    def run(name: str, *what: object, **more: object) -> None:
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("pw", name), *what, **more
        )

    run("scheme", Output("scheme", "data"), Input("url", "pathname"), Input("toggle", "n_clicks"))
    run(
        "nav",
        *[Output(f"nav{path.replace('/', '-')}", "className") for path, _ in NAV],
        Input("url", "pathname"),
    )
    run(
        "range",
        Output("range", "value"),
        Output("sink", "data", allow_duplicate=True),
        Input("range", "value"),
        Input("url", "search"),
        prevent_initial_call="initial_duplicate",
    )
    run("find", Output("find", "value"), Input("find", "n_submit"), State("find", "value"))
    run(
        "ask",
        Output("ask", "opened"),
        Output("ask-plan", "children"),
        Output("ask-path", "data"),
        Input({"type": "act", "path": ALL, "plan": ALL}, "n_clicks"),
        Input("ask-no", "n_clicks"),
        prevent_initial_call=True,
    )
