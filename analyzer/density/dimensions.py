"""How full a resource is in every way it can be full; the fullest binds. Pure but for one read.

Busy time is one dimension. Others are limited by numbers of their own: operations in flight
(connections, workers), operations a second, volume a second (rows, bytes or messages), bytes held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from analyzer.density.load import Floats, one_lost, p95
from analyzer.store.reader import Reader

TIME = "time"
IN_FLIGHT = "in flight"
MEASURED = (IN_FLIGHT, "operations", "volume", "storage")
"""Dimensions beside time, in the order of the columns of `density_measures`."""

Measures = Mapping[str, Mapping[str, Floats]]
"""Dimension -> resource -> its hourly values, the same hours for all."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """`full` is the p95 over the limit; `n1_headroom` is 1 less the same when the worst other
    resource of the kind is lost, None where there is no other.
    """

    name: str
    full: float
    n1_headroom: float | None = None


def dimensions(
    measures: Measures,
    limits: Mapping[str, Mapping[str, float]],
    capacity: Mapping[str, float],
    kinds: Mapping[str, str],
) -> dict[str, tuple[Dimension, ...]]:
    """By resource, those with a value and a limit. Operations in flight are limited by the capacity
    (a worker each) where no limit of theirs is known.
    """
    found: dict[str, tuple[Dimension, ...]] = {}
    for name in MEASURED:
        values = measures.get(name, {})
        lost = one_lost(values, kinds)
        for resource, hours in values.items():
            fallback = capacity.get(resource, 0.0) if name == IN_FLIGHT else 0.0
            most = limits.get(resource, {}).get(name) or fallback
            if most > 0 and hours.size:
                after = lost.get(resource)
                one = Dimension(
                    name, p95(hours) / most, None if after is None else 1 - after / most
                )
                found[resource] = (*found.get(resource, ()), one)
    return found


def read_measures(reader: Reader, start: datetime, end: datetime) -> Measures:
    """From the hourly roll-up. What nobody ever reports of a resource is left out; an hour without
    a value counts as 0.
    """
    rows = reader.rows("density_measures", start=start, end=end)
    places = {ts: k for k, ts in enumerate(sorted({row[1] for row in rows}))}
    found: dict[str, dict[str, Floats]] = {name: {} for name in MEASURED}
    for resource, ts, *values in rows:
        for name, value in zip(MEASURED, values, strict=True):
            if value is not None:
                hours = found[name].setdefault(resource, np.zeros(len(places)))
                hours[places[ts]] = value
    return found


def read_limits(reader: Reader) -> dict[str, dict[str, float]]:
    """Resource -> dimension -> limit."""
    found: dict[str, dict[str, float]] = {}
    for resource, dimension, most in reader.rows("resource_limits"):
        found.setdefault(resource, {})[dimension] = float(most)
    return found


def binding(known: Sequence[Dimension]) -> str | None:
    """The fullest; the first of equals."""
    return max(known, key=lambda one: one.full).name if known else None
