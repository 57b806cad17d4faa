"""What an incident costs each of its victims. Pure.

A victim that is slowed from 70 to 190 ms has lost 1 - 70/190 of the service in these minutes; what
a minute of the service is worth is what it pays for it, or what it costs where it pays nothing.
cost = minutes x part lost x worth of a minute x weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from analyzer.model import Harm, Incident, Kind, Signal

Worth = Mapping[str, Fraction]
"""What a minute is worth to each tenant, in quanta."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One victim of one incident; `cost` in whole quanta. `blame`: aggressor to its part."""

    incident: str
    resource: str
    tenant: str
    started_at: datetime
    minutes: float
    lost: float
    cost: int
    blame: tuple[tuple[str, float], ...]


def losses(
    incidents: Sequence[Incident],
    start: datetime,
    end: datetime,
    worth: Worth,
    *,
    weight: Fraction = Fraction(1),
) -> list[Loss]:
    """What noisy neighbours cost whom between two instants; an incident counts while it lasted."""
    found = []
    for incident in incidents:
        a = max(start, incident.started_at)
        b = min(end, incident.ended_at or end)
        if incident.kind is not Kind.NOISY_NEIGHBOUR or a >= b:
            continue
        minutes = (b - a).total_seconds() / 60
        blame = _blame(incident)
        for harm in incident.finding.victims:
            lost = part_lost(harm)
            cost = Fraction(minutes) * Fraction(lost) * worth.get(harm.tenant, Fraction(0)) * weight
            found.append(
                Loss(
                    incident.id,
                    incident.resource,
                    harm.tenant,
                    incident.started_at,
                    round(minutes, 3),
                    round(lost, 4),
                    round(cost),
                    blame,
                )
            )
    return found


def part_lost(harm: Harm) -> float:
    """0 (nothing) to 1 (all): of the time felt, what would not be felt without the excess."""
    usual = harm.before_s if harm.without_s is None else harm.without_s
    if harm.signal is Signal.ERRORS:
        return min(1.0, max(0.0, harm.during_s - usual))
    if harm.during_s <= 0:
        return 0.0
    return min(1.0, max(0.0, 1 - usual / harm.during_s))


def _blame(incident: Incident) -> tuple[tuple[str, float], ...]:
    """Each aggressor's part of what the others lost."""
    blamed = incident.finding.aggressors
    whole = sum(max(0.0, blame.contribution) for blame in blamed)
    if not whole:
        return tuple((blame.tenant, 1 / len(blamed)) for blame in blamed)
    return tuple((blame.tenant, max(0.0, blame.contribution) / whole) for blame in blamed)
