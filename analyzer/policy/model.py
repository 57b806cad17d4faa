"""What enforcers obey: one entry a throttled tenant, each with an expiry of its own.

Absence means no limit. A consumer ignores an expired entry by itself, so a dead service lets go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from analyzer.model import Action, Decision, DecisionState

_ENFORCED = {DecisionState.APPROVED, DecisionState.ACTIVE, DecisionState.VERIFIED}
_OFFERED = _ENFORCED | {DecisionState.PROPOSED}


@dataclass(frozen=True, slots=True)
class Entry:
    """A limit for one tenant on one resource: `busy` in busy seconds a second as it was decided,
    `rps` the same in operations a second at the tenant's own cost an operation.

    `mode` "shadow": count what would be refused, refuse nothing. A proposal is always shadow; only
    a person's approval makes it "enforce".
    """

    tenant: str
    resource: str
    busy: float
    rps: float
    burst: float
    mode: str
    issued_at: datetime
    expires_at: datetime
    reason: str
    decision: str


@dataclass(frozen=True, slots=True)
class Policy:
    """All entries in force at `at`, sorted by tenant and resource; `version` changes with them."""

    version: str
    at: datetime
    entries: tuple[Entry, ...]


Costs = Mapping[tuple[str, str], float]
"""Busy seconds an operation of (tenant, resource) takes; who is missing counts as one second."""


def entries(decisions: Iterable[Decision], *, costs: Costs, now: datetime) -> tuple[Entry, ...]:
    """The throttles among `decisions` that are offered or in force and not expired at `now`."""
    live = [
        _entry(decision, decision.limit, costs.get((decision.tenant, decision.resource), 1.0))
        for decision in decisions
        if decision.action is Action.THROTTLE
        and decision.state in _OFFERED
        and decision.expires_at > now
        and decision.limit is not None
    ]
    return tuple(sorted(live, key=lambda entry: (entry.tenant, entry.resource)))


def _entry(decision: Decision, busy: float, cost: float) -> Entry:
    rps = round(busy / cost if cost > 0 else busy, 3)
    enforced = decision.state in _ENFORCED
    return Entry(
        tenant=decision.tenant,
        resource=decision.resource,
        busy=round(busy, 6),
        rps=rps,
        burst=round(max(1.0, 2 * rps), 3),
        mode="enforce" if enforced else "shadow",
        issued_at=decision.created_at,
        expires_at=decision.expires_at,
        reason=decision.reason,
        decision=decision.id,
    )
