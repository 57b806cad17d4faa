"""Which roll-up answers which part of a time range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypedDict

from analyzer.store.database import Store
from analyzer.store.reader import Reader
from collector.model import GRAIN_S

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the store keeps UTC without zone


class SpanParameters(TypedDict):
    """The parameters of `usage_spans`."""

    since: datetime
    days: datetime
    hours: datetime
    minutes: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Spans:
    """Days until `days`, then hours until `hours`, minutes until `minutes`, tens until `until`.

    `step_s` may be longer than asked for where finer rows are no longer kept. UTC without zone.
    """

    since: datetime
    days: datetime
    hours: datetime
    minutes: datetime
    until: datetime
    step_s: int

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()

    @property
    def windows(self) -> int:
        """How many windows of all grains there are: as many rows a tenant may have."""
        edges = (self.since, self.days, self.hours, self.minutes, self.until)
        widths = (86_400, 3600, 60, GRAIN_S)
        return sum(
            math.ceil((high - low).total_seconds() / width)
            for (low, high), width in zip(pairwise(edges), widths, strict=True)
        )

    @property
    def parameters(self) -> SpanParameters:
        return SpanParameters(
            since=self.since,
            days=self.days,
            hours=self.hours,
            minutes=self.minutes,
            until=self.until,
        )


def whole(store: Store | Reader, start: datetime, end: datetime) -> Spans:
    """[start, end) for sums over all of it: from the coarsest grain its start lies on."""
    at = _naive(start)
    step_s = next((s for s in (86_400, 3600, 60) if _floor(at, s) == at), GRAIN_S)
    return spans(store, start, end, step_s)


def spans(store: Store | Reader, start: datetime, end: datetime, step_s: int) -> Spans:
    """Cut [start, end) at steps of `step_s`, the coarsest grain that divides the step first."""
    kept: dict[str, datetime | None] = dict(store.rows("known_until"))
    at = kept.get("watermark") or _EPOCH
    since, until = _naive(start), max(_naive(end), _naive(start))
    step_s = max(GRAIN_S, step_s // GRAIN_S * GRAIN_S)
    for grain, width in (("10s", 60), ("1m", 3600), ("1h", 86400)):
        if since < (kept.get(grain) or _EPOCH):
            step_s = -(-step_s // width) * width
    since = _floor(since, step_s)
    bounds = [since]
    for width in (86400, 3600, 60):
        fits = step_s % width == 0
        edge = _floor(at, width) if fits else bounds[-1]
        bounds.append(min(max(edge, bounds[-1]), max(until, since)))
    return Spans(bounds[0], bounds[1], bounds[2], bounds[3], max(until, since), step_s)


def _floor(moment: datetime, seconds: int) -> datetime:
    return moment - (moment - _EPOCH) % timedelta(seconds=seconds)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
