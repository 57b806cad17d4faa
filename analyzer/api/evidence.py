"""Three rows on one clock: the aggressor, its victims, the resource. Pure, from usage to bands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from analyzer.api.views.incidents import Band
from analyzer.model import PATH_DAYS, Finding, Incident
from analyzer.store.database import Store

_BEFORE = timedelta(minutes=20)
_WEEK_BEFORE = timedelta(days=7)
_AFTER = timedelta(minutes=10)
_MOST_POINTS = 360
_STEPS_S = (10, 30, 60, 300, 900, 3600)

_Line = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clock:
    """The shared time axis: window starts every `step_s` seconds."""

    since: datetime
    step_s: int
    points: int

    @classmethod
    def around(cls, incident: Incident, *, now: datetime) -> Clock:
        """20 minutes before the harm to 10 after it, in at most 360 steps."""
        before = _WEEK_BEFORE if incident.path == PATH_DAYS else _BEFORE
        since = incident.started_at - before
        until = min((incident.ended_at or now) + _AFTER, now)
        span_s = max((until - since).total_seconds(), 60.0)
        step_s = next((s for s in _STEPS_S if span_s / s <= _MOST_POINTS), _STEPS_S[-1])
        start = datetime.fromtimestamp(since.timestamp() // step_s * step_s, UTC)
        return cls(start, step_s, int(span_s // step_s) + 1)

    @property
    def until(self) -> datetime:
        return self.since + timedelta(seconds=self.step_s * self.points)

    @property
    def starts(self) -> list[datetime]:
        return [self.since + timedelta(seconds=self.step_s * k) for k in range(self.points)]

    def index(self, at: datetime) -> int:
        return int((at - self.since).total_seconds() // self.step_s)


@dataclass(frozen=True, slots=True)
class Bands:
    """The lines of an incident page."""

    clock: Clock
    aggressor: list[Band]
    victims: list[Band]
    resource: list[Band]


def bands(store: Store, incident: Incident, *, capacity: float | None, now: datetime) -> Bands:
    """Read the usage around `incident` and draw its three rows."""
    clock = Clock.around(incident, now=now)
    frame = store.frame(
        "evidence_10s" if clock.step_s < 60 else "evidence_1m",
        resource=incident.resource,
        since=clock.since.replace(tzinfo=None),
        until=clock.until.replace(tzinfo=None),
        step=clock.step_s,
    )
    busy, latency = _pivot(frame, clock)
    names = tuple(blame.tenant for blame in incident.finding.aggressors)
    return Bands(
        clock,
        _aggressor(busy, names, incident, clock),
        _victims(latency, incident, clock),
        _resource(busy, names, capacity, clock),
    )


def _pivot(frame: pl.DataFrame, clock: Clock) -> tuple[dict[str, _Line], dict[str, _Line]]:
    """Per tenant: busy seconds per second, and mean seconds felt; NaN where there is nothing."""
    busy: dict[str, _Line] = {}
    latency: dict[str, _Line] = {}
    for (tenant,), rows in frame.group_by("tenant"):
        at = (
            (rows["at"].dt.replace_time_zone("UTC").dt.epoch("s") - int(clock.since.timestamp()))
            // clock.step_s
        ).to_numpy()
        inside = (at >= 0) & (at < clock.points)
        busy[str(tenant)] = _line(clock, at[inside], _floats(rows["busy"])[inside])
        finished = _floats(rows["finished"])[inside]
        felt = _floats(rows["latency_s"])[inside]
        mean = np.divide(felt, finished, out=np.full_like(felt, np.nan), where=finished > 0)
        latency[str(tenant)] = _line(clock, at[inside], mean)
    return busy, latency


def _floats(column: pl.Series) -> _Line:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)


def _line(clock: Clock, at: npt.NDArray[np.int64], values: _Line) -> _Line:
    line = np.full(clock.points, np.nan)
    line[at] = values
    return line


def _aggressor(
    busy: dict[str, _Line], names: tuple[str, ...], incident: Incident, clock: Clock
) -> list[Band]:
    start = clock.index(incident.started_at)
    found = []
    for name in names or tuple(h.tenant for h in incident.finding.victims[:1]):
        line = busy.get(name, np.full(clock.points, np.nan))
        found.append(_band(name, "aggressor" if names else "victims", "busy s/s", line))
        usual = line[:start][np.isfinite(line[:start])]
        if usual.size >= 5:
            low, middle, high = np.quantile(usual, [0.1, 0.5, 0.9])
            found += [
                _flat("usual, 10th percentile before", "expected_low", "busy s/s", low, clock),
                _flat("usual before", "expected", "busy s/s", middle, clock),
                _flat("usual, 90th percentile before", "expected_high", "busy s/s", high, clock),
            ]
    return found


def _victims(latency: dict[str, _Line], incident: Incident, clock: Clock) -> list[Band]:
    harmed = [latency[h.tenant] for h in incident.finding.victims if h.tenant in latency]
    if not harmed:
        return []
    stack = np.vstack(harmed)
    low, middle, high = (_percentile(stack, q) for q in (25, 50, 75))
    lines = [
        _band("victims, 25th percentile", "victims_low", "s", low),
        _band("victims, median", "victims", "s", middle),
        _band("victims, 75th percentile", "victims_high", "s", high),
    ]
    without = _without(incident.finding, middle, clock, incident)
    return [*lines, without] if without is not None else lines


def _without(finding: Finding, middle: _Line, clock: Clock, incident: Incident) -> Band | None:
    """The model's counterfactual: what is felt, shrunk by the part the excess is charged with."""
    if finding.stretch_without is None or finding.stretch <= 0:
        return None
    line = middle.copy()
    start = clock.index(incident.started_at)
    end = clock.index(incident.ended_at) if incident.ended_at else clock.points
    usual = np.nanmedian(middle[:start]) if np.isfinite(middle[:start]).any() else np.nan
    felt = line[start:end]
    relieved = felt * finding.stretch_without / finding.stretch
    # Relief never goes below what was usual: the model says "back to normal", not "faster".
    held = np.fmax(relieved, np.fmin(usual, felt))
    line[start:end] = np.where(np.isfinite(felt), held, np.nan)
    return _band("victims, without the aggressor (model)", "without", "s", line)


def _resource(
    busy: dict[str, _Line], names: tuple[str, ...], capacity: float | None, clock: Clock
) -> list[Band]:
    blank = np.full(clock.points, np.nan)
    others = [line for tenant, line in busy.items() if tenant not in names]
    lines = [_band("everyone else", "others", "busy s/s", _sum(others, blank))]
    lines += [_band(n, "aggressor", "busy s/s", busy.get(n, blank)) for n in names]
    if capacity is not None:
        lines.append(_flat("capacity", "capacity", "busy s/s", capacity, clock))
    return lines


def _sum(lines: list[_Line], blank: _Line) -> _Line:
    if not lines:
        return blank
    stack = np.vstack(lines)
    return np.where(np.isfinite(stack).any(axis=0), np.nansum(stack, axis=0), np.nan)


def _percentile(stack: _Line, q: float) -> _Line:
    line = np.full(stack.shape[1], np.nan)
    seen = np.isfinite(stack).any(axis=0)
    if seen.any():
        line[seen] = np.nanpercentile(stack[:, seen], q, axis=0)
    return line


def _flat(name: str, role: str, unit: str, level: float, clock: Clock) -> Band:
    return _band(name, role, unit, np.full(clock.points, float(level)))


def _band(name: str, role: str, unit: str, line: _Line) -> Band:
    values = [round(float(v), 6) if np.isfinite(v) else None for v in line]
    return Band(name=name, role=role, unit=unit, values=values)
