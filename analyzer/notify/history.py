"""Incidents on record as routing sees them: to rehearse rules, and to show who is muted now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from analyzer.model import Incident, IncidentState
from analyzer.notify.addressing import desk, firing, plans, recipient, with_plans
from analyzer.notify.clock import aware, stored
from analyzer.notify.rules import policy
from analyzer.routing import Notice, Policy
from analyzer.routing.judge import muted
from analyzer.routing.matchers import Labels
from analyzer.routing.rehearsal import Happened, Rehearsal, Thresholds, rehearse
from analyzer.store.codec import load
from analyzer.store.reader import Reader

MuteView = dict[str, list[str]]
"""Incidents that are on, by the silence that mutes them."""

ACTIVE = (IncidentState.FIRING, IncidentState.FLAPPING)


def labels_now(incident: Incident, known: Mapping[str, str]) -> Labels:
    """The labels of an incident; `known` are plans by tenant."""
    finding = incident.finding
    return {
        "event": ("incident.opened",),
        "incident": (incident.id,),
        "kind": (incident.kind.value,),
        "severity": (incident.severity,),
        "resource": (incident.resource,),
        **with_plans(
            known, [b.tenant for b in finding.aggressors], [h.tenant for h in finding.victims]
        ),
    }


def tenants_of(incidents: Sequence[Incident]) -> set[str]:
    """Everybody blamed or hurt in them."""
    found: set[str] = set()
    for each in incidents:
        found.update(b.tenant for b in each.finding.aggressors)
        found.update(h.tenant for h in each.finding.victims)
    return found


def muted_now(reader: Reader, incidents: Sequence[Incident], *, now: datetime) -> dict[str, str]:
    """Why nobody is told of each of these now, by incident; those that are told are left out."""
    active = [each for each in incidents if each.state in ACTIVE]
    if not active:
        return {}
    rules = policy(reader)
    known, sources = plans(reader, tenants_of(active)), firing(reader)
    found = {}
    for each in active:
        notice = Notice("incident.opened", labels_now(each, known), each.id)
        hushed = muted(notice, rules, sources, now=now)
        if hushed is not None:
            found[str(each.id)] = f"{hushed[0].value}: {hushed[1]}"
    return found


def silenced_by(reader: Reader, *, now: datetime) -> MuteView:
    """Every silence in force, with the incidents it covers."""
    silences = [each for each in policy(reader).silences if each.starts_at <= now < each.ends_at]
    if not silences:
        return {}
    incidents = [load(body, Incident) for (body,) in reader.rows("routing_open")]
    known = plans(reader, tenants_of(incidents))
    labels = {each.id: labels_now(each, known) for each in incidents}
    return {
        silence.id: [key for key, each in labels.items() if silence.covers(each, now)]
        for silence in silences
    }


def rehearsed(
    reader: Reader,
    rules: Policy,
    thresholds: Thresholds,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
) -> Rehearsal:
    """What `rules` would have told of the openings in [since, until)."""
    rows = [
        (kind, aware(at), load(body, Incident))
        for kind, at, body in reader.rows(
            "routing_history", since=stored(since), until=stored(until)
        )
    ]
    known = plans(reader, tenants_of([incident for *_, incident in rows]))
    history = [
        Happened(
            incident.id,
            f"incident.{kind}",
            at,
            incident.ended_at,
            labels_now(incident, known),
            incident.finding.confidence,
            incident.finding.stretch,
            len(incident.finding.victims),
        )
        for kind, at, incident in rows
    ]
    recipients = [recipient(each, now) for each in desk(reader).endpoints]
    return rehearse(history, rules, recipients, thresholds)
