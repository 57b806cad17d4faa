"""Whether a move, promotion or demotion was carried out, and whether it helped. Pure.

The platform's operators carry these out; the registry says where the tenant lives since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analyzer.decisions.decide import LASTING, DecisionPolicy
from analyzer.model import Action, Decision, DecisionState, Incident, Isolation
from collector.model import ResourceId, ResourceKind, TenantId


@dataclass(frozen=True, slots=True)
class Stay:
    """A tenant on a resource, now; `since` is UTC."""

    resource: ResourceId
    kind: ResourceKind
    isolation: Isolation
    since: datetime


@dataclass(frozen=True, slots=True)
class Home:
    """Where a tenant lives now: its own isolation, and a stay for each resource it is on."""

    isolation: Isolation
    stays: tuple[Stay, ...]


def relocated(
    decisions: Iterable[Decision],
    homes: Mapping[TenantId, Home],
    kinds: Mapping[ResourceId, ResourceKind],
    incidents: Sequence[Incident],
    *,
    at: datetime,
    policy: DecisionPolicy,
) -> list[Decision]:
    """What changed at the moment `at` of data time: approved to active, active to verified or
    withdrawn. `incidents` are those of the resources left, since their tenants left them.
    """
    found = []
    for decision in decisions:
        home = homes.get(decision.tenant)
        if decision.action not in LASTING or home is None:
            continue
        if decision.state is DecisionState.APPROVED:
            after = _carried(decision, home, kinds, at, policy)
        elif decision.state is DecisionState.ACTIVE:
            after = _proved(decision, home, kinds, incidents, at, policy)
        else:
            continue
        if after != decision:
            found.append(after)
    return found


def arrived(decision: Decision, home: Home, kinds: Mapping[ResourceId, ResourceKind]) -> str:
    """Where the tenant is, in words, if that is where the decision wants it; else empty.

    A move is done when the tenant has left the old resource and is on the one named, or without a
    name on any other of the same kind. A promotion or demotion is done when the tenant, or one of
    its stays, is kept apart as decided.
    """
    if decision.action is Action.MOVE:
        return _moved(decision, home, kinds)
    wanted = decision.target or (
        Isolation.SHARED if decision.action is Action.DEMOTE else Isolation.DATABASE
    )
    has = {stay.isolation.value: stay.resource for stay in home.stays}
    if decision.action is Action.DEMOTE:
        apart = {one for one in has if one != wanted}
        return f"isolation {wanted}" if home.isolation == wanted and not apart else ""
    if wanted in has:
        return f"isolation {wanted} on {has[wanted]}"
    return f"isolation {wanted}" if home.isolation == wanted else ""


def _moved(decision: Decision, home: Home, kinds: Mapping[ResourceId, ResourceKind]) -> str:
    places = {stay.resource: stay for stay in home.stays}
    if decision.resource in places:
        return ""
    kind = kinds.get(decision.resource)
    fits = [
        name
        for name, stay in sorted(places.items())
        if (name == decision.target if decision.target else stay.kind == kind)
    ]
    return fits[0] if fits else ""


def _carried(
    decision: Decision,
    home: Home,
    kinds: Mapping[ResourceId, ResourceKind],
    at: datetime,
    policy: DecisionPolicy,
) -> Decision:
    where = arrived(decision, home, kinds)
    if not where:
        return decision
    # Usage arrives later than it happened: windows before the move still show the old place.
    since = max([at, *(stay.since for stay in home.stays if stay.resource == where)])
    return replace(
        decision,
        state=DecisionState.ACTIVE,
        carried_at=since,
        expires_at=max(decision.expires_at, since + timedelta(seconds=policy.repeat_s)),
        outcome=f"{decision.tenant} is on {where}"
        if decision.action is Action.MOVE
        else f"{decision.tenant} has {where}",
    )


def _proved(
    decision: Decision,
    home: Home,
    kinds: Mapping[ResourceId, ResourceKind],
    incidents: Sequence[Incident],
    at: datetime,
    policy: DecisionPolicy,
) -> Decision:
    if not arrived(decision, home, kinds):
        return replace(
            decision,
            state=DecisionState.WITHDRAWN,
            outcome=f"it was undone before it had proved itself on {decision.resource}",
        )
    quiet = _quiet_since(decision, incidents)
    if quiet is None or (at - quiet).total_seconds() < policy.dwell_s:
        return decision
    minutes = (at - quiet).total_seconds() / 60
    said = f"no incident by {decision.tenant} on {decision.resource} for {minutes:.0f} min"
    return replace(
        decision,
        state=DecisionState.VERIFIED,
        outcome=said,
        evidence=(*decision.evidence, said),
    )


def _quiet_since(decision: Decision, incidents: Sequence[Incident]) -> datetime | None:
    """Since when the tenant disturbs nobody on the old resource; None: it does so now."""
    left = quiet = decision.carried_at
    if left is None or quiet is None:
        return None
    for incident in incidents:
        blamed = any(blame.tenant == decision.tenant for blame in incident.finding.aggressors)
        new = incident.detected_at is not None and incident.started_at >= left
        if incident.resource != decision.resource or not (blamed and new):
            continue
        if incident.ended_at is None:
            return None
        quiet = max(quiet, incident.ended_at)
    return quiet
