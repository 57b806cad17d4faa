"""One number, its name and what it is measured against."""

from __future__ import annotations

from dataclasses import dataclass

from dash import dcc, html
from dash.development.base_component import Component


@dataclass(frozen=True, slots=True)
class Kpi:
    """`tone` is bad, victim or empty. `href` makes the number a link."""

    name: str
    value: str
    note: str
    tone: str = ""
    href: str = ""


def kpi(card: Kpi) -> Component:
    value: Component = html.Span(card.value, className="pw-kpi-value pw-num")
    if card.href:
        value = dcc.Link(card.value, href=card.href, className="pw-kpi-value pw-num")
    return html.Div(
        [
            html.Span(card.name, className="pw-kpi-name"),
            value,
            html.Span(card.note, title=card.note),
        ],
        className=f"pw-kpi{' is-' + card.tone if card.tone else ''}",
    )


def kpis(cards: list[Kpi]) -> list[Component]:
    return [kpi(card) for card in cards]


def row(id_: str, count: int = 5) -> Component:
    """The place of the cards, with skeletons of the final size."""
    return html.Div(
        [html.Div(className="pw-kpi is-skeleton") for _ in range(count)],
        id=id_,
        className="pw-kpis",
    )
