"""Changes written down: a transition and its notifications in one transaction.

Three rules keep two writers (the cycle and people) from undoing each other: what a person said
(acknowledged, label, approved, rejected) is kept when the cycle writes a value it read before; a
decision never leaves a final state; and a transition judged twice is written once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from analyzer.decisions.lifecycle import NEXT, OPEN_DECISIONS, TOLD, VERBS, Verb
from analyzer.journal.records import open_decisions, read_decision, values
from analyzer.model import (
    Action,
    Decision,
    DecisionId,
    DecisionState,
    Incident,
    IncidentId,
    IncidentState,
    Transition,
    TransitionType,
)
from analyzer.notify.addressing import desk
from analyzer.notify.clock import stored
from analyzer.notify.event import Entropy, Event, EventId, Links, event_id, trimmed
from analyzer.notify.outbox import post
from analyzer.notify.sentence import about, about_decision
from analyzer.store.codec import dump, load
from analyzer.store.database import Store
from analyzer.store.reader import Reader, Transaction
from collector.model import Rejected, Rejection

SILENT = {TransitionType.PENDING, TransitionType.WITHDRAWN}
"""Written down, never sent; what is part of another incident is not, either."""

LABELS = ("confirmed", "false_alarm")

_SAID = {Verb.APPROVE: "approved", Verb.REJECT: "rejected", Verb.CANCEL: "cancelled"}


def record(
    tx: Transaction,
    transitions: Iterable[Transition],
    decisions: Iterable[Decision],
    *,
    now: datetime,
    links: Links,
    entropy: Entropy = os.urandom,
) -> list[EventId]:
    """Write changes, events and deliveries in the one transaction given. Twice-safe."""
    transitions, decisions = tuple(transitions), tuple(decisions)
    if not (transitions or decisions):
        return []
    pen = _Pen(tx, now, links, entropy)
    told = [pen.transition(change) for change in transitions]
    told += [pen.decision(decision) for decision in decisions]
    return [event for event in told if event is not None]


def keep(tx: Transaction, incidents: Iterable[Incident]) -> None:
    """Write the state of incidents that moved on without a transition (window counts)."""
    for incident in incidents:
        row = tx.row("journal_incident", id=incident.id)
        _write(tx, _merged(incident, row), withdrawn=bool(row and row[1]))


def acknowledge(
    store: Store, incident_id: IncidentId, *, by: str, now: datetime, links: Links
) -> Incident:
    """Somebody is looking. Raises NOT_FOUND, or CONFLICT when the incident is over."""
    with store.transaction() as tx:
        incident = _need(tx, incident_id)
        if incident.state is IncidentState.RESOLVED:
            raise Rejected(
                Rejection.CONFLICT, f"incident {incident_id} is already resolved", field="id"
            )
        if incident.acknowledged_by == by:
            return incident
        changed = replace(incident, acknowledged_by=_name(by), seq=incident.seq + 1, updated_at=now)
        change = Transition(TransitionType.ACKNOWLEDGED, now, changed, f"acknowledged by {by}")
        _Pen(tx, now, links, os.urandom).transition(change, by=by)
    return changed


def label(
    store: Store,
    incident_id: IncidentId,
    label: str,
    *,
    by: str,
    now: datetime,
    note: str = "",
    links: Links | None = None,
) -> Incident:
    """A person's verdict, `confirmed` or `false_alarm`; the latter takes its throttles back.

    Raises NOT_FOUND or INVALID_FIELD.
    """
    if label not in LABELS:
        wanted = " or ".join(LABELS)
        raise Rejected(Rejection.INVALID_FIELD, f"label must be {wanted}", field="label")
    with store.transaction() as tx:
        changed = replace(_need(tx, incident_id), label=label)
        row = tx.row("journal_incident", id=incident_id)
        _write(tx, changed, withdrawn=bool(row and row[1]))
        tx.execute(
            "journal_label_insert",
            incident=incident_id, ts=stored(now), label=label, note=note, by_whom=_name(by),
        )  # fmt: skip
        if label == "false_alarm":
            pen = _Pen(tx, now, links or Links(), os.urandom)
            for had in _open_throttles(tx, incident_id):
                said = f"the incident was marked a false alarm by {_name(by)}"
                pen.decision(replace(had, state=DecisionState.WITHDRAWN, outcome=said), by=by)
    return changed


def change_decision(
    store: Store, decision_id: DecisionId, verb: Verb, *, by: str, now: datetime, links: Links
) -> Decision:
    """A person approves, rejects or cancels. Raises NOT_FOUND, or CONFLICT when it is too late."""
    target, allowed = VERBS[verb]
    with store.transaction() as tx:
        had = read_decision(tx, decision_id)
        if had is None:
            raise Rejected(Rejection.NOT_FOUND, f"there is no decision {decision_id}", field="id")
        if had.state not in allowed:
            raise Rejected(
                Rejection.CONFLICT, f"a decision that is {had.state} cannot be {target}", field="id"
            )
        if had.expires_at <= now:
            raise Rejected(Rejection.CONFLICT, f"decision {decision_id} has expired", field="id")
        said = f"{_SAID[verb]} by {_name(by)}"
        changed = replace(had, state=target, decided_by=_name(by), outcome=said)
        _Pen(tx, now, links, os.urandom).decision(changed, by=by)
    return changed


def evidence_added(
    store: Store, decision_id: DecisionId, sentences: Sequence[str], *, now: datetime
) -> Decision | None:
    """More evidence under a decision that is still open; None when it is not (any more)."""
    with store.transaction() as tx:
        known = read_decision(tx, decision_id)
        if known is None or known.state not in OPEN_DECISIONS:
            return None
        changed = replace(known, evidence=(*known.evidence, *sentences))
        _write_decision(tx, changed, now)
    return changed


def in_force(
    store: Store, fetched: Iterable[DecisionId], *, now: datetime, links: Links
) -> list[DecisionId]:
    """An enforcer fetched these: what was approved among them is active from now on.

    Asked with every poll, so nothing is written when nothing is new. Returns what became active.
    """
    names = set(fetched)
    new = [d.id for d in open_decisions(store) if _is_new(d) and d.id in names] if names else []
    if not new:
        return []
    with store.transaction() as tx:
        pen = _Pen(tx, now, links, os.urandom)
        held = [
            had for name in new if (had := read_decision(tx, name)) is not None and _is_new(had)
        ]
        for had in held:
            said = "an enforcer fetched the limit"
            pen.decision(replace(had, state=DecisionState.ACTIVE, outcome=said))
    return [had.id for had in held]


def _is_new(decision: Decision) -> bool:
    return decision.state is DecisionState.APPROVED


def _open_throttles(tx: Transaction, incident_id: IncidentId) -> list[Decision]:
    rows = tx.rows(
        "journal_decisions",
        states=values(OPEN_DECISIONS), incident=incident_id, tenant=None, resource=None,
        limit=1000,
    )  # fmt: skip
    found = [load(body, Decision) for (body,) in rows]
    return [each for each in found if each.action is Action.THROTTLE]


class _Pen:
    """Writes on behalf of one transaction."""

    def __init__(self, tx: Transaction, now: datetime, links: Links, entropy: Entropy) -> None:
        self._tx, self._now, self._links, self._entropy = tx, now, links, entropy
        self._desk = desk(tx)

    def transition(self, change: Transition, by: str = "") -> EventId | None:
        change = self._honest(change)
        same = {
            "incident": change.incident.id,
            "type": change.type.value,
            "ts": stored(change.at),
        }
        if self._tx.row("journal_transition_seen", **same):
            return None
        incident = _merged(change.incident, self._tx.row("journal_incident", id=same["incident"]))
        _write(self._tx, incident, withdrawn=change.type is TransitionType.WITHDRAWN)
        self._tx.execute(
            "journal_transition_insert",
            **same, seq=incident.seq, recorded_at=stored(self._now), state=incident.state.value,
            reason=change.reason, by_whom=by,
        )  # fmt: skip
        if change.type in SILENT or incident.part_of is not None:
            return None
        return self._tell(
            f"incident.{change.type}", incident.id, change.at, about(incident), change.reason,
            incident=incident,
        )  # fmt: skip

    def _honest(self, change: Transition) -> Transition:
        """Who was told that it began is told that it ended, even of what is then taken back."""
        if change.type is not TransitionType.WITHDRAWN:
            return change
        over = replace(change.incident, state=IncidentState.RESOLVED, ended_at=change.at)
        told = self._tx.row("notify_told", lane=over.id) is not None
        kind = TransitionType.RESOLVED if told else change.type
        return replace(change, type=kind, incident=over)

    def decision(self, decision: Decision, by: str = "") -> EventId | None:
        had = read_decision(self._tx, decision.id)
        if had is not None and decision.state not in NEXT[had.state]:
            return None
        if had is not None and decision.decided_by is None:
            decision = replace(decision, decided_by=had.decided_by)
        if _overtaken(had, decision):
            decision = replace(
                decision, state=DecisionState.VERIFIED, outcome="the victims recovered under it"
            )
        _write_decision(self._tx, decision, self._now)
        if had is not None and had.state is decision.state:
            return None
        self._tx.execute(
            "journal_decision_change_insert",
            decision=decision.id, ts=stored(self._now), state=decision.state.value,
            reason=decision.outcome or decision.reason, by_whom=by,
        )  # fmt: skip
        if decision.state not in TOLD:
            return None
        return self._tell(
            f"decision.{decision.state}", decision.incident or decision.id, self._now,
            about_decision(decision), decision.outcome or decision.reason, decision=decision,
        )  # fmt: skip

    def _tell(
        self, kind: str, lane: str, at: datetime, summary: str, reason: str, *,
        incident: Incident | None = None, decision: Decision | None = None,
    ) -> EventId:  # fmt: skip
        url = self._links.decision(decision.id) if decision else self._links.incident(lane)
        event = Event(
            id=event_id(self._now, self._entropy), type=kind, lane=lane, seq=0, at=at,
            created_at=self._now, summary=summary, url=url, reason=reason, links=self._links,
            incident=trimmed(incident) if incident else None,
            victims=len(incident.finding.victims) if incident else 0, decision=decision,
        )  # fmt: skip
        return post(self._tx, event, at=self._desk, entropy=self._entropy).id


def _overtaken(had: Decision | None, decision: Decision) -> bool:
    """The cycle read it as approved and an enforcer fetched it meanwhile."""
    by_cycle = decision.outcome.startswith("the victims recovered before")
    return (
        had is not None
        and had.state is DecisionState.ACTIVE
        and decision.state is DecisionState.WITHDRAWN
        and by_cycle
    )


def _merged(incident: Incident, row: tuple[str, bool] | tuple[object, ...] | None) -> Incident:
    if row is None:
        return incident
    had = load(str(row[0]), Incident)
    return replace(
        incident,
        acknowledged_by=incident.acknowledged_by or had.acknowledged_by,
        label=incident.label or had.label,
        seq=max(incident.seq, had.seq),
    )


def _write(tx: Transaction, incident: Incident, *, withdrawn: bool) -> None:
    finding = incident.finding
    tx.execute("journal_incident_delete", id=incident.id)
    tx.execute(
        "journal_incident_insert",
        id=incident.id,
        resource=incident.resource,
        kind=incident.kind.value,
        state=incident.state.value,
        severity=incident.severity,
        started_at=stored(incident.started_at),
        updated_at=stored(incident.updated_at),
        detected_at=stored(incident.detected_at),
        ended_at=stored(incident.ended_at),
        seq=incident.seq,
        aggressors=[blame.tenant for blame in finding.aggressors],
        victims=[harm.tenant for harm in finding.victims],
        withdrawn=withdrawn,
        body=dump(incident),
        part_of=incident.part_of,
    )


def _write_decision(tx: Transaction, decision: Decision, now: datetime) -> None:
    tx.execute("journal_decision_delete", id=decision.id)
    tx.execute(
        "journal_decision_insert",
        id=decision.id,
        incident=decision.incident,
        action=decision.action.value,
        state=decision.state.value,
        tenant=decision.tenant,
        resource=decision.resource,
        created_at=stored(decision.created_at),
        expires_at=stored(decision.expires_at),
        updated_at=stored(now),
        body=dump(decision),
    )


def _name(by: str) -> str:
    if not by.strip():
        raise Rejected(Rejection.MISSING_FIELD, "say who does this", field="by")
    return by.strip()[:200]


def _need(reader: Reader, incident_id: IncidentId) -> Incident:
    row = reader.row("journal_incident", id=incident_id)
    if row is None:
        raise Rejected(Rejection.NOT_FOUND, f"there is no incident {incident_id}", field="id")
    return load(row[0], Incident)
