"""What happened, what is open, what is mine?"""

from __future__ import annotations

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views.incidents import IncidentSummary
from dashboard import address, client, wording
from dashboard.client import Client
from dashboard.components import kpi
from dashboard.components.chips import chips, cleared
from dashboard.components.grid import GridColumn, grid
from dashboard.components.kpi import Kpi
from dashboard.components.panel import panel
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

    connect(app, "sum", [("sum-cards", "children")], numbers)
    connect(app, "cases", [("cases-grid", "rowData")], cases)
    follow(app, "cases-chips", filters)


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
