"""The pages, one file each, and which address shows which."""

from __future__ import annotations

from typing import Any, Protocol

from dash import Dash, dcc, html
from dash.development.base_component import Component

from dashboard.address import Address
from dashboard.client import Client
from dashboard.pages import (
    alerts,
    cost,
    health,
    incident,
    incidents,
    overview,
    reports,
    shards,
    tenant,
    tenants,
)


class Page(Protocol):
    """What every page file gives."""

    TITLE: str
    QUESTION: str

    def layout(self, at: Address, /) -> list[Component]: ...

    def register(self, app: Dash, api: Client) -> None: ...


LISTS: dict[str, Page] = {
    "": overview,
    "incidents": incidents,
    "tenants": tenants,
    "shards": shards,
    "cost": cost,
    "reports": reports,
    "alerts": alerts,
    "health": health,
}
OBJECTS: dict[str, Page] = {"incidents": incident, "tenants": tenant}
PAGES: list[Page] = [*LISTS.values(), *OBJECTS.values()]


def find(path: str) -> Page | None:
    """'/' and '/tenants' are lists, '/tenants/acme' is one object."""
    first, _, rest = path.strip("/").partition("/")
    return OBJECTS.get(first) if rest else LISTS.get(first)


def render(at: Address) -> Component:
    page = find(at.path)
    if page is None:
        return html.Div(
            [
                html.H1("No such page"),
                html.P([f"Nothing lives at {at.path}. ", dcc.Link("Go to the overview", href="/")]),
            ],
            className="pw-page-head",
        )
    head = html.Div(_head(page, at), className="pw-page-head")
    mark: dict[str, Any] = {"data-page": at.path}  # which page this is, for who drives a browser
    return html.Div(
        [head, html.Div(page.layout(at), className="pw-panels")],
        key=at.path,
        **mark,
    )


def _head(page: Page, at: Address) -> list[Component]:
    """A list says its question; one object says where it stands."""
    above = at.path.strip("/").partition("/")[0]
    if at.path.strip("/") == above:
        return [html.H1(page.TITLE), html.P(page.QUESTION)]
    back = dcc.Link(LISTS[above].TITLE, href=f"/{above}", className="pw-link")
    return [html.H1([back, html.Span(f" / {at.last}", className="pw-dim")], className="pw-crumb")]
