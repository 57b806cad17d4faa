"""A query over a time range, with only those roll-ups the range touches.

`usage_spans` names four grains, each of hot rows and of files: eight scans of forty columns, whose
planning costs ten milliseconds even where seven of them hold nothing of the range. Which are empty
is known before: the range is cut by `analyzer.usage.spans`, and the store knows how far its files
reach.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

SPANS = "usage_spans($since, $days, $hours, $minutes, $until)"

_GRAINS = (
    ("usage_1d", "since", "days"),
    ("usage_1h", "days", "hours"),
    ("usage_1m", "hours", "minutes"),
    ("usage_10s", "minutes", "until"),
)
_PARAMETER = re.compile(r"\$([a-z_]+)")

Parameters = Mapping[str, Any]
NO_FILES: Mapping[str, datetime] = {}


def narrowed(
    text: str, params: Parameters, newest: Mapping[str, datetime] = NO_FILES
) -> tuple[str, Parameters]:
    """The query without the grains that hold nothing of its range, and the parameters it names.

    `newest` is the last window in the files of each grain that has some: a range that begins after
    it is answered by hot rows alone.
    """
    if SPANS not in text:
        return text, params
    kept = tuple(params[begin] < params[end] for _, begin, end in _GRAINS)
    hot = tuple(_only_hot(view, params[begin], newest) for view, begin, _ in _GRAINS)
    short, named = _without(text, kept, hot)
    return short, {name: value for name, value in params.items() if name in named}


def _only_hot(view: str, since: datetime, newest: Mapping[str, datetime]) -> bool:
    grain = view.removeprefix("usage_")
    return grain != "1d" and (grain not in newest or newest[grain] < since)


@cache
def _without(
    text: str, kept: tuple[bool, ...], hot: tuple[bool, ...]
) -> tuple[str, frozenset[str]]:
    if not any(kept):
        kept = (False, False, False, True)  # an empty range still has columns
    scans = [
        f"SELECT * FROM {view.replace('usage', 'hot') if alone else view} "  # noqa: S608 - fixed names
        f"WHERE ts >= ${begin} AND ts < ${end}"
        for (view, begin, end), wanted, alone in zip(_GRAINS, kept, hot, strict=True)
        if wanted
    ]
    short = text.replace(SPANS, f"({' UNION ALL BY NAME '.join(scans)})")
    return short, frozenset(_PARAMETER.findall(short))
