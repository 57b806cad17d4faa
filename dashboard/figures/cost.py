"""What the costliest tenants cost, and of what that is made."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import plotly.graph_objects as go

from analyzer.api.views.cost import CostLine
from dashboard.figures.base import framed
from dashboard.theme import Scheme

MOST = 20
ROW_PX = 22


def height(lines: int) -> int:
    return 70 + ROW_PX * max(4, min(lines, MOST))


def largest(lines: Sequence[CostLine]) -> list[CostLine]:
    return sorted(lines, key=lambda line: -Decimal(line.total))[:MOST]


def figure(lines: Sequence[CostLine], currency: str, scheme: Scheme) -> go.Figure:
    """Stacked bars: used directly, share of idle time, share of common costs. Floats only place
    the bars; the words on hover are the exact amounts.
    """
    rows = largest(lines)
    steps = scheme.others_steps
    found = go.Figure()
    for name, part, colour in (
        ("used directly", "direct", steps[0]),
        ("share of idle time", "idle", steps[1]),
        ("share of common costs", "shared", steps[3]),
    ):
        amounts = [str(getattr(row, part)) for row in rows]
        found.add_trace(
            go.Bar(
                orientation="h",
                y=[row.tenant for row in rows],
                x=[float(Decimal(amount)) for amount in amounts],
                customdata=amounts,
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate=f"<b>%{{y}}</b><br>{name}: %{{customdata}} {currency}<extra></extra>",
            )
        )
    framed(found, scheme, height=height(len(rows)), legend=False)
    found.update_layout(barmode="stack", bargap=0.3)
    found.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, dtick=1)
    found.update_xaxes(
        title={"text": currency, "font": {"size": 11}},
        fixedrange=True,
        rangemode="tozero",
    )
    return found
