"""Filters as links: the address bar holds the choice, so back, copy and bookmark just work."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.address import Address


def chips(
    name: str, key: str, chosen: str, choices: Sequence[tuple[str, str]], at: Address
) -> Component:
    """`choices` are (value, words); the empty value takes the filter away."""
    links = [
        dcc.Link(
            words,
            href=at.link(**{key: value}),
            className="is-chosen" if value == chosen else "is-choice",
        )
        for value, words in choices
    ]
    return html.Div([html.Span(name, className="pw-chips-name"), *links], className="pw-chips")


def cleared(name: str, key: str, value: str, at: Address) -> Component:
    """One set filter with a link that takes it away."""
    if not value:
        return html.Span()
    away = dcc.Link(
        f"{value} ×", href=at.link(**{key: ""}), className="is-chosen", title="Show all"
    )
    return html.Div([html.Span(name, className="pw-chips-name"), away], className="pw-chips")
