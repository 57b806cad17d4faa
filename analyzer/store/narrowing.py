"""A query over a time range, with only those roll-ups the range touches.

`usage_spans` names four grains, each of hot rows and of files: eight scans of forty columns, whose
planning costs ten milliseconds even where seven of them hold nothing of the range. Which are empty
is known before: the range is cut by `analyzer.usage.spans`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


def narrowed(text: str, params: Parameters) -> tuple[str, Parameters]:
    """The query without the grains that hold nothing of its range, and the parameters it names."""
    if SPANS not in text:
        return text, params
    kept = tuple(params[begin] < params[end] for _, begin, end in _GRAINS)
    short, named = _without(text, kept)
    return short, {name: value for name, value in params.items() if name in named}


@cache
def _without(text: str, kept: tuple[bool, ...]) -> tuple[str, frozenset[str]]:
    if not any(kept):
        kept = (False, False, False, True)  # an empty range still has columns
    scans = [
        f"SELECT * FROM {view} WHERE ts >= ${begin} AND ts < ${end}"  # noqa: S608 - fixed names
        for (view, begin, end), wanted in zip(_GRAINS, kept, strict=True)
        if wanted
    ]
    short = text.replace(SPANS, f"({' UNION ALL '.join(scans)})")
    return short, frozenset(_PARAMETER.findall(short))
