"""One sentence per incident and decision: who hurts whom, how much, since when."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.model import Decision, Incident, IncidentState, Kind
from analyzer.notify.event import cut

TITLES = {
    Kind.NOISY_NEIGHBOUR: "NoisyNeighbour",
    Kind.CAPACITY: "SharedCapacity",
    Kind.DEGRADED: "DegradedResource",
    Kind.SELF_INFLICTED: "SelfInflictedSlowness",
}


def about(incident: Incident) -> str:
    """What happens, as one sentence for the top of a message."""
    finding = incident.finding
    sentence = _SENTENCES[incident.kind](incident)
    slower = f", {finding.stretch:.1f} times slower than normal" if finding.stretch > 1 else ""
    ended = " Over." if incident.state is IncidentState.RESOLVED else ""
    return cut(f"{sentence}{slower}.{ended}", 1000)


def about_decision(decision: Decision) -> str:
    """What is to be done, as one sentence."""
    target = f" to {decision.target}" if decision.target else ""
    limit = f" to {decision.limit:.3g} {decision.limit_unit}" if decision.limit is not None else ""
    return cut(
        f"{decision.action.value.capitalize()} {decision.tenant} on {decision.resource}"
        f"{target}{limit}: {decision.state.value}. {decision.reason}".strip(),
        1000,
    )


def _noisy(incident: Incident) -> str:
    names = [b.tenant for b in incident.finding.aggressors]
    return f"{_list(names) or 'somebody'} on {incident.resource} hurts {_victims(incident)}"


def _capacity(incident: Incident) -> str:
    return f"{incident.resource} is too small for its tenants, {_victims(incident)} suffer"


def _degraded(incident: Incident) -> str:
    return f"{incident.resource} itself is slow, {_victims(incident)} suffer"


def _self_inflicted(incident: Incident) -> str:
    names = [b.tenant for b in incident.finding.aggressors] or [
        v.tenant for v in incident.finding.victims
    ]
    return f"{_list(names) or 'A tenant'} slows itself down on {incident.resource}"


_SENTENCES = {
    Kind.NOISY_NEIGHBOUR: _noisy,
    Kind.CAPACITY: _capacity,
    Kind.DEGRADED: _degraded,
    Kind.SELF_INFLICTED: _self_inflicted,
}


def _victims(incident: Incident) -> str:
    victims = incident.finding.victims
    if len(victims) == 1:
        return cut(victims[0].tenant, 80)
    return f"{len(victims)} tenants"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(cut(name, 80) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
