"""Find a tenant among all of them."""

from __future__ import annotations

from collections.abc import Mapping

from dash import ClientsideFunction, Dash, Input, Output, State, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from analyzer.api.views.tenants import TenantPage, TenantSummary
from dashboard import address, wording
from dashboard.client import Client, ClientError
from dashboard.components.chips import chips, cleared
from dashboard.components.grid import BLOCK, GridColumn, grid
from dashboard.components.panel import panel
from dashboard.paging import Pages, Wish
from dashboard.wiring import Ask, Filled, connect, empty, follow

TITLE = "Tenants"
QUESTION = "Who is loud, who is hurt, who is it worth looking at?"

STATES = [
    ("", "All"),
    ("loud", "Loud"),
    ("hurt", "Hurt"),
    ("calm", "Calm"),
    ("quarantined", "Quarantined"),
]

COLUMNS = [
    GridColumn("id", "Tenant", 130, render="PwTenant", grow=2),
    GridColumn("state", "State", 90, render="PwState"),
    GridColumn(
        "noise",
        "Times expected",
        145,
        show="pwTimes",
        number=True,
        help="Offered load over what is expected at this hour; 1 is normal",
    ),
    GridColumn("share", "Share of resource", 160, render="PwBar", number=True, wide_only=True),
    GridColumn("requests_per_s", "Requests/s", 105, show="pwNumber", number=True, wide_only=True),
    GridColumn("p95_s", "p95", 85, show="pwSeconds", number=True),
    GridColumn("error_ratio", "Errors", 85, show="pwPercent", number=True, wide_only=True),
    GridColumn("cost", "Cost this week", 120, show="pwMoney", number=True, wide_only=True),
    GridColumn("margin", "Margin", 95, sortable=False, show="pwMoney", number=True, wide_only=True),
    GridColumn("plan", "Plan", 95, wide_only=True),
    GridColumn("resources", "Where", 120, sortable=False, wide_only=True),
]
SORTABLE = frozenset(column.field for column in COLUMNS if column.sortable)
SHOWN = frozenset(column.field for column in COLUMNS) - {"plan", "resources"}


def layout(_at: address.Address) -> list[Component]:
    return [
        panel(
            "list",
            "All tenants",
            "Sorted and filtered by the analyzer; rows load as you scroll. Money is in the "
            "currency of the price sheet.",
            html.Div(id="list-chips", className="pw-filter"),
            html.P(id="list-count", className="pw-dim pw-num pw-count-line"),
            grid(
                "tenants-grid",
                COLUMNS,
                height=640,
                infinite=True,
                sort="noise",
                empty="No tenant matches.",
            ),
            height=700,
        ),
    ]


def register(app: Dash, api: Client) -> None:
    pages = Pages(api)

    async def counted(ask: Ask) -> Filled:
        page = await pages.first(Wish(search=ask.at.search, state=ask.at.state))
        if not page.total and not (ask.at.search or ask.at.state):
            return empty("No tenant is known yet. They appear with their first usage.")
        return Filled((count_words(page, ask.at),))

    connect(app, "list", [("list-count", "children")], counted)
    follow(app, "list-chips", filters)
    _rows(app, pages)
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("pw", "refreshRows"),
        Output("sink", "data", allow_duplicate=True),
        Input("version", "data"),
        Input("url", "search"),
        prevent_initial_call=True,
    )


def _rows(app: Dash, pages: Pages) -> None:
    @app.callback(
        Output("tenants-grid", "getRowsResponse"),
        Input("tenants-grid", "getRowsRequest"),
        State("url", "search"),
    )
    async def rows(request: Mapping[str, object] | None, search: str | None) -> dict[str, object]:
        if request is None:
            raise PreventUpdate
        at = address.read("/tenants", search)
        try:
            found, total = await pages.slice(
                wish(request, at), int(str(request.get("startRow") or 0))
            )
        except ClientError:  # the panel above tells it; the grid only must not wait for ever
            return {"rowData": [], "rowCount": 0}
        return {"rowData": [row(one) for one in found], "rowCount": total}


def wish(request: Mapping[str, object], at: address.Address) -> Wish:
    """What the grid asks for, held to what the API can sort."""
    model = request.get("sortModel")
    first = model[0] if isinstance(model, list) and model else {}
    sort = first.get("colId") if isinstance(first, dict) else None
    order = first.get("sort") if isinstance(first, dict) else None
    return Wish(
        search=at.search,
        state=at.state,
        sort=sort if isinstance(sort, str) and sort in SORTABLE else "noise",
        order="asc" if order == "asc" else "desc",
    )


def filters(at: address.Address) -> list[Component]:
    return [
        chips("State", "var-state", at.state, STATES, at),
        cleared("Name", "search", at.search, at),
    ]


def count_words(page: TenantPage, at: address.Address) -> str:
    found = wording.plural(page.total, "tenant")
    return f"{found} match." if at.search or at.state else f"{found}, {BLOCK} at a time."


def row(one: TenantSummary) -> dict[str, object]:
    return {
        **one.model_dump(include=set(SHOWN)),
        "plan": one.plan or "–",
        "resources": wording.names(one.resources, 1),
    }
