"""Who did it, whom did it hurt, how sure is that, and what to do?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views.alerts import SilenceElsewhere
from analyzer.api.views.incidents import CheckView, HarmView, IncidentDetail, LinkView
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
from dashboard.gist import felt, gist
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
    Key("expected at this hour", "band", "others"),
    Key("middle half of the victims", "band", "victim"),
    Key("without the excess, by the model", "dot", "victim"),
    Key("a limit: promised, capacity", "dash", "text"),
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
        html.Div([_evidence_panel(), _victims_panel()], className="pw-stack pw-w-8"),
        html.Div(_answers(), className="pw-stack pw-w-4"),
    ]


def _evidence_panel() -> Component:
    return panel(
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
    )


def _victims_panel() -> Component:
    return panel(
        "victims",
        "Victims",
        "Typical values felt by their callers; the most harmed first.",
        grid("victims-grid", VICTIMS, height=380, sort="times"),
        height=380,
    )


def _answers() -> list[Component]:
    """The right column; each panel is as high as what it says."""
    return [
        panel(
            "decide", "What to do", "Nothing happens without your word.", html.Div(id="decide-list")
        ),
        panel(
            "why",
            "How we know",
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
        panel("events", "Timeline", "Times are UTC.", html.Div(id="events-list"), height=160),
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
                    *([badge(view.muted, "warn")] if view.muted else []),
                    kind_badge(view.kind),
                    badge(f"confidence: {wording.confidence(view.confidence)}", "plain"),
                    badge(ack, "plain"),
                    *([badge(view.label.replace("_", " "), "plain")] if view.label else []),
                    html.Span(duration(view), className="pw-dim pw-num"),
                ],
                className="pw-row",
            ),
            *[_silence(one) for one in view.silenced_elsewhere],
            html.P(" ".join(gist(view)), className="pw-explain"),
            *_chain(view),
            *_all_words(view),
            html.Div(actions(view), className="pw-row pw-actions"),
        ],
        className="pw-hero",
    )


def _silence(one: SilenceElsewhere) -> Component:
    """'Silenced in alertmanager until 18:00 by ada: shard moves tonight'."""
    until = wording.moment(one.until)
    words = f"Silenced in {one.where} until {until} by {one.author}: {one.comment}"
    return html.P([badge("silenced", "plain"), " ", words], className="pw-dim")


def _chain(view: IncidentDetail) -> list[Component]:
    """'began on queue:jobs 16:06:10 → db:shard-1 16:06:40, 30 suffer', or whose part it is."""
    if view.part_of is not None:
        told = html.A(view.part_of, href=f"/incidents/{address.quoted(view.part_of)}")
        return [html.P(["Part of ", told, ", which is told for both."])]
    if len(view.chain) < 2:
        return []
    steps = [html.Li(_step(link, view), className="pw-num") for link in view.chain]
    return [html.P("One trouble, from its cause on:"), html.Ol(steps, className="pw-chain")]


def _step(link: LinkView, view: IncidentDetail) -> list[Component | str]:
    here = link.incident == view.id
    where = html.Strong(link.resource) if here else html.A(
        link.resource, href=f"/incidents/{address.quoted(link.incident)}"
    )  # fmt: skip
    ended = f" to {wording.clock(link.ended_at)}" if link.ended_at else ""
    hurt = "1 tenant suffers" if link.victims == 1 else f"{link.victims:,} tenants suffer"
    return [where, f" from {link.started_at:%H:%M:%S}{ended}: {hurt}"]


def _all_words(view: IncidentDetail) -> list[Component]:
    """The same sentences as `partywall explain` prints, for who wants every one."""
    if not view.explanation:
        return []
    sentences = html.Ul([html.Li(one) for one in view.explanation])
    summary = html.Summary("All the evidence in words")
    return [html.Details([summary, sentences], className="pw-words")]


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
    return [
        Kpi(
            "Over its expected load",
            wording.times(blame.times_expected) if blame else "–",
            f"{wording.number(blame.demand)} for {wording.number(blame.expected)} busy s/s"
            if blame
            else "nobody is to blame",
            "bad" if blame else "",
        ),
        Kpi("Victims", f"{len(view.harms):,}", _promises(view.harms), "victim"),
        Kpi("Latency added", added, typical, "victim"),
        Kpi(
            "Load against capacity",
            wording.percent(view.utilisation),
            view.resource,
            "bad" if (view.utilisation or 0) > 0.8 else "",
        ),
        _last(view),
    ]


def _promises(harms: list[HarmView]) -> str:
    """None broken and none set are not the same."""
    known = [harm.past_slo for harm in harms if harm.past_slo is not None]
    return f"{sum(known):,} past their promise" if known else "no latency promised to them"


def _last(view: IncidentDetail) -> Kpi:
    """What it cost its victims, or, without a price, how soon it was seen."""
    if view.cost is not None:
        return Kpi("Cost to its victims", wording.rounded(view.cost, view.currency), _share(view))
    if view.detected_at is None:
        return Kpi("Noticed after", "–", "not sure enough yet")
    late = (view.detected_at - view.started_at).total_seconds()
    return Kpi("Noticed after", wording.span(late), f"at {wording.clock(view.detected_at)} UTC")


def _share(view: IncidentDetail) -> str:
    if not view.blames:
        return "nobody is charged"
    return f"{view.blames[0].tenant} explains {wording.percent(view.blames[0].contribution)}"


def _added(harms: list[HarmView]) -> tuple[str, str]:
    """The change of the typical latency, as one pair of words."""
    typical = felt(harms)
    if typical is None:
        return "–", "no victim felt latency"
    change = f"{wording.seconds(typical.before_s)} → {wording.seconds(typical.during_s)} typical"
    return f"+{wording.seconds(typical.during_s - typical.before_s)}", change


def why(view: IncidentDetail) -> Filled:
    rest = unsaid(view)
    if not view.blames and not rest and not view.caveats:
        return empty("Nobody is blamed, so there is nothing to prove.")
    parts: list[Component] = []
    for blame in view.blames:
        share = f" takes {wording.percent(blame.share)} of {view.resource}"
        parts += [html.P([tenant_link(blame.tenant, "aggressor"), share]), checklist(blame.checks)]
    if rest:
        parts.append(checklist(rest))
    return Filled((html.Div([*parts, caveats(view.caveats)]),))


def unsaid(view: IncidentDetail) -> list[CheckView]:
    """Tests of the finding that no blame already shows: the same test is told once."""
    told = [check for blame in view.blames for check in blame.checks]
    return [check for check in view.checks if check not in told]


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
