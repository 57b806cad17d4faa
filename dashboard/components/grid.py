"""Long tables: AG Grid community, styled by its theme parameters so that it follows dark mode.

Sorting, filtering and paging of ten thousand rows stay with the analyzer (infinite row model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dash_ag_grid as dag
from dash.development.base_component import Component

THEME = (
    "themeQuartz.withParams({backgroundColor:'var(--pw-panel)',foregroundColor:'var(--pw-text)',"
    "headerBackgroundColor:'var(--pw-panel)',headerTextColor:'var(--pw-dim)',"
    "borderColor:'var(--pw-line)',rowHoverColor:'var(--pw-hover)',accentColor:'var(--pw-accent)',"
    "chromeBackgroundColor:'var(--pw-panel)',oddRowBackgroundColor:'var(--pw-panel)',"
    "fontFamily:'inherit',fontSize:13,headerFontSize:12,headerFontWeight:500,rowHeight:34,"
    "headerHeight:34,wrapperBorder:false,columnBorder:false,headerColumnBorder:false,"
    "headerColumnResizeHandleColor:'transparent',cellHorizontalPadding:10,"
    "wrapperBorderRadius:0,browserColorScheme:'inherit'})"
)

BLOCK = 100
"""Rows one request of an infinite grid brings."""

TICKS = {
    "rowSelection": {"mode": "multiRow", "enableClickSelection": False},
    "selectionColumnDef": {"width": 36, "minWidth": 36, "maxWidth": 36},
}
"""Boxes before the rows."""

Field = str | int | bool | None
ColumnDef = dict[str, object]


@dataclass(frozen=True, slots=True)
class GridColumn:
    """`show` names a formatter, `render` a cell renderer of assets/grid.js. Widths are px."""

    field: str
    name: str
    width: int = 110
    show: str = ""
    render: str = ""
    number: bool = False
    sortable: bool = True
    grow: int = 0
    wide_only: bool = False
    help: str = ""
    money: bool = False


def column_def(column: GridColumn) -> ColumnDef:
    found: ColumnDef = {
        "field": column.field,
        "headerName": column.name,
        "minWidth": column.width,
        "sortable": column.sortable,
        "width": column.width * (column.grow or 1),  # assets/grid.js fits them to the panel
    }
    if column.number:
        found |= {"type": "rightAligned", "cellClass": "ag-right-aligned-cell pw-num"}
    if column.show:
        found["valueFormatter"] = {"function": f"{column.show}(params.value)"}
    if column.render:
        found["cellRenderer"] = column.render
    if column.money:  # exact decimal strings, sorted as numbers
        found["comparator"] = {"function": "pwByNumber"}
    if column.help:
        found["headerTooltip"] = column.help
    if column.wide_only:
        found["context"] = {"wideOnly": True}
    return found


def grid(
    id_: str,
    columns: Sequence[GridColumn],
    *,
    height: int = 480,
    infinite: bool = False,
    sort: str = "",
    empty: str = "Nothing matches.",
    ticked: str = "",
) -> Component:
    """`ticked` names the field that tells rows apart, when rows can be ticked (`selectedRows`)."""
    defs = [column_def(column) for column in columns]
    for one in defs:
        if one["field"] == sort:
            one["sort"] = "desc"
    found: Component = dag.AgGrid(
        id=id_,
        columnDefs=defs,
        rowModelType="infinite" if infinite else "clientSide",
        **({} if infinite else {"rowData": []}),
        defaultColDef={
            "resizable": True,
            "suppressMovable": True,
            "filter": False,
            "cellDataType": False,
        },
        dashGridOptions=_options(empty, infinite=infinite) | (TICKS if ticked else {}),
        **({"getRowId": f"params.data.{ticked}"} if ticked else {}),
        style={"height": f"{height}px", "width": "100%"},
        className="pw-grid",
    )
    return found


def _options(empty: str, *, infinite: bool) -> dict[str, object]:
    found: dict[str, object] = {
        "theme": {"function": THEME},
        "animateRows": False,
        "suppressCellFocus": False,
        "enableCellTextSelection": True,
        "ensureDomOrder": True,
        "tooltipShowDelay": 300,
        "localeText": {"noRowsToShow": empty},
    }
    if infinite:
        found |= {
            "cacheBlockSize": BLOCK,
            "maxBlocksInCache": 20,
            "maxConcurrentDatasourceRequests": 1,
        }
    return found
