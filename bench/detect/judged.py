"""Run the production judgement over a simulated resource, window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from analyzer.detect import MEASURES, DetectSettings, Normal, ResourceWindows, detect, learn
from analyzer.flags import FlagPolicy, advance_all
from analyzer.model import Finding, Incident, IncidentState, TransitionType

LENGTH = 540
LEARN_EVERY = 6


@dataclass(slots=True)
class Judged:
    """Incidents that fired (as last seen) and, per window, the findings."""

    incidents: list[Incident]
    findings: list[tuple[int, Finding]]


def until(
    windows: ResourceWindows, end: int, trains: np.ndarray, normal: Normal | None
) -> ResourceWindows:
    """The last `LENGTH` windows before window number `end`."""
    cut = slice(max(end - LENGTH, 0), end)
    arrays = {name: getattr(windows, name)[:, cut] for name in MEASURES}
    return replace(windows, ts=windows.ts[cut], trains=trains[cut], normal=normal, **arrays)


def judge_all(
    windows: ResourceWindows,
    settings: DetectSettings | None = None,
    policy: FlagPolicy | None = None,
) -> Judged:
    """Every window from the first that can be judged to the last."""
    settings, policy = settings or DetectSettings(), policy or FlagPolicy()
    trains = np.ones(windows.ts.size, bool)
    normal: Normal | None = None
    tracked: list[Incident] = []
    fired: dict[str, Incident] = {}
    findings: list[tuple[int, Finding]] = []
    for end in range(int(settings.min_history_s / windows.window_s), windows.ts.size + 1):
        view = until(windows, end, trains, normal)
        if normal is None or end % LEARN_EVERY == 0:
            normal = learn(view, settings) or normal
            view = replace(view, normal=normal)
        found = detect(view, settings)
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
        for incident in tracked:
            _poison(trains, windows, incident)
    return Judged(list(fired.values()), findings)


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
    return (windows.ts[k] + step).astype("datetime64[us]").item().replace(tzinfo=UTC)
