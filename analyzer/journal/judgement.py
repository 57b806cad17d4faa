"""Judges each new window of every resource once, and writes what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from analyzer import registry
from analyzer.decisions.decide import LASTING, OPEN, DecisionPolicy, decide, lapsed
from analyzer.decisions.relocation import Home, Stay, relocated
from analyzer.detect import DetectSettings, ResourceWindows, detect
from analyzer.incidents.chain import chain
from analyzer.incidents.flags import FlagPolicy, advance_all
from analyzer.incidents.labels import TuningSettings
from analyzer.journal import records, transitions
from analyzer.journal.learning import in_force
from analyzer.journal.records import IncidentFilter
from analyzer.model import (
    PATH_WINDOWS,
    Decision,
    DecisionState,
    Incident,
    IncidentId,
    Kind,
    Transition,
    TransitionType,
)
from analyzer.notify.clock import aware, stored
from analyzer.notify.event import Links
from analyzer.store.database import Store
from analyzer.usage.windows import Windows
from collector.model import GRAIN_S, ResourceId, ResourceKind, TenantId

_STEP = timedelta(seconds=GRAIN_S)

CATCH_UP = timedelta(hours=1)
"""Windows older than this are history: nobody is woken for what ended an hour ago."""

_TAUGHT = timedelta(hours=2)
"""Incidents since then may lie in the windows held in memory, where harm must teach nothing."""

AT_ONCE = 90
"""Most windows judged in one go: after a downtime the drain and the page must not wait for all."""


SILENCE = timedelta(minutes=15)
"""How long a resource without any usage keeps its incidents as they are."""


_ENDING = (TransitionType.RESOLVED, TransitionType.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a judge goes by."""

    detect: DetectSettings = field(default_factory=DetectSettings)
    flags: FlagPolicy = field(default_factory=FlagPolicy)
    decisions: DecisionPolicy = field(default_factory=DecisionPolicy)
    links: Links = field(default_factory=Links)
    tuning: TuningSettings = field(default_factory=TuningSettings)


@dataclass(frozen=True, slots=True)
class Judged:
    """What changed at one moment of data time."""

    at: datetime
    transitions: tuple[Transition, ...]
    decisions: tuple[Decision, ...]


class Judge:
    """Judges each window once. Up to where is kept in the store, written in the transaction of
    what changed, so that a restart goes on with the first window that was not judged.
    """

    def __init__(self, store: Store, windows: Windows, bench: Bench) -> None:
        self._store = store
        self._windows = windows
        self._bench = bench
        self._flags = bench.flags
        self._until: datetime | None = None
        self._seen: dict[ResourceId, np.datetime64] = {}

    def wrote(self, since: datetime | None) -> None:
        """New usage begins at `since` (None: there is none): no need to read older again."""
        self._windows.wrote(since)

    def judge(self, until: datetime, *, now: datetime) -> Iterator[Judged]:
        """Judge windows that ended by `until`, in order; each moment is one transaction."""
        if self._until is None:
            self._until = self._restored(until)
        self._flags = in_force(self._store, self._bench.flags, self._bench.tuning, now)
        judged = self._until
        for at in self._moments(judged, until):
            self._windows.advance(at)
            yield self._moment(at, now)
        if self._until == judged:
            self._lapse(now)

    def _lapse(self, now: datetime) -> None:
        """Without new windows nothing is renewed: what is past its time is over by the clock."""
        standing = records.open_decisions(self._store)
        past = [
            over
            for decision in standing
            if decision.state in OPEN and decision.expires_at <= now
            if (over := lapsed(decision)) != decision
        ]
        if past:
            with self._store.transaction() as tx:
                transitions.record(tx, (), past, now=now, links=self._bench.links)

    def _moments(self, judged: datetime, until: datetime) -> Iterator[datetime]:
        start = max(judged, until - CATCH_UP)
        for step in range(1, AT_ONCE + 1):
            if start + step * _STEP <= until:
                yield start + step * _STEP

    def _restored(self, until: datetime) -> datetime:
        """Up to where an earlier run judged; its windows are shown but not judged again."""
        row = self._store.rows("judged_until")[0]
        judged: datetime | None = aware(row[0])
        if judged is None:
            return until - _STEP
        start = max(judged, until - CATCH_UP)
        self._windows.advance(start)
        self._seen = {view.resource: view.ts[-1] for view in self._windows if view.ts.size}
        past = IncidentFilter(since=start - _TAUGHT, limit=10_000)
        known = records.incidents(self._store, past)
        self._windows.exclude(one for one in known if one.path == PATH_WINDOWS)
        return start

    def _moment(self, at: datetime, now: datetime) -> Judged:
        grace = timedelta(seconds=self._bench.flags.grace_s)
        known = records.open_incidents(self._store, resolved_since=at - grace)
        tracked = _by_resource([one for one in known if one.path == PATH_WINDOWS])
        by_days = [one for one in known if one.path != PATH_WINDOWS]
        kept: list[Incident] = []
        moves: list[Transition] = []
        seen = dict(self._seen)
        for view in self._windows.newer(seen):
            seen[view.resource] = view.ts[-1]
            if _fell_silent(view):
                continue
            findings = detect(view, self._bench.detect)
            had = tracked.get(view.resource, [])
            if had or findings:
                after, changes = advance_all(
                    had, findings, resource=view.resource, at=at, policy=self._flags
                )
                kept += after
                moves += changes
                tracked[view.resource] = after
        self._windows.exclude(i for incidents in tracked.values() for i in incidents)
        before = {i.id: i for incidents in tracked.values() for i in incidents}
        linked = chain(before.values(), moves, kinds=self._windows.kinds, at=at)
        touched = {i.id for i in kept}
        kept = [i for i in linked.incidents if i.id in touched or i != before[i.id]]
        judged = self._written(at, now, kept, list(linked.moves), [*linked.incidents, *by_days])
        # Only now: what could not be written must be judged again.
        self._seen, self._until = seen, at
        return judged

    def _written(
        self,
        at: datetime,
        now: datetime,
        kept: list[Incident],
        moves: list[Transition],
        firing: list[Incident],
    ) -> Judged:
        # What is part of another incident is acted on there.
        own = [m for m in moves if m.incident.part_of is None or m.type in _ENDING]
        proposed = self._decided(own, firing, at, now)
        with self._store.transaction() as tx:
            transitions.keep(tx, kept)
            transitions.record(tx, moves, proposed, now=now, links=self._bench.links)
            if not tx.execute("judged_move", at=stored(at)):
                tx.execute("judged_begin", at=stored(at))
        return Judged(at, tuple(moves), tuple(proposed))

    def _decided(
        self, moves: list[Transition], firing: list[Incident], at: datetime, now: datetime
    ) -> list[Decision]:
        standing = records.open_decisions(self._store)
        if not moves and not standing:
            return []
        since = now - self._bench.decisions.memory
        asked = IncidentFilter(kind=Kind.NOISY_NEIGHBOUR, since=since, limit=10_000)
        history = records.incidents(self._store, asked) if moves else []
        changed = {each.id: each for each in self._relocated(standing, firing, at)}
        changed |= {
            each.id: each
            for each in decide(
                moves,
                [changed.get(each.id, each) for each in standing],
                now=now,
                policy=self._bench.decisions,
                firing=firing,
                history=history,
            )
        }
        return list(changed.values())

    def _relocated(
        self, standing: list[Decision], firing: list[Incident], at: datetime
    ) -> list[Decision]:
        """Moves and promotions that were carried out or have proved themselves by `at`."""
        waiting = (DecisionState.APPROVED, DecisionState.ACTIVE)
        asked = [d for d in standing if d.action in LASTING and d.state in waiting]
        if not asked:
            return []
        kinds = {each.id: each.kind for each in registry.resources(self._store)}
        homes = {name: self._home(name, kinds) for name in {d.tenant for d in asked}}
        since: dict[IncidentId, Incident] = {}
        for each in asked:
            if each.carried_at is not None:
                left = IncidentFilter(
                    resource=each.resource, tenant=each.tenant, since=each.carried_at, limit=1000
                )
                since |= {one.id: one for one in records.incidents(self._store, left)}
        since |= {one.id: one for one in firing}
        return relocated(
            asked,
            {name: home for name, home in homes.items() if home is not None},
            kinds,
            list(since.values()),
            at=at,
            policy=self._bench.decisions,
        )

    def _home(self, tenant: TenantId, kinds: Mapping[ResourceId, ResourceKind]) -> Home | None:
        known = registry.tenant(self._store, tenant)
        if known is None or known.deleted_at is not None:
            return None
        placed = registry.current_placements(self._store, tenant=tenant)
        stays = (
            Stay(one.resource, kinds[one.resource], one.isolation, one.from_ts)
            for one in placed
            if one.resource in kinds
        )
        return Home(known.isolation, tuple(stays))


def _fell_silent(view: ResourceWindows) -> bool:
    """No tenant reports this window though some did lately: nobody knows, so nothing is calm.

    After `SILENCE` without a word the resource is judged as idle: an incident must end some day.
    """
    lately = max(int(SILENCE.total_seconds() // view.window_s), 1)
    there = np.isfinite(view.count[:, -lately:]) | np.isfinite(view.arrived[:, -lately:])
    return bool(there.any()) and not there[:, -1].any()


def _by_resource(incidents: list[Incident]) -> dict[ResourceId, list[Incident]]:
    found: dict[ResourceId, list[Incident]] = {}
    for incident in incidents:
        found.setdefault(incident.resource, []).append(incident)
    return found
