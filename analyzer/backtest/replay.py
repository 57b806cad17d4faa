"""Judge recorded usage in data time, with the same code as the service and without its store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from analyzer.backtest.recorded import Recording, read_recording
from analyzer.decisions.decide import DecisionPolicy, decide
from analyzer.detect import DetectSettings, detect
from analyzer.incidents.flags import FlagPolicy, advance_all
from analyzer.model import (
    Action,
    Decision,
    Finding,
    Incident,
    IncidentState,
    Kind,
    Transition,
    TransitionType,
)
from analyzer.usage.windows import Windows, WindowSettings
from collector.model import GRAIN_S, ResourceId

CHUNK_S = 600
"""Seconds of data time read into the rings at once."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class BacktestSettings:
    """The settings of every room the judgement passes through."""

    detect: DetectSettings = field(default_factory=DetectSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    flags: FlagPolicy = field(default_factory=FlagPolicy)
    decisions: DecisionPolicy = field(default_factory=DecisionPolicy)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One incident as `partywall backtest` prints it; times are aware UTC."""

    resource: str
    kind: str
    aggressors: tuple[str, ...]
    victims: tuple[str, ...]
    started_at: datetime
    detected_at: datetime
    ended_at: datetime | None
    confidence: float
    action: str | None
    limit: float | None

    def as_json(self) -> str:
        """One line; `ended_at` is null while the incident still lasts at the end of the data."""
        times = {"started_at": self.started_at, "detected_at": self.detected_at}
        return json.dumps(
            {
                "resource": self.resource,
                "kind": self.kind,
                "aggressors": list(self.aggressors),
                "victims": list(self.victims),
                **{name: _stamp(at) for name, at in times.items()},
                "ended_at": _stamp(self.ended_at) if self.ended_at else None,
                "confidence": self.confidence,
                "action": self.action,
                "limit": self.limit,
            }
        )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def backtest(
    directory: Path,
    *,
    settings: BacktestSettings | None = None,
    progress: Progress | None = None,
) -> Iterator[Verdict]:
    """Yield every incident that fired, resource by resource as they end, then those still open.

    Raises `collector.model.Rejected` naming the file, column and remedy when `directory` holds no
    readable usage. `progress` is called with the part of data time done, 0..1.
    """
    recording = read_recording(directory)
    return Trial(recording, settings or BacktestSettings()).run(progress)


class Trial:
    """The state of one run: rings, incidents and decisions, advanced a window at a time."""

    def __init__(self, recording: Recording, settings: BacktestSettings) -> None:
        self._recording = recording
        self._settings = settings
        ahead = CHUNK_S // GRAIN_S
        self._windows = Windows(None, settings.windows, settings.detect, ahead)
        floors = {**recording.floors, **(settings.decisions.floors or {})}
        self._policy = replace(settings.decisions, floors=floors)
        self._tracked: dict[ResourceId, list[Incident]] = {}
        self._decisions: dict[str, Decision] = {}
        self._fired: dict[str, Incident] = {}
        self._first: dict[str, Decision] = {}
        self._seen: dict[ResourceId, np.datetime64] = {}

    def run(self, progress: Progress | None) -> Iterator[Verdict]:
        """Feed the recording chunk by chunk and yield what ends."""
        recording = self._recording
        for resource in recording.resources.values():
            self._windows.describe(resource.id, resource.kind, resource.capacity)
        length = (recording.end - recording.start).total_seconds() or 1.0
        for start, chunk in recording.chunks(CHUNK_S):
            after = min(start + timedelta(seconds=CHUNK_S), recording.end)
            self._windows.take_ahead(chunk, until=start + timedelta(seconds=CHUNK_S))
            while start < after:
                start += timedelta(seconds=GRAIN_S)
                self._step(start)
            yield from self._ended()
            if progress is not None:
                progress(min((after - recording.start).total_seconds() / length, 1.0))
        yield from self._left()

    def _step(self, until: datetime) -> None:
        self._windows.show(until)
        transitions: list[Transition] = []
        for view in self._windows.newer(self._seen):
            self._seen[view.resource] = view.ts[-1]
            transitions += self._judge(view.resource, until, detect(view, self._settings.detect))
        self._windows.exclude(i for tracked in self._tracked.values() for i in tracked)
        self._decide(transitions, until)

    def _judge(
        self, resource: ResourceId, at: datetime, findings: list[Finding]
    ) -> list[Transition]:
        tracked = self._tracked.get(resource, [])
        if not tracked and not findings:
            return []
        kept, transitions = advance_all(
            tracked, findings, resource=resource, at=at, policy=self._settings.flags
        )
        self._tracked[resource] = kept
        for incident in (*(t.incident for t in transitions), *kept):
            if incident.detected_at is not None and incident.state is not IncidentState.PENDING:
                self._fired[incident.id] = incident
        for t in transitions:
            if t.type is TransitionType.WITHDRAWN:
                self._fired.pop(t.incident.id, None)
        return transitions

    def _decide(self, transitions: list[Transition], now: datetime) -> None:
        if not transitions and not self._decisions:
            return
        firing = [i for tracked in self._tracked.values() for i in tracked]
        changed = decide(
            transitions,
            list(self._decisions.values()),
            now=now,
            policy=self._policy,
            firing=firing,
            history=list(self._fired.values()),
        )
        for decision in changed:
            self._decisions[decision.id] = decision
            if decision.incident and decision.action is Action.THROTTLE:
                self._first.setdefault(decision.incident, decision)

    def _ended(self) -> Iterator[Verdict]:
        """Incidents nothing can reopen any more."""
        alive = {i.id for tracked in self._tracked.values() for i in tracked}
        for key in [k for k in self._fired if k not in alive]:
            yield self._verdict(self._fired.pop(key))

    def _left(self) -> Iterator[Verdict]:
        for incident in self._fired.values():
            yield self._verdict(incident)

    def _verdict(self, incident: Incident) -> Verdict:
        finding = incident.finding
        decision = self._first.get(incident.id)
        blamed = incident.kind in (Kind.NOISY_NEIGHBOUR, Kind.SELF_INFLICTED)
        return Verdict(
            resource=incident.resource,
            kind=incident.kind,
            aggressors=tuple(b.tenant for b in finding.aggressors) if blamed else (),
            victims=tuple(v.tenant for v in finding.victims),
            started_at=incident.started_at,
            detected_at=incident.detected_at or incident.updated_at,
            ended_at=incident.ended_at,
            confidence=finding.confidence,
            action=decision.action if decision else None,
            limit=decision.limit if decision else None,
        )
