"""What happened, what is open, what is mine?"""

from __future__ import annotations

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views.incidents import IncidentSummary
from analyzer.api.views.precision import PrecisionView
from dashboard import address, client, wording
from dashboard.client import Client
from dashboard.components import behind, kpi
from dashboard.components.chips import chips, cleared
from dashboard.components.grid import GridColumn, grid
from dashboard.components.kpi import Kpi
from dashboard.components.panel import graph, panel
from dashboard.components.table import Cell
from dashboard.figures import precision
from dashboard.pages.overview import OPEN
from dashboard.wiring import Ask, Filled, connect, empty, follow

TITLE = "Incidents"
QUESTION = "What happened, what is open, what needs a word from me?"
MOST = 500

STATES = [("", "All"), ("firing", "Open"), ("pending", "Pending"), ("resolved", "Resolved")]
KINDS = [("", "All"), *[(name, words) for name, words in wording.KINDS.items() if name != "calm"]]

COLUMNS = [
    GridColumn("sentence", "What", 165, render="PwSentence", grow=4, sortable=False),
    GridColumn("state", "State", 90, render="PwState"),
    GridColumn("kind", "Kind", 130, wide_only=True),
    GridColumn(
        "aggressors", "Blamed", 110, render="PwTenants", sortable=False, grow=2, wide_only=True
    ),
    GridColumn("victims", "Victims", 80, number=True),
    GridColumn("confidence", "Confidence", 100, show="pwPercent", number=True, wide_only=True),
    GridColumn("started", "Began (UTC)", 115, show="pwTime", wide_only=True),
    GridColumn("lasted", "Lasted", 100, render="PwShown", number=True, wide_only=True),
    GridColumn("owner", "Looked after by", 125, wide_only=True),
]


def layout(_at: address.Address) -> list[Component]:
    return [
        panel("sum", "Numbers", "", kpi.row("sum-cards", 4), wide="pw-w-full pw-w-bare pw-w-four"),
        panel(
            "cases",
            "Incidents",
            "Newest first. Choose a row's sentence for its evidence.",
            html.Div(id="cases-chips", className="pw-filter"),
            grid("cases-grid", COLUMNS, height=560, empty="No incident matches."),
            height=600,
        ),
        panel(
            "right",
            "How often we were right",
            "By the labels people gave: on the dotted line we are as right as we say.",
            html.P(id="right-words", className="pw-explain"),
            graph("right-graph", precision.HEIGHT, "Part confirmed against confidence said"),
            behind.place("right-data"),
            height=precision.HEIGHT,
        ),
    ]


def register(app: Dash, api: Client) -> None:
    """One question for both panels; the filters are part of it."""

    async def asked(ask: Ask) -> list[IncidentSummary]:
        since = "" if ask.at.start == address.DEFAULT_FROM else ask.at.start
        return await api.get(
            client.INCIDENTS,
            "/incidents",
            state=OPEN if ask.at.state == "firing" else ask.at.state,
            kind=ask.at.kind,
            resource=ask.at.resource,
            from_=since,
            limit=MOST,
        )

    async def numbers(ask: Ask) -> Filled:
        return Filled((kpi.kpis(cards(await asked(ask))),))

    async def cases(ask: Ask) -> Filled:
        found = await asked(ask)
        filtered = bool(ask.at.state or ask.at.kind or ask.at.resource)
        if not found and not filtered:
            return empty("No incident so far. When one tenant hurts others, it is told here.")
        return Filled(([row(one) for one in found],))

    async def right(ask: Ask) -> Filled:
        view = await api.get(client.PRECISION, "/precision")
        if not view.overall.judged:
            return empty(
                "Nobody judged an incident yet. Confirm one or mark a false alarm on its page: "
                "here it is counted."
            )
        figure = precision.reliability(view, ask.scheme)
        head = ("Kind", "Judged", "Confirmed", "Precision", "95 % interval")
        told = behind.behind(head, precision_rows(view), f"Labels of the last {view.days} days")
        return Filled((verdict(view), figure, told))

    connect(
        app,
        "right",
        [("right-words", "children"), ("right-graph", "figure"), ("right-data", "children")],
        right,
    )
    connect(app, "sum", [("sum-cards", "children")], numbers)
    connect(app, "cases", [("cases-grid", "rowData")], cases)
    follow(app, "cases-chips", filters)


def verdict(view: PrecisionView) -> str:
    """'18 of 20 judged incidents were confirmed: 90 % (70 to 97 %). ...'"""
    all_ = view.overall
    between = f"{wording.percent(all_.low)} to {wording.percent(all_.high)}"
    said = (
        f"{all_.right} of {wording.plural(all_.judged, 'judged incident')} "
        f"{'was' if all_.right == 1 else 'were'} confirmed: "
        f"{wording.percent(all_.value)} ({between})."
    )
    if view.threshold == view.configured:
        return f"{said} The threshold stays at {view.in_force:.2f}: {view.reason}."
    if view.tuning:
        moved = f"The threshold is {view.in_force:.2f}, not {view.configured:.2f}"
        return f"{said} {moved}: {view.reason}."
    return (
        f"{said} Labels ask for a threshold of {view.threshold:.2f} instead of {view.in_force:.2f} "
        f"({view.reason}); [tuning] enabled = true would set it."
    )


def precision_rows(view: PrecisionView) -> list[list[Cell]]:
    lines = [(wording.kind(one.kind), one.precision) for one in view.kinds]
    return [
        [
            name, f"{p.judged:,}", f"{p.right:,}", wording.percent(p.value),
            f"{wording.percent(p.low)} to {wording.percent(p.high)}",
        ]
        for name, p in [*lines, ("all", view.overall)]
    ]  # fmt: skip


def filters(at: address.Address) -> list[Component]:
    return [
        chips("State", "var-state", at.state, STATES, at),
        chips("Kind", "var-kind", at.kind, KINDS, at),
        cleared("On", "var-resource", at.resource, at),
    ]


def cards(found: list[IncidentSummary]) -> list[Kpi]:
    open_ = [one for one in found if one.state in {"firing", "flapping"}]
    unseen = [one for one in open_ if one.acknowledged_by is None]
    judged = [one for one in found if one.label]
    right = sum(one.label == "confirmed" for one in judged)
    blamed = {name for one in found for name in one.aggressors}
    return [
        Kpi("Open", f"{len(open_):,}", f"{len(unseen):,} not acknowledged", "bad" if open_ else ""),
        Kpi("Shown", f"{len(found):,}", "with these filters"),
        Kpi("Tenants blamed", f"{len(blamed):,}", wording.names(sorted(blamed), 3)),
        Kpi(
            "Judged by people",
            f"{len(judged):,}",
            f"{right:,} confirmed, {len(judged) - right:,} false alarms",
        ),
    ]


def row(one: IncidentSummary) -> dict[str, object]:
    lasted = (one.ended_at - one.started_at).total_seconds() if one.ended_at else None
    words = [word for word in (one.acknowledged_by, (one.label or "").replace("_", " ")) if word]
    return {
        "id": one.id,
        "sentence": one.sentence,
        "state": one.state,
        "kind": wording.kind(one.kind),
        "aggressors": one.aggressors,
        "victims": one.victims,
        "confidence": round(one.confidence, 3),
        "started": one.started_at.isoformat(),
        "lasted": lasted,
        "lasted_words": wording.span(lasted) if lasted is not None else "goes on",
        "owner": ", ".join(words) if words else "–",
    }
