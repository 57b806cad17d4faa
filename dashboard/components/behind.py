"""The numbers behind a picture, one click away, for those who want or need them as a table."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.components import table
from dashboard.components.table import Cell, Column

MOST = 60


def place(id_: str) -> Component:
    """Where the table goes; fill its `children` with `behind`."""
    return html.Details([html.Summary("Show the data"), html.Div(id=id_)], className="pw-behind")


def behind(
    head: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str, texts: int = 1
) -> Component:
    """The first `texts` columns are words; at most 60 rows, the CSV has all."""
    columns = [Column(name, number=at >= texts) for at, name in enumerate(head)]
    more = f"; {len(rows) - MOST} more in the CSV" if len(rows) > MOST else ""
    return table.table(columns, rows[:MOST], f"{caption}{more}")
