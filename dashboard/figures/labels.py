"""Names at the end of lines, so that nobody must look up a colour in a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from analyzer.api.views.incidents import Band
from dashboard.theme import Scheme

WIDTH_PX = 104
"""Space right of the plot that the names need."""

GAP = 0.105
"""Least distance of two names, in heights of a row."""

LONGEST = 16


@dataclass(frozen=True, slots=True)
class Label:
    """`level` is 0 at the bottom and 1 at the top of its row."""

    words: str
    level: float
    role: str


def labels(bands: Sequence[Band], *, stacked: bool, top: float) -> list[Label]:
    """One for each line or area; `top` is the value at the top of the row."""
    found: list[Label] = []
    floor = 0.0
    for band in bands:
        level = _level(band)
        if level is None or band.role not in WORDS:
            continue
        if stacked and band.role in {"others", "aggressor"}:
            floor, level = floor + level, floor + level / 2
        found.append(Label(_words(band), min(level / top, 1.0), band.role))
    return spread(found)


WORDS = {
    "aggressor": "",
    "victims": "victims",
    "without": "without it",
    "capacity": "capacity",
    "slo": "promised",
    "others": "everyone else",
}


def _words(band: Band) -> str:
    name = WORDS[band.role] or band.name
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _level(band: Band) -> float | None:
    """The highest of the last few known values: the last window alone may be half told."""
    known = [value for value in band.values if value is not None]
    return max(known[-4:], default=None)


def spread(found: Sequence[Label]) -> list[Label]:
    """From the bottom up, push names apart; then back down where they left the row."""
    ordered = sorted(found, key=lambda one: one.level)
    levels: list[float] = []
    for one in ordered:
        levels.append(max(one.level, levels[-1] + GAP if levels else 0.0))
    ceiling = 1.0
    for index in range(len(levels) - 1, -1, -1):
        levels[index] = min(levels[index], ceiling)
        ceiling = levels[index] - GAP
    return [Label(o.words, at, o.role) for o, at in zip(ordered, levels, strict=True)]


def draw(figure: go.Figure, row: int, found: Sequence[Label], scheme: Scheme) -> None:
    inks = {
        "aggressor": scheme.aggressor_text,
        "victims": scheme.victim_text,
        "without": scheme.victim_text,
        "others": scheme.dim,
    }
    suffix = "" if row == 1 else str(row)
    for one in found:
        strong = one.role == "aggressor"
        figure.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=6,
            y=one.level,
            yref=f"y{suffix} domain",
            yanchor="middle",
            text=f"<b>{one.words}</b>" if strong else one.words,
            showarrow=False,
            align="left",
            font={"size": 11, "color": inks.get(one.role, scheme.text)},
        )
