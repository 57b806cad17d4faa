from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.decisions.decide import DecisionPolicy, decide
from analyzer.decisions.lifecycle import Verb
from analyzer.journal import records, transitions
from analyzer.journal.records import DecisionFilter, IncidentFilter
from analyzer.model import (
    DecisionId,
    DecisionState,
    Incident,
    IncidentId,
    IncidentState,
    Kind,
    Transition,
    TransitionType,
)
from analyzer.notify import Links
from analyzer.notify.event import Event, uuid7
from analyzer.store.codec import dump, load
from analyzer.store.database import Store
from collector.model import Rejected, Rejection, ResourceId, TenantId
from tests.analyzer.journal.cast import (
    ACME,
    at,
    decision,
    finding,
    incident,
    opened,
    resolved,
    updated,
)

LINKS = Links("https://partywall.example")
ONE = IncidentId("INC-1")
DEC = DecisionId("DEC-1")


def write(store: Store, *changes: Transition, now: Any = None, decisions: Any = ()) -> Any:
    with store.transaction() as tx:
        return transitions.record(tx, changes, decisions, now=now or at(9), links=LINKS)


def test_an_incident_comes_back_as_it_was_written(store):
    write(store, opened())
    assert records.incident(store, ONE) == incident()
    assert records.open_incidents(store) == [incident()]


NAIVE = datetime.fromisoformat("2026-01-01T00:00:00")
times = st.integers(10**8, 4 * 10**9).map(lambda s: datetime.fromtimestamp(s + s / 2**32, UTC))
st.register_type_strategy(datetime, times)


@settings(max_examples=30, deadline=None)
@given(made=st.from_type(Incident))
def test_any_incident_survives_the_round_trip(made):
    assert repr(load(dump(made), Incident)) == repr(made)


def test_numpy_numbers_come_back_as_plain_ones():
    odd = finding(confidence=np.float64(0.5), stretch=np.float32(2.0))
    back = load(dump(incident(finding=odd)), Incident)
    assert back.finding.confidence == 0.5
    assert type(back.finding.stretch) is float


def test_all_is_written_or_nothing(store):
    broken = replace(opened("INC-2"), at=NAIVE)
    with pytest.raises(ValueError, match="time zone"):
        write(store, opened(), broken)
    assert records.incidents(store) == []
    assert store.rows("notify_depth")[0][0] == 0


def test_a_transition_judged_twice_is_written_and_told_once(store):
    first = write(store, opened(), decisions=[decision()])
    assert len(first) == 2
    assert write(store, opened(), decisions=[decision()]) == []
    assert [entry.what for entry in records.timeline(store, ONE)] == [
        "opened",
        "decision proposed",
    ]


def test_event_ids_are_uuids_of_version_seven_that_sort_by_time(store):
    (event,) = write(store, opened())
    assert event.startswith("evt_")
    assert event[18] == "7"
    early, late = uuid7(at(1), lambda n: b"\xff" * n), uuid7(at(2), lambda n: b"\x00" * n)
    assert early < late
    assert early == uuid7(at(1), lambda n: b"\xff" * n)
    assert early[19] in "89ab"


def test_what_a_person_said_is_not_undone_by_a_stale_cycle(store):
    write(store, opened())
    transitions.acknowledge(store, ONE, by="ada", now=at(2), links=LINKS)
    transitions.label(store, ONE, "confirmed", by="ada", now=at(3))
    write(store, updated())
    with store.transaction() as tx:
        transitions.keep(tx, [incident(hits=(True,))])
    found = records.incident(store, ONE)
    assert found is not None
    assert (found.acknowledged_by, found.label, found.hits) == ("ada", "confirmed", (True,))
    assert found.seq == 3


def test_acknowledging_is_told_once_and_only_while_it_lasts(store):
    write(store, opened())
    transitions.acknowledge(store, ONE, by="ada", now=at(2), links=LINKS)
    transitions.acknowledge(store, ONE, by="ada", now=at(3), links=LINKS)
    assert [e.what for e in records.timeline(store, ONE)].count("acknowledged") == 1
    write(store, resolved())
    with pytest.raises(Rejected) as refused:
        transitions.acknowledge(store, ONE, by="bob", now=at(10), links=LINKS)
    assert refused.value.reason is Rejection.CONFLICT


@pytest.mark.parametrize(
    ("doing", "reason"),
    [
        (
            lambda s: transitions.acknowledge(s, IncidentId("?"), by="a", now=at(1), links=LINKS),
            404,
        ),
        (lambda s: transitions.acknowledge(s, ONE, by=" ", now=at(1), links=LINKS), 400),
        (lambda s: transitions.label(s, ONE, "nice", by="a", now=at(1)), 400),
        (lambda s: transitions.label(s, ONE, "confirmed", by="", now=at(1)), 400),
        (lambda s: transitions.label(s, IncidentId("?"), "confirmed", by="a", now=at(1)), 404),
    ],
)
def test_a_person_is_told_what_is_wrong(store, doing, reason):
    write(store, opened())
    with pytest.raises(Rejected) as refused:
        doing(store)
    assert refused.value.reason.status == reason
    assert records.incident(store, ONE) == incident()


def change(store: Store, verb: Verb, minute: float = 3) -> Any:
    return transitions.change_decision(store, DEC, verb, by="ada", now=at(minute), links=LINKS)


ROAD = {
    (DecisionState.PROPOSED, Verb.APPROVE): DecisionState.APPROVED,
    (DecisionState.PROPOSED, Verb.REJECT): DecisionState.REJECTED,
    (DecisionState.PROPOSED, Verb.CANCEL): DecisionState.WITHDRAWN,
    (DecisionState.APPROVED, Verb.CANCEL): DecisionState.WITHDRAWN,
    (DecisionState.ACTIVE, Verb.CANCEL): DecisionState.WITHDRAWN,
    (DecisionState.VERIFIED, Verb.CANCEL): DecisionState.WITHDRAWN,
}


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("state", DecisionState)
def test_a_decision_goes_only_where_its_road_leads(store, state, verb):
    write(store, opened(), decisions=[decision(state=state)])
    if target := ROAD.get((state, verb)):
        assert change(store, verb).state is target
        found = records.decision(store, DEC)
        assert found is not None
        assert (found.state, found.decided_by) == (target, "ada")
    else:
        with pytest.raises(Rejected) as refused:
            change(store, verb)
        assert refused.value.reason is Rejection.CONFLICT


def test_an_expired_decision_cannot_be_approved(store):
    write(store, decisions=[decision()])
    with pytest.raises(Rejected, match="expired"):
        change(store, Verb.APPROVE, minute=90)


def test_a_rejected_decision_stays_rejected_when_the_cycle_did_not_know(store):
    write(store, decisions=[decision()])
    change(store, Verb.REJECT)
    write(store, decisions=[decision(limit=0.9)])
    found = records.decision(store, DEC)
    assert found is not None
    assert found.state is DecisionState.REJECTED
    assert records.open_decisions(store) == []


def test_an_approved_decision_is_not_proposed_again_by_a_stale_cycle(store):
    write(store, decisions=[decision()])
    change(store, Verb.APPROVE)
    assert write(store, decisions=[decision()]) == []
    (found,) = records.open_decisions(store)
    assert (found.state, found.decided_by) == (DecisionState.APPROVED, "ada")
    write(store, decisions=[decision(state=DecisionState.ACTIVE)])
    (found,) = records.open_decisions(store)
    assert (found.state, found.decided_by) == (DecisionState.ACTIVE, "ada")


def test_resolved_incidents_stay_open_for_a_while_so_that_they_can_come_back(store):
    write(store, opened(), resolved())
    assert records.open_incidents(store) == []
    (back,) = records.open_incidents(store, resolved_since=at(0))
    assert back.state is IncidentState.RESOLVED
    assert records.open_incidents(store, resolved_since=at(10)) == []


def test_withdrawn_incidents_are_kept_but_not_listed(store):
    pending = incident(state=IncidentState.PENDING, detected_at=None)
    write(store, Transition(TransitionType.PENDING, at(1), pending, "first window"))
    assert records.open_incidents(store) == [pending]
    write(store, Transition(TransitionType.WITHDRAWN, at(2), pending, "did not last"))
    assert records.open_incidents(store, resolved_since=at(0)) == []
    assert records.incidents(store) == []
    assert [e.what for e in records.timeline(store, ONE)] == ["pending", "withdrawn"]


@pytest.mark.parametrize(
    ("which", "names"),
    [
        (IncidentFilter(), ["INC-3", "INC-1"]),
        (IncidentFilter(states=(IncidentState.RESOLVED,)), ["INC-1"]),
        (IncidentFilter(kind=Kind.CAPACITY), ["INC-3"]),
        (IncidentFilter(resource=ResourceId("db:shard-9")), ["INC-3"]),
        (IncidentFilter(tenant=ACME), ["INC-1"]),
        (IncidentFilter(tenant=TenantId("globex")), ["INC-3", "INC-1"]),
        (IncidentFilter(tenant=TenantId("nobody")), []),
        (IncidentFilter(since=at(10)), ["INC-3"]),
        (IncidentFilter(until=at(10)), ["INC-1"]),
        (IncidentFilter(limit=1), ["INC-3"]),
    ],
)
def test_incidents_can_be_looked_up(store, which, names):
    capacity = finding(kind=Kind.CAPACITY, aggressors=())
    shard9 = {"resource": ResourceId("db:shard-9"), "started_at": at(20), "finding": capacity}
    write(store, opened(), resolved(), opened("INC-3", 21, kind=Kind.CAPACITY, **shard9))
    assert [found.id for found in records.incidents(store, which)] == names


@pytest.mark.parametrize(
    ("which", "count"),
    [
        (DecisionFilter(), 2),
        (DecisionFilter(states=(DecisionState.ACTIVE,)), 1),
        (DecisionFilter(incident=ONE), 2),
        (DecisionFilter(tenant=TenantId("hooli")), 1),
        (DecisionFilter(resource=ResourceId("queue:none")), 0),
    ],
)
def test_decisions_can_be_looked_up(store, which, count):
    active = decision("DEC-2", state=DecisionState.ACTIVE, tenant=TenantId("hooli"))
    write(store, decisions=[decision(), active])
    assert len(records.decisions(store, which)) == count


def test_many_people_and_the_cycle_at_once_lose_nothing(store):
    names = [f"INC-{n}" for n in range(8)]
    write(store, *(opened(name) for name in names))

    def look(name: str) -> None:
        transitions.acknowledge(store, IncidentId(name), by=name, now=at(2), links=LINKS)

    threads = [threading.Thread(target=look, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for n, name in enumerate(names):
        write(store, updated(name, 5 + n))
    for thread in threads:
        thread.join()
    for name in names:
        found = records.incident(store, IncidentId(name))
        assert found is not None
        assert found.acknowledged_by == name
        assert len(records.timeline(store, IncidentId(name))) == 3


def test_a_label_brings_no_withdrawn_incident_back(store):
    gone = Transition(TransitionType.WITHDRAWN, at(2), incident(), "did not last")
    write(store, gone)
    transitions.label(store, ONE, "false_alarm", by="ann", now=at(3))
    assert records.incidents(store) == []


def events(store) -> list[tuple[str, str]]:
    found = [load(body, Event) for (body,) in store.rows("notify_events_of", lane="INC-1")]
    return [(each.type, each.reason) for each in found]


def fetch(store, *names: DecisionId, minute: float = 6) -> list[DecisionId]:
    return transitions.in_force(store, names or (DEC,), now=at(minute), links=LINKS)


def test_the_life_of_a_throttle_is_told_step_by_step(store):
    write(store, opened(), decisions=[decision()])
    assert fetch(store) == []  # a proposal is a shadow: whoever fetches it
    change(store, Verb.APPROVE)
    assert fetch(store, DecisionId("DEC-9")) == []
    assert fetch(store) == [DEC]
    assert fetch(store) == []  # every later poll writes nothing
    (standing,) = records.open_decisions(store)
    over = resolved()
    write(store, over, decisions=decide([over], [standing], now=at(9), policy=DecisionPolicy()))
    assert events(store) == [
        ("incident.opened", "3 of 5 windows"),
        ("decision.proposed", standing.reason),
        ("decision.approved", "approved by ada"),
        ("decision.active", "an enforcer fetched the limit"),
        ("incident.resolved", over.reason),
        ("decision.verified", "the victims recovered under the limit"),
    ]


def test_a_fetch_while_the_cycle_judges_still_counts(store):
    write(store, opened(), decisions=[decision()])
    change(store, Verb.APPROVE)
    (read_before,) = records.open_decisions(store)
    fetch(store)
    over = resolved()
    ended = decide([over], [read_before], now=at(9), policy=DecisionPolicy())
    write(store, over, decisions=ended)
    found = records.decision(store, DEC)
    assert found is not None
    assert found.state is DecisionState.VERIFIED


def test_a_false_alarm_takes_its_throttle_back_and_says_why(store):
    write(store, opened(), decisions=[decision()])
    change(store, Verb.APPROVE)
    transitions.label(store, IncidentId("INC-1"), "false_alarm", by="ada", now=at(7), links=LINKS)
    assert events(store)[-1] == (
        "decision.withdrawn",
        "the incident was marked a false alarm by ada",
    )


def test_cancelling_is_withdrawing_by_name(store):
    write(store, opened(), decisions=[decision()])
    change(store, Verb.CANCEL)
    assert events(store)[-1] == ("decision.withdrawn", "cancelled by ada")
