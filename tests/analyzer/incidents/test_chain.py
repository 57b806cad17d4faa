"""One trouble on several resources is told once, cause first, and ends with its last part."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from analyzer.incidents.chain import WAKING, chain
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
from collector.model import ResourceId, ResourceKind, TenantId
from tests.analyzer.journal.cast import NEIGHBOURS, at, finding, incident

QUEUE, SHARD, CACHE = ResourceId("queue:jobs"), ResourceId("db:shard-1"), ResourceId("cache:main")
KINDS = {QUEUE: ResourceKind.QUEUE, SHARD: ResourceKind.DATABASE, CACHE: ResourceKind.CACHE}


def blaming(tenant: str = "acme") -> Finding:
    return finding(aggressors=(Blame(TenantId(tenant), 1.0, 2.0, 0.2, 0.5),))


def trouble(
    name: str, where: ResourceId, begun: float = 0.0, *, told: Finding | None = None, **changes
) -> Incident:
    told = replace(told or blaming(), resource=where)
    return incident(
        name, resource=where, kind=told.kind, finding=told, started_at=at(begun), **changes
    )


def degraded(victims=NEIGHBOURS) -> Finding:
    return finding(victims, kind=Kind.DEGRADED, aggressors=(), stretch_without=None)


def opens(one: Incident, kind: TransitionType = TransitionType.OPENED) -> Transition:
    return Transition(kind, at(5), one, "seen")


def linked(*incidents: Incident, moves=()):
    done = chain(incidents, moves, kinds=KINDS, at=at(5))
    return {one.id: one for one in done.incidents}, list(done.moves)


def told(moves: list[Transition]) -> list[tuple[str, str]]:
    """What people hear."""
    return [(m.incident.id, m.type.value) for m in moves if m.incident.part_of is None]


FIRST = trouble("INC-Q", QUEUE, 0)
SECOND = trouble("INC-D", SHARD, 1)


def test_what_the_same_tenant_does_elsewhere_is_part_of_what_was_told():
    found, moves = linked(FIRST, SECOND, moves=[opens(SECOND)])
    assert found["INC-D"].part_of == "INC-Q"
    assert [link.resource for link in found["INC-Q"].chain] == [QUEUE, SHARD]
    assert told(moves) == [("INC-Q", "updated")]
    assert [m.reason for m in moves if m.incident.id == "INC-Q"] == [
        "reached db:shard-1, too: 3 suffer there"
    ]


def test_two_that_open_at_once_are_one_event_of_the_cause():
    later = trouble("INC-D", SHARD, 0)
    found, moves = linked(later, FIRST, moves=[opens(later), opens(FIRST)])
    assert told(moves) == [("INC-Q", "opened")]
    (only,) = [m for m in moves if m.incident.id == "INC-Q"]
    assert [link.incident for link in only.incident.chain] == ["INC-Q", "INC-D"]
    assert found["INC-D"].part_of == "INC-Q"


def test_the_cause_stands_first_even_when_it_is_seen_second():
    queue = trouble("INC-Q", QUEUE, -2)
    found, moves = linked(SECOND, queue, moves=[opens(queue)])
    assert told(moves) == [("INC-D", "updated")]
    assert [link.resource for link in found["INC-D"].chain] == [QUEUE, SHARD]


def test_beginnings_that_cannot_be_told_apart_follow_the_way_of_the_work():
    shard, queue = trouble("INC-D", SHARD, 0), trouble("INC-Q", QUEUE, 0.3)
    found, _ = linked(shard, queue, moves=[opens(queue)])
    assert [link.resource for link in found["INC-D"].chain] == [QUEUE, SHARD]
    late = trouble("INC-Q", QUEUE, 3)
    found, _ = linked(shard, late, moves=[opens(late)])
    assert [link.resource for link in found["INC-D"].chain] == [SHARD, QUEUE]


def test_work_that_piles_up_before_a_slow_database_is_a_consequence():
    shard = trouble("INC-D", SHARD, 0)
    piled = trouble("INC-Q", QUEUE, 1, told=degraded())
    found, moves = linked(shard, piled, moves=[opens(piled)])
    assert told(moves) == [("INC-D", "updated")]
    assert [link.resource for link in found["INC-D"].chain] == [SHARD, QUEUE]


def test_what_another_does_or_others_feel_or_came_before_is_told_by_itself():
    strangers = tuple(TenantId(f"s{k}") for k in range(3))
    for other in (
        trouble("INC-D", SHARD, 1, told=blaming("hooli")),
        trouble("INC-D", SHARD, 1, told=degraded(strangers)),
        trouble("INC-D", SHARD, -1, told=degraded()),
        trouble("INC-D", SHARD, 30),
        trouble("INC-D", QUEUE, 1),
    ):
        found, moves = linked(FIRST, other, moves=[opens(other)])
        assert found["INC-D"].part_of is None
        assert told(moves) == [("INC-D", "opened")]


def test_nothing_follows_what_is_over_or_blames_nobody():
    for head in (
        trouble("INC-Q", QUEUE, 0, state=IncidentState.RESOLVED, ended_at=at(4)),
        trouble("INC-Q", QUEUE, 0, state=IncidentState.PENDING),
        trouble("INC-Q", QUEUE, 0, told=degraded()),
    ):
        found, moves = linked(head, SECOND, moves=[opens(SECOND)])
        assert found["INC-D"].part_of is None
        assert told(moves) == [("INC-D", "opened")]


PART = replace(SECOND, part_of=IncidentId("INC-Q"))


def test_the_whole_ends_with_its_last_part():
    head = linked(FIRST, SECOND, moves=[opens(SECOND)])[0]["INC-Q"]
    over = replace(head, state=IncidentState.RESOLVED, ended_at=at(5), seq=3)
    ending = opens(over, TransitionType.RESOLVED)
    found, moves = linked(over, PART, moves=[ending])
    assert (found["INC-Q"].state, found["INC-Q"].ended_at) == (IncidentState.FIRING, None)
    assert found["INC-Q"].seq == 2
    assert moves == []
    calm = replace(PART, state=IncidentState.RESOLVED, ended_at=at(5))
    found, moves = linked(over, calm, moves=[ending, opens(calm, TransitionType.RESOLVED)])
    assert told(moves) == [("INC-Q", "resolved")]
    assert [link.ended_at for link in found["INC-Q"].chain] == [at(5), at(5)]


def test_a_part_that_outlives_its_reason_is_told():
    other = replace(PART, finding=replace(blaming("hooli"), resource=SHARD))
    for whole in ([FIRST, other], [PART]):
        found, moves = linked(*whole)
        assert found["INC-D"].part_of is None
        assert told(moves)[-1] == ("INC-D", "opened")


def test_a_part_that_comes_back_after_the_whole_is_told():
    over = replace(FIRST, state=IncidentState.RESOLVED, ended_at=at(4))
    back = opens(PART, TransitionType.REOPENED)
    _, moves = linked(over, PART, moves=[back])
    assert told(moves) == [("INC-D", "opened")]
    _, moves = linked(FIRST, PART, moves=[back])
    assert told(moves) == []


def test_three_resources_are_one_story():
    third = trouble("INC-C", CACHE, 2)
    head = replace(FIRST, chain=linked(FIRST, PART)[0]["INC-Q"].chain)
    found, moves = linked(head, PART, third, moves=[opens(third)])
    assert [link.resource for link in found["INC-Q"].chain] == [QUEUE, SHARD, CACHE]
    assert told(moves) == [("INC-Q", "updated")]


places = st.sampled_from([QUEUE, SHARD, CACHE])
states = st.sampled_from([IncidentState.FIRING, IncidentState.RESOLVED, IncidentState.PENDING])
findings = st.sampled_from([blaming(), blaming("hooli"), degraded()])


@st.composite
def moments(draw):
    """Incidents of a moment, some of which open in it."""
    incidents, moves = [], []
    for number in range(draw(st.integers(1, 5))):
        state = draw(states)
        one = trouble(
            f"INC-{number}", draw(places), draw(st.integers(0, 12)), told=draw(findings),
            state=state,
            ended_at=at(4) if state is IncidentState.RESOLVED else None,
        )  # fmt: skip
        incidents.append(one)
        if state is IncidentState.FIRING and draw(st.booleans()):
            moves.append(opens(one))
    return incidents, moves


@given(moments())
def test_every_waking_is_told_once_by_itself_or_by_its_whole(moment):
    incidents, moves = moment
    found, after = linked(*incidents, moves=moves)
    assert set(found) == {one.id for one in incidents}
    heard = {name for name, _ in told(after)}
    for move in moves:
        now = found[move.incident.id]
        assert (now.part_of or now.id) in heard
        if now.part_of is not None:
            head = found[now.part_of]
            assert head.part_of is None
            assert now.id in {link.incident for link in head.chain}
    told_open = [m.incident.id for m in after if m.type in WAKING and m.incident.part_of is None]
    assert len(told_open) == len(set(told_open))


@given(moments())
def test_a_quiet_moment_after_changes_nothing(moment):
    incidents, moves = moment
    found, _ = linked(*incidents, moves=moves)
    again, more = linked(*found.values())
    assert more == []
    assert again == found
