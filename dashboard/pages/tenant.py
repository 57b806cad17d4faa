"""Is this tenant fine, loud, hurt, profitable?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.accounts.account import Account
from analyzer.api.views.incidents import IncidentSummary
from analyzer.api.views.tenants import TenantDetail
from dashboard import address, client, wording
from dashboard.client import Client, ClientError, Trouble
from dashboard.components import behind, kpi, table
from dashboard.components.badge import badge, incident_link, state_badge
from dashboard.components.keys import Key, keys
from dashboard.components.kpi import Kpi
from dashboard.components.panel import graph, panel
from dashboard.components.table import Cell, Column
from dashboard.figures import economics, usage
from dashboard.wiring import Ask, Filled, connect, empty

TITLE = "Tenant"
QUESTION = "Is it fine, loud, hurt, profitable?"
LOUD = 2.0


KEYS = [
    Key("asked of the resource", "line", "text"),
    Key("asked while loud", "line", "aggressor"),
    Key("expected at this hour", "dash", "others"),
    Key("p95 felt by callers", "line", "victim"),
]


def layout(at: address.Address) -> list[Component]:
    return [
        panel(
            "who",
            f"Tenant {at.last}",
            "",
            html.Div(id="who-head"),
            height=96,
            wide="pw-w-full pw-w-bare",
        ),
        panel("state", "Numbers", "", kpi.row("state-cards"), wide="pw-w-full pw-w-bare"),
        panel(
            "load",
            "Load and latency",
            "What it asks of each resource, what is expected, and what its callers feel.",
            keys(KEYS),
            graph("load-graph", 420, "Charts of the tenant's load and latency over time"),
            height=420,
            wide="pw-w-8",
        ),
        html.Div(
            [
                panel(
                    "guilty",
                    "Blamed for",
                    "Incidents it caused.",
                    html.Div(id="guilty-table"),
                    height=80,
                ),
                panel(
                    "hurt",
                    "Suffered from",
                    "Incidents it was hurt by.",
                    html.Div(id="hurt-table"),
                    height=80,
                ),
                panel(
                    "places",
                    "Where it lives",
                    "Placements, newest first.",
                    html.Div(id="places-table"),
                ),
            ],
            className="pw-stack pw-w-4",
        ),
        panel(
            "account",
            "Statement",
            "What it cost last week, of what that is made, what a unit costs, what comes.",
            html.Div(id="account-body"),
            graph("account-graph", economics.HEIGHT, "Waterfall of the weekly change"),
            behind.place("account-data"),
            height=320,
        ),
    ]


def register(app: Dash, api: Client) -> None:
    """Six panels, one question to the analyzer; the statement asks for itself."""

    def shows(
        panel_id: str, outputs: list[tuple[str, str]], view: Callable[[TenantDetail, Ask], Filled]
    ) -> None:
        connect(app, panel_id, outputs, _asking(api, view))

    async def account(ask: Ask) -> Filled:
        return await statement(api, ask)

    connect(
        app,
        "account",
        [
            ("account-body", "children"),
            ("account-graph", "figure"),
            ("account-graph", "style"),
            ("account-data", "children"),
        ],
        account,
    )
    shows("who", [("who-head", "children")], lambda view, _: Filled((head(view),)))
    shows("state", [("state-cards", "children")], lambda view, _: Filled((kpi.kpis(cards(view)),)))
    shows("load", [("load-graph", "figure"), ("load-graph", "style")], load)
    shows(
        "guilty",
        [("guilty-table", "children")],
        lambda view, _: cases(view.as_aggressor, "Nothing."),
    )
    shows("hurt", [("hurt-table", "children")], lambda view, _: cases(view.as_victim, "Nothing."))
    shows("places", [("places-table", "children")], lambda view, _: places(view))


def _asking(
    api: Client, show: Callable[[TenantDetail, Ask], Filled]
) -> Callable[[Ask], Awaitable[Filled]]:
    async def ask_api(ask: Ask) -> Filled:
        path = f"/tenants/{address.quoted(ask.at.last)}"
        return show(await api.get(client.TENANT, path, from_=ask.at.start, to=ask.at.end), ask)

    return ask_api


async def statement(api: Client, ask: Ask) -> Filled:
    """The newest closed week, or the running one so far."""
    page = await api.get(client.COSTS, "/costs", week=ask.at.week, limit=1)
    closed = [week for week in page.weeks if ask.at.week or week != page.week]
    week = ask.at.week or (closed[0] if closed else page.week)
    path = f"/reports/{address.quoted(week)}/accounts/{address.quoted(ask.at.last)}"
    try:
        found = await api.get(client.ACCOUNT, path)
    except ClientError as error:
        if error.trouble is Trouble.MISSING:
            return empty(f"It has no cost in {week}. Prices stand under [[cost.price]].")
        raise
    figure, style = None, {"display": "none"}
    rows: list[list[Cell]] = [["total", found.columns.total.shown]]
    if found.why is not None:
        words = dict(economics.CAUSES)
        steps = [(words[name], Decimal(amount.shown)) for name, amount in found.why.named()]
        now = Decimal(found.columns.total.shown)
        figure = economics.waterfall(steps, now, found.currency, ask.scheme)
        style = {"height": f"{economics.HEIGHT}px"}
        rows = [[name, f"{amount:+}"] for name, amount in steps]
    data = behind.behind(("Cause", found.currency), rows, f"{found.week} against the week before")
    return Filled((account_body(found), figure or {"data": [], "layout": {}}, style, data))


def account_body(found: Account) -> Component:
    """The columns, unit costs and what comes, as stored."""
    c = found.columns
    columns = [
        ("Direct", c.direct), ("Own idle", c.own_idle), ("Pool idle", c.pool_idle),
        ("Shared", c.shared), ("Credit", c.credit), ("Total", c.total),
    ]  # fmt: skip
    head = [Column("Resource"), *(Column(name, number=True) for name, _ in columns)]
    rows: list[list[Cell]] = [
        [
            item.resource,
            *(
                getattr(item.columns, field).shown
                for field in ("direct", "own_idle", "pool_idle", "shared", "credit", "total")
            ),
        ]
        for item in found.items
    ]
    rows.append(["all", *(amount.shown for _, amount in columns)])
    caption = f"{found.week}, {found.status}, version {found.version}, {found.currency}"
    units = [
        Kpi(f"Per {unit.per}", unit.loaded or "n/a", f"{unit.direct or 'n/a'} directly")
        for unit in found.units
    ]
    return html.Div(
        [
            html.Div(kpi.kpis([*units, *_coming(found)]), className="pw-kpis"),
            table.table(head, rows, caption),
        ]
    )


def _coming(found: Account) -> list[Kpi]:
    cards = []
    if found.forecast is not None:
        told = found.forecast
        off = "" if told.error is None else f", last month off by {told.error:.1%}"
        cards.append(Kpi("Next week", told.amount, f"{told.low} to {told.high}{off}"))
    if found.anomaly is not None and found.anomaly.state != "calm":
        cards.append(Kpi("Unusual", found.anomaly.state, f"z {found.anomaly.z:+.1f}", "bad"))
    cards.append(Kpi("Lost to incidents", found.harmed.shown, f"{len(found.harms)} incidents"))
    return cards


def load(view: TenantDetail, ask: Ask) -> Filled:
    if not usage.shown(view.usage):
        return empty("It asked for nothing in this range. Choose a longer range above.")
    figure = usage.figure(view.usage, view.slo_ms, ask.scheme, loud=view.state == "loud")
    return Filled((figure, {"height": f"{usage.height(view.usage)}px"}))


def head(view: TenantDetail) -> Component:
    name = view.name if view.name and view.name.lower() != view.id.lower() else view.id
    return html.Div(
        [
            html.P(name, className="pw-headline"),
            html.Div(
                [
                    state_badge(view.state),
                    badge(f"plan {view.plan or 'unknown'}", "plain"),
                    badge(f"isolation {view.isolation}", "plain"),
                    *[badge(f"pinned: {pin}", "plain") for pin in view.pins],
                    html.Span(f"on {wording.names(view.resources, 4)}", className="pw-dim"),
                ],
                className="pw-row",
            ),
        ],
        className="pw-hero",
    )


def cards(view: TenantDetail) -> list[Kpi]:
    promise = f"promised {view.slo_ms:.0f} ms" if view.slo_ms else "nothing promised"
    missed = bool(view.slo_ms and view.p95_s and view.p95_s * 1000 > view.slo_ms)
    margin = (
        f"margin {wording.rounded(view.margin, view.currency)}" if view.margin else "no price known"
    )
    return [
        Kpi(
            "Times expected",
            wording.times(view.noise),
            "offered load, last window",
            "bad" if view.state == "loud" or view.noise > LOUD else "",
        ),
        Kpi(
            "Share of its resource",
            wording.percent(view.share, 1),
            wording.names(view.resources, 1),
        ),
        Kpi("p95 latency", wording.seconds(view.p95_s), promise, "victim" if missed else ""),
        Kpi(
            "Errors",
            wording.percent(view.error_ratio, 2),
            f"{wording.number(view.requests_per_s)} requests/s",
        ),
        Kpi("Cost this week", wording.rounded(view.cost, view.currency), margin),
    ]


def cases(found: list[IncidentSummary], none: str) -> Filled:
    if not found:
        return empty(none)
    columns = [Column("Incident"), Column("State"), Column("Began", number=True)]
    rows: list[list[Cell]] = [
        [incident_link(one.id, one.sentence), state_badge(one.state), wording.stamp(one.started_at)]
        for one in found[:8]
    ]
    return Filled((table.table(columns, rows, "Incidents"),))


def places(view: TenantDetail) -> Filled:
    if not view.placements:
        return empty("No placement is written down.")
    columns = [
        Column("Resource"),
        Column("Isolation"),
        Column("From", number=True),
        Column("To", number=True),
    ]
    rows: list[list[Cell]] = [
        [
            one.resource,
            one.isolation,
            wording.stamp(one.from_ts),
            wording.stamp(one.to_ts) if one.to_ts else "now",
        ]
        for one in sorted(view.placements, key=lambda one: one.from_ts, reverse=True)
    ]
    return Filled((table.table(columns, rows, "Placements"),))
