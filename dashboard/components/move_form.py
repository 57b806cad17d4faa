"""Ask what a move would change: both sides' fullness and risk, and everybody's cost."""

from __future__ import annotations

from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from analyzer.api.views.placement import SideView, WhatIfView
from dashboard import wording
from dashboard.client import WHAT_IF, Client, ClientError
from dashboard.components import table
from dashboard.components.rule_forms import form, refused, text_input
from dashboard.components.table import Cell, Column

_MOST = 20


def move_form() -> Component:
    return form(
        "Ask what a move would change",
        "move",
        [
            text_input("move-tenant", "Tenant", "acme"),
            text_input("move-from", "From", "db:shard-1"),
            text_input("move-to", "To", "db:shard-2"),
        ],
        "Ask",
    )


def register(app: Dash, api: Client) -> None:
    @app.callback(
        Output("move-said", "children"),
        Input("move-go", "n_clicks"),
        State("move-tenant", "value"),
        State("move-from", "value"),
        State("move-to", "value"),
        prevent_initial_call=True,
    )
    async def ask(
        clicks: int, tenant: str | None, source: str | None, target: str | None
    ) -> object:
        if not clicks:
            return no_update
        given = [(one or "").strip() for one in (tenant, source, target)]
        if not all(given):
            return html.P("Name the tenant, the resource it is on, and the one it would be on.")
        names = dict(zip(("tenant", "source", "target"), given, strict=True))
        try:
            found = await api.get(WHAT_IF, "/placement/what-if", **names)
        except ClientError as error:
            return refused(error)
        return answer(found)


def answer(found: WhatIfView) -> Component:
    """A table of both sides, and one of whose cost changes."""
    sides = table.table(
        [
            Column("Resource"), Column("Full", number=True), Column("Then", number=True),
            Column("Headroom then", number=True), Column("Risk of an overfull week", number=True),
            Column("Then", number=True),
        ],
        [_side(found.source), _side(found.target)],
        f"Last week with {found.tenant} on {found.target.resource}",
    )  # fmt: skip
    costs: list[list[Cell]] = [
        [
            one.tenant,
            wording.money(one.before, found.currency),
            wording.money(one.after, found.currency),
        ]
        for one in found.costs[:_MOST]
    ]
    more = len(found.costs) - len(costs)
    caption = f"{wording.plural(found.unchanged, 'other tenant')} would pay what they pay now"
    if more > 0:
        caption = f"{more} more change, see partywall placement what-if; {caption}"
    heads = [Column("Tenant"), Column("Pays a week", number=True), Column("Then", number=True)]
    return html.Div([sides, table.table(heads, costs, caption)])


def _side(side: SideView) -> list[Cell]:
    return [
        side.resource,
        wording.percent(side.packing_before),
        wording.percent(side.packing_after),
        wording.percent(side.headroom_after),
        wording.percent(side.risk_before),
        wording.percent(side.risk_after),
    ]
