"""One sentence per incident and decision: who hurts whom, how much, since when."""

from __future__ import annotations

from analyzer.incidents.explain import sentence
from analyzer.model import Decision, Incident, IncidentState, Kind
from analyzer.notify.event import cut

TITLES = {
    Kind.NOISY_NEIGHBOUR: "NoisyNeighbour",
    Kind.CAPACITY: "SharedCapacity",
    Kind.DEGRADED: "DegradedResource",
    Kind.SELF_INFLICTED: "SelfInflictedSlowness",
}


def about(incident: Incident) -> str:
    """What happens, as one sentence for the top of a message: the words of `explain`."""
    ended = " Over." if incident.state is IncidentState.RESOLVED else ""
    return cut(f"{sentence(incident)}.", 900) + ended


def about_decision(decision: Decision) -> str:
    """What is to be done, as one sentence."""
    target = f" to {decision.target}" if decision.target else ""
    limit = f" to {decision.limit:.3g} {decision.limit_unit}" if decision.limit is not None else ""
    return cut(
        f"{decision.action.value.capitalize()} {decision.tenant} on {decision.resource}"
        f"{target}{limit}: {decision.state.value}. {decision.reason}".strip(),
        1000,
    )
