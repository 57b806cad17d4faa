"""What the lines and areas of a chart mean, as words that wrap on any screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component


@dataclass(frozen=True, slots=True)
class Key:
    """`shape` is line, dash, dot, band or area; `role` aggressor, victim, others, rest or text."""

    words: str
    shape: str
    role: str


def keys(rows: Sequence[Key]) -> Component:
    return html.Ul(
        [
            html.Li(
                [html.Span(className=f"pw-swatch is-{key.shape} pw-ink-{key.role}"), key.words],
            )
            for key in rows
        ],
        className="pw-keys",
    )
