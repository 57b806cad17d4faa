"""Short tables as plain HTML: they print, they are read aloud, they need no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

Cell = Component | str | list[Component | str]


@dataclass(frozen=True, slots=True)
class Column:
    """`number` aligns right in tabular numerals; `wide_only` is left out on phones."""

    name: str
    number: bool = False
    wide_only: bool = False

    @property
    def css(self) -> str:
        return " ".join(
            name for name, on in (("pw-num-cell", self.number), ("pw-wide", self.wide_only)) if on
        )


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], caption: str) -> Component:
    head = html.Tr([html.Th(c.name, className=c.css, scope="col") for c in columns])
    return html.Div(
        html.Table(
            [
                html.Caption(caption),
                html.Thead(head),
                html.Tbody([_row(columns, row) for row in rows]),
            ],
            className="pw-table",
        ),
        className="pw-scroll",
    )


def _row(columns: Sequence[Column], row: Sequence[Cell]) -> Component:
    pairs = zip(columns, row, strict=True)
    return html.Tr([html.Td(cell, className=column.css) for column, cell in pairs])


def bar(part: float, tone: str = "others", label: str = "") -> Component:
    """A bar inside a cell, `part` 0..1 of its width, with its number beside it."""
    width = f"{max(0.0, min(part, 1.0)) * 100:.1f}%"
    return html.Span(
        [
            html.Span(
                html.Span(className=f"pw-bar-fill is-{tone}", style={"width": width}),
                className="pw-bar",
            ),
            html.Span(label, className="pw-num"),
        ],
        className="pw-bar-cell",
    )
