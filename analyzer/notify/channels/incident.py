"""Our own objects inside every body: the incident and the decision, in strict JSON types."""

from __future__ import annotations

import math
from typing import Any

from analyzer.model import Blame, Decision, Harm, Incident, Signal
from analyzer.notify.channels.message import rfc3339
from analyzer.notify.event import MAX_LINKS, Event, Links, cut

JsonObject = dict[str, Any]


def envelope(event: Event) -> JsonObject:
    """What every body of ours begins with."""
    return {
        "type": event.type,
        "timestamp": rfc3339(event.at),
        "id": event.id,
        "seq": event.seq,
        "test": event.test,
        "summary": event.summary,
    }


def subject(event: Event) -> JsonObject:
    """`incident`, `decision` and `facts`, as far as the event has them."""
    found: JsonObject = {}
    if event.incident is not None:
        found["incident"] = incident_object(event.incident, event.victims, event.links)
    if event.decision is not None:
        found["decision"] = decision_object(event.decision, event.links)
    if event.facts:
        found["facts"] = {cut(key, 80): cut(value) for key, value in event.facts[:20]}
    return found


def incident_object(incident: Incident, victims: int, links: Links) -> JsonObject:
    """The `incident` of a body. Unknown numbers are null."""
    finding = incident.finding
    blames = [_blame(blame) for blame in finding.aggressors]
    return {
        "id": incident.id,
        "url": links.incident(incident.id),
        "state": incident.state.value,
        "severity": incident.severity,
        "kind": incident.kind.value,
        "resource": incident.resource,
        "started_at": rfc3339(incident.started_at),
        "detected_at": rfc3339(incident.detected_at) if incident.detected_at else None,
        "ended_at": rfc3339(incident.ended_at) if incident.ended_at else None,
        "acknowledged_by": incident.acknowledged_by,
        "aggressor": blames[0] if blames else None,
        "aggressors": blames,
        "victims": {"count": victims, "top": [_harm(harm) for harm in finding.victims]},
        "confidence": number(finding.confidence),
        "stretch": number(finding.stretch),
        "counterfactual": {"stretch": number(finding.stretch_without)},
        "utilisation": number(finding.utilisation),
        "limit": {
            "value": number(finding.limit),
            "low": number(finding.limit_low),
            "high": number(finding.limit_high),
            "unit": "busy seconds per second",
        },
        "chain": [
            {
                "incident": link.incident,
                "resource": link.resource,
                "kind": link.kind.value,
                "started_at": rfc3339(link.started_at),
                "ended_at": rfc3339(link.ended_at) if link.ended_at else None,
                "victims": link.victims,
            }
            for link in incident.chain[:MAX_LINKS]
        ],
        "caveats": [cut(caveat) for caveat in finding.caveats],
        "links": {
            "evidence": links.incident(incident.id),
            "resource": links.resource(incident.resource),
            "aggressor": links.tenant(finding.aggressors[0].tenant) if blames else None,
        },
    }


def decision_object(decision: Decision, links: Links) -> JsonObject:
    """The `decision` of a body."""
    return {
        "id": decision.id,
        "url": links.decision(decision.id),
        "action": decision.action.value,
        "state": decision.state.value,
        "tenant": decision.tenant,
        "resource": decision.resource,
        "incident": decision.incident,
        "limit": number(decision.limit),
        "limit_unit": decision.limit_unit,
        "target": decision.target,
        "mode": decision.mode,
        "decided_by": decision.decided_by,
        "outcome": cut(decision.outcome),
        "created_at": rfc3339(decision.created_at),
        "expires_at": rfc3339(decision.expires_at),
        "evidence": [cut(sentence) for sentence in decision.evidence[:10]],
    }


def number(value: float | None, digits: int = 6) -> float | None:
    """Rounded for reading; None for unknown, NaN and infinity, which JSON cannot say."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, digits)


def _blame(blame: Blame) -> JsonObject:
    times = blame.demand / blame.expected if blame.expected > 0 else None
    return {
        "tenant": blame.tenant,
        "share": number(blame.share),
        "contribution": number(blame.contribution),
        "times_baseline": number(times, 2),
    }


def _harm(harm: Harm) -> JsonObject:
    errors = harm.signal is Signal.ERRORS
    unit, scale, digits = ("ratio", 1.0, 6) if errors else ("ms", 1000.0, 3)
    felt = {"before": harm.before_s, "during": harm.during_s, "without": harm.without_s}
    return {
        "tenant": harm.tenant,
        "signal": harm.signal.value,
        **{f"{when}_{unit}": _scaled(value, scale, digits) for when, value in felt.items()},
    }


def _scaled(value: float | None, scale: float, digits: int) -> float | None:
    return None if value is None else number(value * scale, digits)
