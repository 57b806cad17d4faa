"""An incident of growth over days: opened when a day shows it, over when a day does not. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from analyzer.incidents.flags import ACTIVE, incident_id
from analyzer.model import (
    PATH_DAYS,
    Finding,
    Incident,
    IncidentState,
    Transition,
    TransitionType,
)
from collector.model import ResourceId


def follow(
    known: Incident | None, finding: Finding | None, *, resource: ResourceId, at: datetime
) -> list[Transition]:
    """What one more judged day changes. `known` is the resource's incident of days that is not
    over, `at` the end of the day. Days need no hits in a row: one is the work of thousands of
    windows.
    """
    active = known if known is not None and known.state in ACTIVE else None
    if finding is None:
        return [_over(active, at, "the others are back inside")] if active else []
    if active is None:
        return [_opened(finding, resource, at)]
    before = [blame.tenant for blame in active.finding.aggressors]
    now = [blame.tenant for blame in finding.aggressors]
    if now[0] not in before:
        return [_over(active, at, f"it is {now[0]} now"), _opened(finding, resource, at)]
    grown = replace(active, finding=finding, seq=active.seq + 1, updated_at=at)
    said = f"another day: {finding.stretch:.2f} times slower"
    if set(now) - set(before):
        said = "also blamed: " + ", ".join(sorted(set(now) - set(before)))
    return [Transition(TransitionType.UPDATED, at, grown, said)]


def _opened(finding: Finding, resource: ResourceId, at: datetime) -> Transition:
    who = finding.aggressors[0].tenant
    started = finding.window_start
    made = Incident(
        id=incident_id(resource, finding.kind, started, f"{PATH_DAYS}|{who}|{at.isoformat()}"),
        resource=resource,
        kind=finding.kind,
        state=IncidentState.FIRING,
        severity="ticket",
        started_at=started,
        updated_at=at,
        finding=finding,
        seq=1,
        detected_at=at,
        told_victims=len(finding.victims),
        told_at=at,
        path=PATH_DAYS,
    )
    return Transition(TransitionType.OPENED, at, made, "seen in the days, not in windows")


def _over(incident: Incident, at: datetime, reason: str) -> Transition:
    ended = replace(
        incident, state=IncidentState.RESOLVED, ended_at=at, seq=incident.seq + 1, updated_at=at
    )
    return Transition(TransitionType.RESOLVED, at, ended, reason)
