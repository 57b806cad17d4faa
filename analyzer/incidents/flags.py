"""The state machine of an incident: pending, firing, resolved, flapping. Pure: time is given.

finding ──▶ pending ──3 of 5──▶ firing ──calm──▶ resolved ──grace──▶ forgotten
               │ none of 5         ▲                 │ back within the grace
               ▼                   └──── reopened ◀──┘ (flapping from the third time)
           withdrawn
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analyzer.model import (
    Blame,
    Finding,
    Incident,
    IncidentId,
    IncidentState,
    Kind,
    Transition,
    TransitionType,
)
from collector.model import ResourceId, TenantId

ACTIVE = (IncidentState.FIRING, IncidentState.FLAPPING)

TWICE = 2
TELL_EVERY = timedelta(minutes=10)
SHARED = (Kind.NOISY_NEIGHBOUR, Kind.CAPACITY, Kind.DEGRADED)

RETHINK = timedelta(minutes=5)
"""How long after its start an incident without blame may still become somebody's."""

COMPANION = 0.3
"""Part of the blame from which a tenant is named together with the main aggressor."""

Step = tuple[Incident | None, list[Transition]]


@dataclass(frozen=True, slots=True)
class FlagPolicy:
    """TOML section `[flags]`. `hits` of the last `of` windows open a blame; `slow_hits` of the last
    `slow_of` open a finding that blames nobody (there is nothing to throttle, so no hurry).
    A blame as sure as `sure_confidence` opens on `sure_hits` of the last `sure_of`.
    """

    hits: int = 3
    of: int = 5
    sure_hits: int = 2
    sure_of: int = 3
    sure_confidence: float = 0.9
    slow_hits: int = 5
    slow_of: int = 8
    calm_windows: int = 6
    grace_s: float = 900.0
    flaps: int = 2
    min_confidence: float = 0.35
    page_stretch: float = 2.0
    page_confidence: float = 0.6

    def problems(self) -> list[str]:
        """Every invalid value at once, as "key: what, remedy"."""
        found = []
        for hits, of in (("hits", "of"), ("sure_hits", "sure_of"), ("slow_hits", "slow_of")):
            if not 1 <= getattr(self, hits) <= getattr(self, of) <= 20:
                found.append(f"flags.{hits}: must lie between 1 and flags.{of} (at most 20)")
        if self.calm_windows < 1:
            found.append("flags.calm_windows: must be at least 1")
        if self.grace_s < 0:
            found.append("flags.grace_s: must not be negative, 0 turns reopening off")
        found += [
            f"flags.{name}: is a probability, set it between 0 and 1"
            for name in ("min_confidence", "sure_confidence")
            if not 0 <= getattr(self, name) <= 1
        ]
        return found

    def needed(self, kind: Kind, confidence: float = 0.0) -> tuple[int, int]:
        """(hits, of how many windows) that open an incident of this kind, or one that sure."""
        if kind in (Kind.CAPACITY, Kind.DEGRADED):
            return self.slow_hits, self.slow_of
        if kind is Kind.NOISY_NEIGHBOUR and confidence >= self.sure_confidence:
            return self.sure_hits, self.sure_of
        return self.hits, self.of


def incident_id(
    resource: ResourceId, kind: Kind, started_at: datetime, who: str = ""
) -> IncidentId:
    """Deterministic: the same harm has the same id however often it is judged."""
    text = f"{resource}|{kind}|{started_at.isoformat()}|{who}"
    digest = hashlib.blake2b(text.encode(), digest_size=5).digest()
    return IncidentId("INC-" + base64.b32encode(digest).decode())


def advance(
    incident: Incident | None,
    finding: Finding | None,
    *,
    resource: ResourceId,
    at: datetime,
    policy: FlagPolicy,
) -> Step:
    """One window later. Returns the incident to keep (None: nothing to keep) and what changed."""
    if finding is not None and finding.confidence < policy.min_confidence:
        finding = None
    if incident is None:
        return _start(finding, resource, at) if finding is not None else (None, [])
    incident = _counted(incident, finding, at, policy)
    if incident.state is IncidentState.PENDING:
        return _pending(incident, finding, at, policy)
    if incident.state is IncidentState.RESOLVED:
        return _resolved(incident, finding, at, policy)
    return _active(incident, finding, at, policy)


def _start(finding: Finding, resource: ResourceId, at: datetime) -> Step:
    started = min(finding.window_start, at)
    who = finding.aggressors[0].tenant if finding.kind is Kind.SELF_INFLICTED else ""
    incident = Incident(
        id=incident_id(resource, finding.kind, started, who),
        resource=resource,
        kind=finding.kind,
        state=IncidentState.PENDING,
        severity="ticket",
        started_at=started,
        updated_at=at,
        finding=finding,
        hits=(True,),
        votes=_voted((), finding),
    )
    return _moved(incident, TransitionType.PENDING, at, "first seen")


def _moved(incident: Incident, kind: TransitionType, at: datetime, reason: str) -> Step:
    after = replace(incident, seq=incident.seq + 1, updated_at=at)
    return after, [Transition(kind, at, after, reason)]


def _counted(
    incident: Incident, finding: Finding | None, at: datetime, policy: FlagPolicy
) -> Incident:
    keep = max(policy.of, policy.slow_of, policy.calm_windows)
    hits = (*incident.hits, finding is not None)[-keep:]
    if finding is None:
        return replace(incident, hits=hits)
    return replace(incident, hits=hits, updated_at=at, votes=_voted(incident.votes, finding))


def _voted(
    votes: tuple[tuple[TenantId, int], ...], finding: Finding
) -> tuple[tuple[TenantId, int], ...]:
    counts = dict(votes)
    for blame in finding.aggressors:
        counts[blame.tenant] = counts.get(blame.tenant, 0) + 1
    return tuple(sorted(counts.items()))


def _pending(incident: Incident, finding: Finding | None, at: datetime, policy: FlagPolicy) -> Step:
    hits, of = policy.needed(incident.kind)
    if not any(incident.hits[-of:]):
        after, moved = _moved(incident, TransitionType.WITHDRAWN, at, "did not last")
        return None, moved if after else []
    if finding is None:
        return incident, []
    incident = replace(incident, finding=_stronger(incident.finding, finding))
    hits, of = policy.needed(incident.kind, finding.confidence)
    if sum(incident.hits[-of:]) < hits or not _agreed(incident, hits):
        return incident, []
    incident = _named(incident, finding, _opening(incident, finding, hits, policy))
    opened = replace(
        incident,
        state=IncidentState.FIRING,
        detected_at=at,
        severity=_severity(incident.finding, policy),
        told_victims=len(incident.finding.victims),
        told_at=at,
    )
    return _moved(opened, TransitionType.OPENED, at, f"seen in {hits} of {of} windows")


def _agreed(incident: Incident, hits: int) -> bool:
    """A blame opens only when the same tenant was blamed often enough."""
    return incident.kind is not Kind.NOISY_NEIGHBOUR or bool(_blamed(incident, hits))


def _opening(incident: Incident, finding: Finding, hits: int, policy: FlagPolicy) -> set[TenantId]:
    """Who is named at once: the main aggressor and whoever holds much of the blame. A companion
    with a small part is named when it was blamed as often as any blame needs."""
    often = _blamed(incident, hits)
    ranked = sorted(finding.aggressors, key=lambda b: -b.contribution)
    main = next((b.tenant for b in ranked if b.tenant in often), None)
    large = {b.tenant for b in ranked if b.contribution >= COMPANION or b.tenant == main}
    return (often & large) | _blamed(incident, policy.hits) or often


def _blamed(incident: Incident, hits: int) -> set[TenantId]:
    return {tenant for tenant, count in incident.votes if count >= hits}


def _named(incident: Incident, finding: Finding, often: set[TenantId]) -> Incident:
    """Only tenants blamed often enough stay named; their blame is the newest one at hand."""
    if incident.kind is not Kind.NOISY_NEIGHBOUR:
        return incident
    known: dict[TenantId, Blame] = {b.tenant: b for b in finding.aggressors}
    known |= {b.tenant: b for b in incident.finding.aggressors}
    blames = [blame for tenant, blame in known.items() if tenant in often]
    if not blames:
        return incident
    total = sum(b.contribution for b in blames) or 1.0
    ranked = sorted(blames, key=lambda b: (-b.contribution, b.tenant))
    named = tuple(replace(b, contribution=b.contribution / total) for b in ranked)
    held = {b.tenant for b in named}
    kept = replace(
        incident.finding,
        aggressors=named,
        rivals=tuple(r for r in incident.finding.rivals if r.tenant not in held),
        victims=tuple(v for v in incident.finding.victims if v.tenant not in held),
    )
    return replace(incident, finding=kept)


def _active(incident: Incident, finding: Finding | None, at: datetime, policy: FlagPolicy) -> Step:
    if finding is None:
        if any(incident.hits[-policy.calm_windows :]):
            return incident, []
        ended = replace(incident, state=IncidentState.RESOLVED, ended_at=at)
        return _moved(ended, TransitionType.RESOLVED, at, f"{policy.calm_windows} calm windows")
    before = {b.tenant for b in incident.finding.aggressors}
    if finding.kind is incident.kind:
        incident = replace(incident, finding=_stronger(incident.finding, finding))
        incident = _named(incident, finding, before | _blamed(incident, policy.hits))
    severity = _worse(incident.severity, _severity(incident.finding, policy))
    new = {b.tenant for b in incident.finding.aggressors} - before
    changed = severity != incident.severity
    incident = replace(incident, severity=severity)
    if new:
        return _moved(
            incident, TransitionType.UPDATED, at, "also blamed: " + ", ".join(sorted(new))
        )
    if changed:
        return _moved(incident, TransitionType.UPDATED, at, "it got worse")
    return _spreading(incident, finding, at)


def _spreading(incident: Incident, finding: Finding, at: datetime) -> Step:
    """Twice as many victims as people were told of is news, at most every ten minutes."""
    told_at = incident.told_at or incident.detected_at or incident.started_at
    held = {blame.tenant for blame in incident.finding.aggressors}
    victims = tuple(harm for harm in finding.victims if harm.tenant not in held)
    had = max(incident.told_victims, len(incident.finding.victims) if not incident.told_at else 0)
    grown = had > 0 and len(victims) >= TWICE * had and at - told_at >= TELL_EVERY
    if finding.kind is not incident.kind or not grown:
        return incident, []
    wider = replace(
        incident,
        finding=replace(incident.finding, victims=victims),
        told_victims=len(victims),
        told_at=at,
    )
    return _moved(wider, TransitionType.UPDATED, at, f"{len(victims)} victims, {had} before")


def _resolved(
    incident: Incident, finding: Finding | None, at: datetime, policy: FlagPolicy
) -> Step:
    ended = incident.ended_at or incident.updated_at
    if finding is None and at - ended > timedelta(seconds=policy.grace_s):
        return None, []
    hits, of = policy.needed(incident.kind)
    if finding is None or sum(incident.hits[-of:]) < hits:
        return incident, []
    back = replace(
        incident,
        reopened=incident.reopened + 1,
        ended_at=None,
        finding=_stronger(incident.finding, finding),
        state=IncidentState.FIRING,
    )
    if back.reopened >= policy.flaps:
        back = replace(back, state=IncidentState.FLAPPING)
        return _moved(back, TransitionType.FLAPPING, at, f"came back {back.reopened} times")
    return _moved(back, TransitionType.REOPENED, at, "came back within the grace")


def _stronger(kept: Finding, new: Finding) -> Finding:
    """The finding that says more: surer, then with a number for what would be, then more harm."""
    if new.kind is not kept.kind:
        return kept
    return max((new, kept), key=_weight)


def _weight(finding: Finding) -> tuple[float, int, bool, float]:
    told = finding.stretch_without is not None
    return round(finding.confidence, 1), len(finding.aggressors), told, finding.stretch


def _severity(finding: Finding, policy: FlagPolicy) -> str:
    serious = finding.stretch >= policy.page_stretch and finding.kind in SHARED
    return "page" if serious and finding.confidence >= policy.page_confidence else "ticket"


def _worse(a: str, b: str) -> str:
    return "page" if "page" in (a, b) else "ticket"


# -- several tracks on one resource ----------------------------------------------------------------


def advance_all(
    incidents: Sequence[Incident],
    findings: Sequence[Finding],
    *,
    resource: ResourceId,
    at: datetime,
    policy: FlagPolicy,
) -> tuple[list[Incident], list[Transition]]:
    """Advance everything tracked on one resource by one window.

    At most one incident about the shared resource is active at a time: another kind that ripens
    meanwhile either changes its story (blame beats no blame) or is folded into it.
    """
    kept: list[Incident] = []
    moves: list[Transition] = []
    left = list(findings)
    active = next((i for i in incidents if i.kind in SHARED and i.state in ACTIVE), None)
    for incident in sorted(incidents, key=lambda i: i.state not in ACTIVE):
        found = _take(incident, left, shared=incident is active)
        after, changes = advance(incident, found, resource=resource, at=at, policy=policy)
        moves += changes
        if after is not None:
            kept.append(after)
    if active is not None and active.kind is Kind.NOISY_NEIGHBOUR:
        left = [f for f in left if f.kind not in SHARED]  # no other story ripens beside a blame
    for finding in left:
        after, changes = advance(None, finding, resource=resource, at=at, policy=policy)
        moves += changes
        if after is not None:
            kept.append(after)
    return _folded(kept, moves, at, policy)


def _take(incident: Incident, left: list[Finding], *, shared: bool) -> Finding | None:
    """The finding that continues this incident. Any shared harm keeps an active one awake, but
    only its own kind is used up: another kind must also be able to ripen."""
    for finding in left:
        if _same(incident, finding):
            left.remove(finding)
            return finding
    return next((f for f in left if f.kind in SHARED), None) if shared else None


def _same(incident: Incident, finding: Finding) -> bool:
    if incident.kind is not finding.kind:
        return False
    if finding.kind in (Kind.CAPACITY, Kind.DEGRADED):
        return True
    over = incident.state is IncidentState.RESOLVED
    if finding.kind is Kind.NOISY_NEIGHBOUR and not over:
        return True
    before = {b.tenant for b in incident.finding.aggressors}
    return any(b.tenant in before for b in finding.aggressors)


def _folded(
    kept: list[Incident], moves: list[Transition], at: datetime, policy: FlagPolicy
) -> tuple[list[Incident], list[Transition]]:
    """Merge a second active shared incident into the one that fired first."""
    active = [i for i in kept if i.kind in SHARED and i.state in ACTIVE]
    if len(active) < 2:
        return kept, moves
    first, second = sorted(active, key=lambda i: (i.detected_at or at, i.started_at))[:2]
    moves = [m for m in moves if m.incident.id != second.id]
    moves.append(Transition(TransitionType.WITHDRAWN, at, second, f"part of {first.id}"))
    rest = [i for i in kept if i.id not in (first.id, second.id)]
    if not _better_story(first, second):
        return [first, *rest], moves
    told = replace(
        first,
        kind=second.kind,
        finding=second.finding,
        votes=second.votes,
        severity=_worse(first.severity, _severity(second.finding, policy)),
    )
    after, changes = _moved(told, TransitionType.UPDATED, at, f"now seen as {second.kind}")
    return ([after] if after else []) + rest, moves + changes


def _better_story(first: Incident, second: Incident) -> bool:
    if first.kind is Kind.NOISY_NEIGHBOUR:
        return False
    if second.kind is Kind.NOISY_NEIGHBOUR:
        # Who only surges while an old trouble fades away did not begin it.
        early = second.started_at - first.started_at <= RETHINK
        return early or second.finding.stretch > 1.3 * first.finding.stretch
    return second.finding.confidence > first.finding.confidence + 0.1
