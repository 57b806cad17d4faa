"""Run the production judgement over a simulated resource, window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from analyzer.detect import (
    MEASURES,
    DetectSettings,
    Normal,
    ResourceWindows,
    Season,
    detect,
    learn,
    seasoned,
)
from analyzer.detect.arrays import LOCKS
from analyzer.incidents.flags import FlagPolicy, advance_all
from analyzer.model import Finding, Incident, IncidentState, Kind, TransitionType

LENGTH_S = 5400
LEARN_EVERY_S = 300
"""As in production (`WindowSettings`)."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What earlier weeks taught of the hour that begins `since_s` seconds into the run."""

    season: Season
    since_s: float

    def part(self, at_s: float) -> float:
        """Of the trailing windows that lies in the hour already."""
        return min(max((at_s - self.since_s) / LENGTH_S, 0.0), 1.0)


@dataclass(slots=True)
class Judged:
    """Incidents that fired (as last seen) and, per window, the findings."""

    incidents: list[Incident]
    findings: list[tuple[int, Finding]]


def until(
    windows: ResourceWindows,
    end: int,
    trains: np.ndarray,
    normal: Normal | None,
    behind: np.ndarray | None = None,
) -> ResourceWindows:
    """The windows of the last `LENGTH_S` before window number `end`; tenants' rows may be some
    windows `behind`."""
    cut = slice(max(end - int(LENGTH_S // windows.window_s), 0), end)
    arrays = {name: getattr(windows, name)[:, cut] for name in MEASURES}
    for name in LOCKS:
        known = getattr(windows, name)
        arrays[name] = known if known is None else known[:, cut]
    if behind is not None and behind.any():
        for name, values in arrays.items():
            arrays[name] = values if values is None else _without_late(values, behind)
    return replace(windows, ts=windows.ts[cut], trains=trains[cut], normal=normal, **arrays)


def _without_late(values: np.ndarray, behind: np.ndarray) -> np.ndarray:
    place = np.arange(values.shape[1]) - values.shape[1]
    return np.where(place[None] >= -behind[:, None], np.nan, values)


def judge_all(
    windows: ResourceWindows,
    settings: DetectSettings | None = None,
    policy: FlagPolicy | None = None,
    *,
    habit: Habit | None = None,
    behind: np.ndarray | None = None,
) -> Judged:
    """Every window from the first that can be judged to the last."""
    settings, policy = settings or DetectSettings(), policy or FlagPolicy()
    trains = np.ones(windows.ts.size, bool)
    trailing: Normal | None = None
    tracked: list[Incident] = []
    fired: dict[str, Incident] = {}
    findings: list[tuple[int, Finding]] = []
    every = max(int(LEARN_EVERY_S // windows.window_s), 1)
    for end in range(int(settings.min_history_s / windows.window_s), windows.ts.size + 1):
        if trailing is None or end % every == 0:
            view = until(windows, end, trains, None, behind)
            trailing = learn(view, settings) or trailing
        normal = trailing
        if habit is not None and normal is not None and end * windows.window_s > habit.since_s:
            known = _known(habit.season, normal.demand.size)
            normal = seasoned(normal, known, habit.part(end * windows.window_s))
        found = detect(until(windows, end, trains, normal, behind), settings)
        findings += [(end - 1, f) for f in found]
        if not tracked and not found:
            continue
        at = _moment(windows, end - 1)
        tracked, moves = advance_all(
            tracked, found, resource=windows.resource, at=at, policy=policy
        )
        for incident in (*(m.incident for m in moves), *tracked):
            if incident.detected_at is not None and incident.state is not IncidentState.PENDING:
                fired[incident.id] = incident
        for move in moves:
            if move.type is TransitionType.WITHDRAWN:
                fired.pop(move.incident.id, None)
        for incident in (i for i in tracked if i.kind is not Kind.SELF_INFLICTED):
            _poison(trains, windows, incident)
    return Judged(list(fired.values()), findings)


def _known(season: Season, tenants: int) -> Season:
    """Who goes by a new name has no earlier weeks."""
    missing = tenants - season.weeks.size
    if missing <= 0:
        return season
    unknown = np.full(missing, np.nan)
    return Season(
        weeks=np.concatenate([season.weeks, np.zeros(missing)]),
        demand=np.concatenate([season.demand, unknown]),
        demand_spread=np.concatenate([season.demand_spread, unknown]),
        felt=np.concatenate([season.felt, unknown]),
        felt_spread=np.concatenate([season.felt_spread, unknown]),
        demand_before=_grown(season.demand_before, unknown),
        felt_before=_grown(season.felt_before, unknown),
    )


def _grown(values: np.ndarray | None, unknown: np.ndarray) -> np.ndarray | None:
    return None if values is None else np.concatenate([values, unknown])


def _poison(trains: np.ndarray, windows: ResourceWindows, incident: Incident) -> None:
    low = _index(windows, incident.started_at)
    high = _index(windows, incident.ended_at or incident.updated_at) + 1
    trains[max(low, 0) : high] = False


def _index(windows: ResourceWindows, moment: datetime) -> int:
    first = windows.ts[0].astype("datetime64[us]").item().replace(tzinfo=UTC)
    return int((moment - first).total_seconds() // windows.window_s)


def _moment(windows: ResourceWindows, k: int) -> datetime:
    """End of window `k`."""
    step = np.timedelta64(int(windows.window_s * 1e6), "us")
    moment: datetime = (windows.ts[k] + step).astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)
