"""Loads as arrays: their peak, and what is left to carry when one of several is lost. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LOST = 3
"""The others whose loss is tried: the largest lose most."""


def p95(loads: Floats) -> float:
    """The nearest-rank 95th percentile; 0 of nothing."""
    if not loads.size:
        return 0.0
    rank = math.ceil(0.95 * loads.size) - 1
    return float(np.partition(loads, rank)[rank])


def one_lost(totals: Mapping[str, Floats], kinds: Mapping[str, str]) -> dict[str, float]:
    """p95 load of each resource when the worst other one of its kind is lost: its work is shared
    out evenly over those that are left. Only where there are two.
    """
    groups: dict[str, list[str]] = {}
    for name in totals:
        if kinds.get(name):
            groups.setdefault(kinds[name], []).append(name)
    found = {}
    for names in groups.values():
        ranked = sorted(names, key=lambda n: (-p95(totals[n]), n))[: _LOST + 1]
        for name in names:
            others = [other for other in ranked if other != name][:_LOST]
            if len(names) > 1 and others:
                part = 1 / (len(names) - 1)
                found[name] = max(
                    p95(totals[name] + part * _fit(totals[o], totals[name].size)) for o in others
                )
    return found


def _fit(loads: Floats, size: int) -> Floats:
    return np.resize(loads, size) if loads.size != size else loads
