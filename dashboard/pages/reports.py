"""What went out, and what does it say?"""

from __future__ import annotations

from dash import Dash, html
from dash.development.base_component import Component

from analyzer.api.views.reports import ReportView
from dashboard import address, client, wording
from dashboard.client import Client
from dashboard.components import table
from dashboard.components.badge import state_badge
from dashboard.components.panel import panel
from dashboard.components.table import Cell, Column
from dashboard.wiring import Ask, Filled, connect, empty

TITLE = "Reports"
QUESTION = "Which weeks are closed, and what do they say?"
_FORMATS = address.REPORT_FORMATS


def layout(_at: address.Address) -> list[Component]:
    return [
        panel(
            "weekly",
            "Weekly cost reports",
            "A week is closed when it is over and its data complete; a missed one is caught up.",
            html.Div(id="weekly-table"),
            height=200,
        )
    ]


def register(app: Dash, api: Client) -> None:
    async def weekly(_ask: Ask) -> Filled:
        found = await api.get(client.REPORTS, "/reports")
        if not found:
            return empty(
                "No week is closed yet. The first report comes after the first Monday with data."
            )
        return Filled((reports_table(found),))

    connect(app, "weekly", [("weekly-table", "children")], weekly)


def reports_table(found: list[ReportView]) -> Component:
    columns = [
        Column("Week"),
        Column("Status"),
        Column("Total", number=True),
        Column("Version", number=True, wide_only=True),
        Column("Made (UTC)", number=True, wide_only=True),
        Column("Open"),
    ]
    rows: list[list[Cell]] = [
        [
            one.week,
            state_badge(one.status),
            wording.money(one.total, one.currency),
            f"{one.version}",
            wording.stamp(one.created_at),
            html.Div([_open(one.week, form) for form in _FORMATS], className="pw-chips"),
        ]
        for one in found
    ]
    return table.table(columns, rows, "Weekly reports")


def _open(week: str, form: str) -> Component:
    where = f"/download/reports/{address.quoted(week)}?format={address.quoted(form)}"
    return html.A(form.upper(), href=where, target="_blank" if form == "html" else "_self")
