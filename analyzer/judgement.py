"""Judges each new window of every resource once, and writes what changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from analyzer import journal
from analyzer.decisions import DecisionPolicy, decide
from analyzer.detect import DetectSettings, detect
from analyzer.flags import FlagPolicy, advance_all
from analyzer.journal import IncidentFilter
from analyzer.model import Decision, Incident, Kind, Transition
from analyzer.notify.event import Links
from analyzer.store import Store
from analyzer.windows import Windows
from collector.model import GRAIN_S, ResourceId

_STEP = timedelta(seconds=GRAIN_S)

CATCH_UP = timedelta(hours=1)
"""Windows older than this are history: nobody is woken for what ended an hour ago."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a judge goes by."""

    detect: DetectSettings = field(default_factory=DetectSettings)
    flags: FlagPolicy = field(default_factory=FlagPolicy)
    decisions: DecisionPolicy = field(default_factory=DecisionPolicy)
    links: Links = field(default_factory=Links)


@dataclass(frozen=True, slots=True)
class Judged:
    """What changed at one moment of data time."""

    at: datetime
    transitions: tuple[Transition, ...]
    decisions: tuple[Decision, ...]


class Judge:
    """Remembers which windows were judged; incidents and decisions live in the journal."""

    def __init__(self, store: Store, windows: Windows, bench: Bench) -> None:
        self._store = store
        self._windows = windows
        self._bench = bench
        self._until: datetime | None = None
        self._seen: dict[ResourceId, np.datetime64] = {}

    def judge(self, until: datetime, *, now: datetime) -> Iterator[Judged]:
        """Judge every window that ended by `until`, in order; each moment is one transaction."""
        for at in self._moments(until):
            self._windows.advance(at)
            yield self._moment(at, now)
            self._until = at

    def _moments(self, until: datetime) -> Iterator[datetime]:
        start = max(self._until or until - _STEP, until - CATCH_UP)
        while start + _STEP <= until:
            start += _STEP
            yield start

    def _moment(self, at: datetime, now: datetime) -> Judged:
        grace = timedelta(seconds=self._bench.flags.grace_s)
        tracked = _by_resource(journal.open_incidents(self._store, resolved_since=at - grace))
        kept: list[Incident] = []
        moves: list[Transition] = []
        for view in self._windows:
            if view.ts.size == 0 or self._seen.get(view.resource) == view.ts[-1]:
                continue
            self._seen[view.resource] = view.ts[-1]
            findings = detect(view, self._bench.detect)
            had = tracked.get(view.resource, [])
            if had or findings:
                after, changes = advance_all(
                    had, findings, resource=view.resource, at=at, policy=self._bench.flags
                )
                kept += after
                moves += changes
                tracked[view.resource] = after
        self._windows.exclude(i for incidents in tracked.values() for i in incidents)
        firing = [i for incidents in tracked.values() for i in incidents]
        return self._written(at, now, kept, moves, firing)

    def _written(
        self,
        at: datetime,
        now: datetime,
        kept: list[Incident],
        moves: list[Transition],
        firing: list[Incident],
    ) -> Judged:
        proposed = self._decided(moves, firing, now)
        if kept or moves or proposed:
            with self._store.transaction() as tx:
                journal.keep(tx, kept)
                journal.record(tx, moves, proposed, now=now, links=self._bench.links)
        return Judged(at, tuple(moves), tuple(proposed))

    def _decided(
        self, moves: list[Transition], firing: list[Incident], now: datetime
    ) -> list[Decision]:
        standing = journal.open_decisions(self._store)
        if not moves and not standing:
            return []
        since = now - timedelta(seconds=self._bench.decisions.repeat_s)
        asked = IncidentFilter(kind=Kind.NOISY_NEIGHBOUR, since=since, limit=10_000)
        history = journal.incidents(self._store, asked) if moves else []
        return decide(
            moves,
            standing,
            now=now,
            policy=self._bench.decisions,
            firing=firing,
            history=history,
        )


def _by_resource(incidents: list[Incident]) -> dict[ResourceId, list[Incident]]:
    found: dict[ResourceId, list[Incident]] = {}
    for incident in incidents:
        found.setdefault(incident.resource, []).append(incident)
    return found
