"""Who did it, whom did it hurt, how sure is that, and what to do?"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views import HarmView, IncidentDetail
from dashboard import address, client, wording
from dashboard.client import Client
from dashboard.components import kpi, table
from dashboard.components.badge import badge, kind_badge, state_badge, tenant_link
from dashboard.components.checklist import caveats, checklist
from dashboard.components.decision import action, decision
from dashboard.components.grid import GridColumn, grid
from dashboard.components.keys import Key, keys
from dashboard.components.kpi import Kpi
from dashboard.components.panel import graph, panel
from dashboard.components.table import Cell, Column
from dashboard.components.timeline import timeline
from dashboard.figures import evidence
from dashboard.wiring import Ask, Filled, connect, empty

TITLE = "Incident"
QUESTION = "Who did it, whom did it hurt, how sure is that, and what to do?"

VICTIMS = [
    GridColumn("tenant", "Tenant", 110, render="PwTenant", grow=2),
    GridColumn("plan", "Plan", 90, wide_only=True),
    GridColumn("signal", "Felt as", 90, wide_only=True),
    GridColumn("before", "Before", 78, render="PwShown", number=True),
    GridColumn("during", "During", 78, render="PwShown", number=True),
    GridColumn(
        "without",
        "Without it",
        88,
        render="PwShown",
        number=True,
        help="What the model says it would feel without the blamed excess",
    ),
    GridColumn("times", "Times slower", 125, show="pwTimes", number=True, wide_only=True),
    GridColumn("slo", "Promise", 90, wide_only=True),
]


KEYS = [
    Key("blamed", "line", "aggressor"),
    Key("expected at this hour", "band", "others"),
    Key("victims, median", "line", "victim"),
    Key("their middle half", "band", "victim"),
    Key("without the excess (model)", "dot", "victim"),
    Key("all other tenants", "area", "others"),
    Key("promised, capacity", "dash", "text"),
]


def layout(at: address.Address) -> list[Component]:
    name = at.last
    return [
        panel(
            "story",
            f"Incident {name}",
            "",
            html.Div(id="story-head"),
            height=120,
            wide="pw-w-full pw-w-bare",
        ),
        panel("facts", "Numbers", "", kpi.row("facts-cards"), wide="pw-w-full pw-w-bare"),
        panel(
            "evidence",
            "Evidence",
            "The blamed tenant, its victims and the resource on one clock (UTC).",
            keys(KEYS),
            graph(
                "evidence-graph",
                evidence.HEIGHT,
                "Three charts over time: aggressor, victims, resource",
            ),
            height=evidence.HEIGHT,
            wide="pw-w-8",
        ),
        html.Div(
            [
                panel(
                    "why",
                    "Why this tenant",
                    "Each test of the evidence.",
                    html.Div(id="why-list"),
                    height=200,
                ),
                panel(
                    "rivals",
                    "Other suspects",
                    "And why they are not blamed.",
                    html.Div(id="rivals-table"),
                ),
            ],
            className="pw-stack pw-w-4",
        ),
        panel(
            "victims",
            "Victims",
            "Typical values felt by their callers; the most harmed first.",
            grid("victims-grid", VICTIMS, height=380, sort="times"),
            height=380,
            wide="pw-w-8",
        ),
        html.Div(
            [
                panel(
                    "decide",
                    "What to do",
                    "Nothing happens without your word.",
                    html.Div(id="decide-list"),
                ),
                panel(
                    "events", "Timeline", "Times are UTC.", html.Div(id="events-list"), height=160
                ),
            ],
            className="pw-stack pw-w-4",
        ),
    ]


def register(app: Dash, api: Client) -> None:
    """Seven panels, one question to the analyzer: the client keeps its answer."""

    def shows(
        panel_id: str, outputs: list[tuple[str, str]], view: Callable[[IncidentDetail, Ask], Filled]
    ) -> None:
        connect(app, panel_id, outputs, _asking(api, view))

    shows("story", [("story-head", "children")], lambda view, _: Filled((head(view),)))
    shows("facts", [("facts-cards", "children")], lambda view, _: Filled((kpi.kpis(facts(view)),)))
    shows("evidence", [("evidence-graph", "figure")], _evidence)
    shows("why", [("why-list", "children")], lambda view, _: why(view))
    shows("rivals", [("rivals-table", "children")], lambda view, _: rivals(view))
    shows("victims", [("victims-grid", "rowData")], lambda view, _: victims(view))
    shows("decide", [("decide-list", "children")], lambda view, _: decisions(view))
    shows(
        "events", [("events-list", "children")], lambda view, _: Filled((timeline(view.timeline),))
    )


def _asking(
    api: Client, show: Callable[[IncidentDetail, Ask], Filled]
) -> Callable[[Ask], Awaitable[Filled]]:
    async def load(ask: Ask) -> Filled:
        return show(
            await api.get(client.INCIDENT, f"/incidents/{address.quoted(ask.at.last)}"), ask
        )

    return load


def _evidence(view: IncidentDetail, ask: Ask) -> Filled:
    if not view.clock:
        return empty("The windows of this incident are no longer kept, the sentences above remain.")
    return Filled((evidence.figure(view, ask.scheme),))


def head(view: IncidentDetail) -> Component:
    ack = f"acknowledged by {view.acknowledged_by}" if view.acknowledged_by else "not acknowledged"
    return html.Div(
        [
            html.P(view.sentence, className="pw-headline"),
            html.Div(
                [
                    state_badge(view.state),
                    kind_badge(view.kind),
                    badge(f"confidence: {wording.confidence(view.confidence)}", "plain"),
                    badge(ack, "plain"),
                    *([badge(view.label.replace("_", " "), "plain")] if view.label else []),
                    html.Span(duration(view), className="pw-dim pw-num"),
                ],
                className="pw-row",
            ),
            html.P(" ".join(view.explanation), className="pw-explain"),
            html.Div(actions(view), className="pw-row pw-actions"),
        ],
        className="pw-hero",
    )


def duration(view: IncidentDetail) -> str:
    """'16:06 to 16:54, 48 min' or 'since 16:06, 24 min so far'."""
    started = wording.moment(view.started_at)
    if view.ended_at:
        lasted = (view.ended_at - view.started_at).total_seconds()
        return f"{started} to {wording.clock(view.ended_at)}, {wording.span(lasted)}"
    if not view.clock:
        return f"since {started}"
    lasted = (view.clock[-1] - view.started_at).total_seconds() + view.window_s
    return f"since {started}, {wording.span(lasted)} so far"


def actions(view: IncidentDetail) -> list[Component]:
    base = f"incidents/{view.id}"
    found = []
    if not view.acknowledged_by:
        found.append(
            action(
                f"{base}/acknowledge", "Acknowledge", f"Tell everybody you look after {view.id}."
            )
        )
    if view.label != "confirmed":
        found.append(
            action(
                f"{base}/label#confirmed",
                "Confirm",
                f"{view.id} was right: the detector learns it.",
            )
        )
    if view.label != "false_alarm":
        found.append(
            action(
                f"{base}/label#false_alarm",
                "Mark false alarm",
                f"{view.id} was wrong: the detector learns it.",
            )
        )
    return found


def facts(view: IncidentDetail) -> list[Kpi]:
    blame = view.blames[0] if view.blames else None
    added, typical = _added(view.harms)
    past = [harm for harm in view.harms if harm.past_slo]
    return [
        Kpi(
            "Over its expected load",
            wording.times(blame.times_expected) if blame else "–",
            f"{wording.number(blame.demand)} for {wording.number(blame.expected)} busy s/s"
            if blame
            else "nobody is to blame",
            "bad" if blame else "",
        ),
        Kpi("Victims", f"{len(view.harms):,}", f"{len(past):,} past their promise", "victim"),
        Kpi("Latency added", added, typical, "victim"),
        Kpi(
            "Resource in use",
            wording.percent(view.utilisation),
            view.resource,
            "bad" if (view.utilisation or 0) > 0.8 else "",
        ),
        Kpi("Cost of the excess", wording.money(view.cost, view.currency), _share(view)),
    ]


def _share(view: IncidentDetail) -> str:
    if not view.blames:
        return "nobody is charged"
    return f"{view.blames[0].tenant} explains {wording.percent(view.blames[0].contribution)}"


def _added(harms: list[HarmView]) -> tuple[str, str]:
    """Geometric means over the victims that felt latency, as one pair of words."""
    felt = [h for h in harms if h.signal == "latency" and h.before_s > 0 and h.during_s > 0]
    if not felt:
        return "–", "no victim felt latency"
    before = math.exp(sum(math.log(h.before_s) for h in felt) / len(felt))
    during = math.exp(sum(math.log(h.during_s) for h in felt) / len(felt))
    return (
        f"+{wording.seconds(during - before)}",
        f"{wording.seconds(before)} → {wording.seconds(during)} typical",
    )


def why(view: IncidentDetail) -> Filled:
    checks = [check for blame in view.blames for check in blame.checks] or view.checks
    if not checks and not view.caveats:
        return empty("Nobody is blamed, so there is nothing to prove.")
    parts: list[Component] = []
    for blame in view.blames:
        share = f" takes {wording.percent(blame.share)} of {view.resource}"
        parts += [html.P([tenant_link(blame.tenant, "aggressor"), share]), checklist(blame.checks)]
    if view.checks:
        parts.append(checklist(view.checks))
    return Filled((html.Div([*parts, caveats(view.caveats)]),))


def rivals(view: IncidentDetail) -> Filled:
    if not view.rivals:
        return empty("No other tenant came close.")
    columns = [Column("Tenant"), Column("Explains", number=True), Column("Why not")]
    rows: list[list[Cell]] = [
        [
            tenant_link(one.tenant),
            table.bar(one.score, "others", wording.percent(one.score)),
            one.why_not,
        ]
        for one in view.rivals
    ]
    return Filled((table.table(columns, rows, "Suspects that are not blamed"),))


def victims(view: IncidentDetail) -> Filled:
    if not view.harms:
        return empty("No tenant was harmed.")
    return Filled(([victim_row(harm) for harm in view.harms],))


def victim_row(harm: HarmView) -> dict[str, object]:
    """Numbers sort, words show: error ratios are percents, the rest are times."""
    errors = harm.signal == "errors"
    pairs = {"before": harm.before_s, "during": harm.during_s, "without": harm.without_s}
    told = {None: "none set", True: "broken", False: "kept"}[harm.past_slo]
    return {
        "tenant": harm.tenant,
        "plan": harm.plan,
        "signal": harm.signal,
        "times": harm.during_s / harm.before_s if harm.before_s else None,
        "slo": told,
        **pairs,
        **{
            f"{key}_words": wording.percent(value, 1) if errors else wording.seconds(value)
            for key, value in pairs.items()
        },
    }


def decisions(view: IncidentDetail) -> Filled:
    if not view.decisions:
        return empty("No action is proposed.")
    return Filled(([decision(one) for one in view.decisions],))
