"""What to do about an incident: throttle the aggressor, move or promote a repeated one. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analyzer.model import (
    Action,
    Blame,
    Decision,
    DecisionId,
    DecisionState,
    Incident,
    IncidentId,
    IncidentState,
    Kind,
    Transition,
    TransitionType,
)
from collector.model import TenantId

OPEN = (
    DecisionState.PROPOSED,
    DecisionState.APPROVED,
    DecisionState.ACTIVE,
    DecisionState.VERIFIED,
)
"""Still counts: a verified throttle stays in force until it expires, so that the harm does not come
back the moment it ended."""

_OUTCOMES = {
    DecisionState.PROPOSED: "before anybody approved the limit",
    DecisionState.APPROVED: "before an enforcer fetched the limit",
    DecisionState.ACTIVE: "under the limit",
}
UNIT = "busy seconds per second"

LASTING = (Action.MOVE, Action.PROMOTE, Action.DEMOTE)
"""Carried out by people on the platform, seen in the registry (`relocation`)."""

_PROPOSE = (
    TransitionType.OPENED,
    TransitionType.REOPENED,
    TransitionType.FLAPPING,
    TransitionType.UPDATED,
)


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """`max_throttles` at once and `max_share` of a resource's load are the blast-radius brake;
    `repeats` blamed incidents within `repeat_s` earn a move (or a promotion from `promote_after`),
    and so does blame in `weeks` of the last `of_weeks` weeks, however seldom (a promotion when in
    all of them);
    `floors` are contracted minima in busy seconds per second. A move or promotion is verified after
    `dwell_s` of data time without an incident by the tenant on the resource it left.
    """

    expiry_s: float = 900.0
    renew_before_s: float = 300.0
    min_confidence: float = 0.5
    mode: str = "shadow"
    max_throttles: int = 5
    max_share: float = 0.9
    repeats: int = 3
    promote_after: int = 5
    repeat_s: float = 7 * 86400.0
    weeks: int = 3
    of_weeks: int = 4
    dwell_s: float = 1800.0
    floors: Mapping[TenantId, float] | None = None

    def problems(self) -> list[str]:
        """Every invalid value at once, as "key: what, remedy"."""
        found = []
        if self.mode not in ("shadow", "enforce"):
            found.append(f"decisions.mode: {self.mode!r} is unknown, use shadow or enforce")
        if not 0 < self.renew_before_s < self.expiry_s:
            found.append("decisions.renew_before_s: must lie between 0 and decisions.expiry_s")
        if self.max_throttles < 0:
            found.append("decisions.max_throttles: must not be negative, 0 turns throttles off")
        if self.dwell_s <= 0:
            found.append("decisions.dwell_s: must be above 0, such as 1800 for half an hour")
        if not 1 <= self.weeks <= self.of_weeks <= 26:
            found.append("decisions.weeks: keep 1 <= weeks <= of_weeks <= 26")
        if not 0 < self.max_share <= 1:
            found.append("decisions.max_share: is a part of one, set it above 0 and at most 1")
        return found

    @property
    def memory(self) -> timedelta:
        """How far back incidents count for anything."""
        return max(timedelta(seconds=self.repeat_s), timedelta(weeks=self.of_weeks))


def decide(
    transitions: Sequence[Transition],
    open_decisions: Sequence[Decision],
    *,
    now: datetime,
    policy: DecisionPolicy,
    firing: Sequence[Incident] = (),
    history: Sequence[Incident] = (),
) -> list[Decision]:
    """New and changed decisions.

    `firing` are the incidents still active (their throttles are renewed before they expire);
    `history` are incidents of the last weeks (repeated aggressors earn a move or a promotion).
    """
    changed: dict[DecisionId, Decision] = {}
    awake = {i.id: i for i in firing if i.state is not IncidentState.RESOLVED}
    awake |= {t.incident.id: t.incident for t in transitions if t.type in _PROPOSE}
    for transition in transitions:
        for decision in _withdrawn(transition, open_decisions):
            changed[decision.id] = decision
    for decision in open_decisions:
        if decision.id not in changed:
            after = _aged(decision, awake, now, policy)
            if after != decision:
                changed[decision.id] = after
    standing = [changed.get(d.id, d) for d in open_decisions]
    for transition in transitions:
        if transition.type in _PROPOSE:
            for decision in _proposed(transition.incident, standing, history, now, policy):
                changed[decision.id] = decision
                standing.append(decision)
    return list(changed.values())


def decision_id(incident: str, action: Action, tenant: TenantId, at: datetime) -> DecisionId:
    """Deterministic, so that judging the same window twice proposes the same decision."""
    text = f"{incident}|{action}|{tenant}|{at.isoformat()}"
    digest = hashlib.blake2b(text.encode(), digest_size=5).digest()
    return DecisionId("DEC-" + base64.b32encode(digest).decode())


def _withdrawn(transition: Transition, decisions: Sequence[Decision]) -> Iterator[Decision]:
    """The harm ended: a throttle in force has proved itself, a proposed one is not needed."""
    if transition.type not in (TransitionType.RESOLVED, TransitionType.WITHDRAWN):
        return
    for decision in decisions:
        mine = decision.incident == transition.incident.id and decision.state in _OUTCOMES
        if mine and decision.action is Action.THROTTLE:
            worked = decision.state is DecisionState.ACTIVE
            state = DecisionState.VERIFIED if worked else DecisionState.WITHDRAWN
            said = f"the victims recovered {_OUTCOMES[decision.state]}"
            yield replace(decision, state=state, outcome=said, evidence=(*decision.evidence, said))


def _aged(
    decision: Decision,
    awake: Mapping[IncidentId, Incident],
    now: datetime,
    policy: DecisionPolicy,
) -> Decision:
    """Renewed while its incident lasts, else expired in its time."""
    if decision.state not in OPEN:
        return decision
    left = (decision.expires_at - now).total_seconds()
    if decision.action is Action.THROTTLE and decision.incident in awake:
        if left <= policy.renew_before_s:
            return replace(decision, expires_at=now + timedelta(seconds=policy.expiry_s))
        return decision
    return decision if left > 0 else lapsed(decision)


def lapsed(decision: Decision) -> Decision:
    """The decision once its time ran out. A verified move or promotion stays what it is."""
    if decision.action not in LASTING:
        return replace(decision, state=DecisionState.EXPIRED, outcome="its time ran out")
    if decision.state is DecisionState.VERIFIED:
        return decision
    if decision.state is DecisionState.PROPOSED:
        said = "nobody approved it in time"
        return replace(decision, state=DecisionState.WITHDRAWN, outcome=said)
    approved = decision.state is DecisionState.APPROVED
    said = (
        "approved, but nobody carried it out in time"
        if approved
        else f"{decision.tenant} still disturbed {decision.resource} when its time ran out"
    )
    return replace(decision, state=DecisionState.EXPIRED, outcome=said)


def _proposed(
    incident: Incident,
    standing: Sequence[Decision],
    history: Sequence[Incident],
    now: datetime,
    policy: DecisionPolicy,
) -> Iterator[Decision]:
    finding = incident.finding
    if incident.kind is not Kind.NOISY_NEIGHBOUR or finding.confidence < policy.min_confidence:
        return
    throttled = [d for d in standing if d.action is Action.THROTTLE and d.state in OPEN]
    share = 0.0
    for rank, blame in enumerate(finding.aggressors):
        has = [d for d in throttled if d.tenant == blame.tenant and d.resource == incident.resource]
        share += blame.share
        room = len(throttled) < policy.max_throttles and (rank == 0 or share <= policy.max_share)
        if not has and room:
            made = _throttle(incident, blame, rank, now, policy)
            throttled.append(made)
            yield made
        yield from _lasting(incident, blame, standing, history, now, policy)


def _throttle(
    incident: Incident, blame: Blame, rank: int, now: datetime, policy: DecisionPolicy
) -> Decision:
    finding = incident.finding
    floor = max((policy.floors or {}).get(blame.tenant, 0.0), blame.expected)
    main = rank == 0 and finding.limit is not None
    rate = max(finding.limit or 0.0, floor) if main else max(1.2 * blame.expected, floor)
    low = max(finding.limit_low or rate, floor) if main else floor
    high = max(finding.limit_high or rate, rate) if main else rate
    return Decision(
        id=decision_id(incident.id, Action.THROTTLE, blame.tenant, now),
        action=Action.THROTTLE,
        state=DecisionState.PROPOSED,
        tenant=blame.tenant,
        resource=incident.resource,
        incident=incident.id,
        reason=f"its excess load slows {len(finding.victims)} other tenants",
        created_at=now,
        expires_at=now + timedelta(seconds=policy.expiry_s),
        limit=rate,
        limit_low=min(low, rate),
        limit_high=max(high, rate),
        limit_unit=UNIT,
        mode=policy.mode,
        evidence=tuple(c.detail for c in blame.checks if c.passed),
    )


def _lasting(
    incident: Incident,
    blame: Blame,
    standing: Sequence[Decision],
    history: Sequence[Incident],
    now: datetime,
    policy: DecisionPolicy,
) -> Iterator[Decision]:
    """A tenant blamed again and again should not share this resource any longer."""
    blamed = _blamed(blame.tenant, incident, history, now, policy)
    since = now - timedelta(seconds=policy.repeat_s)
    times = sum(one.started_at >= since for one in blamed)
    weeks = _weeks(blamed, now, policy)
    often = sum(count > 0 for count in weeks)
    # One that proved itself stays verified; once its time is over it is no answer to new trouble.
    told = any(
        d.tenant == blame.tenant
        and d.action in (Action.MOVE, Action.PROMOTE)
        and d.state in OPEN
        and d.expires_at > now
        for d in standing
    )
    if (times < policy.repeats and often < policy.weeks) or told:
        return
    promote = times >= policy.promote_after or often == policy.of_weeks
    action = Action.PROMOTE if promote else Action.MOVE
    yield Decision(
        id=decision_id(incident.id, action, blame.tenant, now),
        action=action,
        state=DecisionState.PROPOSED,
        tenant=blame.tenant,
        resource=incident.resource,
        incident=incident.id,
        reason="performance",
        created_at=now,
        expires_at=now + timedelta(seconds=policy.repeat_s),
        target="database" if promote else None,
        mode=policy.mode,
        evidence=tuple(_reasons(blamed, times, weeks, now, policy)),
    )


def _blamed(
    tenant: TenantId,
    incident: Incident,
    history: Sequence[Incident],
    now: datetime,
    policy: DecisionPolicy,
) -> list[Incident]:
    """Incidents that blame the tenant, as far back as anything counts; parts count with their
    whole, so that one trouble is one.
    """
    known = {
        one.id: one
        for one in (*history, incident)
        if one.kind is Kind.NOISY_NEIGHBOUR
        and one.part_of is None
        and one.started_at >= now - policy.memory
        and one.detected_at is not None
        and any(b.tenant == tenant for b in one.finding.aggressors)
    }
    return list(known.values())


def _weeks(blamed: Sequence[Incident], now: datetime, policy: DecisionPolicy) -> list[int]:
    """How often in each of the last weeks, the newest last."""
    counts = [0] * policy.of_weeks
    for one in blamed:
        age = (now - one.started_at) // timedelta(weeks=1)
        if 0 <= age < policy.of_weeks:
            counts[-1 - age] += 1
    return counts


def _reasons(
    blamed: Sequence[Incident],
    times: int,
    weeks: Sequence[int],
    now: datetime,
    policy: DecisionPolicy,
) -> Iterator[str]:
    yield f"blamed {times} times in {policy.repeat_s / 86400:.0f} days"
    hit = sum(count > 0 for count in weeks)
    told = ", ".join(map(str, weeks))
    yield f"blamed in {hit} of the last {policy.of_weeks} weeks ({told} times, newest last)"
    lasted = sum(((one.ended_at or now) - one.started_at).total_seconds() for one in blamed)
    hurt = {harm.tenant for one in blamed for harm in one.finding.victims}
    yield f"{lasted / 3600:.1f} hours of harm to {len(hurt)} tenants in that time"
