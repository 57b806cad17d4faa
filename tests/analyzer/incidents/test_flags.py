"""The state machine of an incident, a window at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.incidents.flags import FlagPolicy, advance_all, incident_id
from analyzer.model import (
    Blame,
    Finding,
    Harm,
    Incident,
    IncidentState,
    Kind,
    Signal,
    Transition,
)
from collector.model import ResourceId, TenantId

START = datetime(2026, 11, 16, tzinfo=UTC)
DB = ResourceId("db:main")
POLICY = FlagPolicy()


def finding(kind: Kind = Kind.NOISY_NEIGHBOUR, *by: str, stretch: float = 3.0, sure: float = 0.85):
    blames = tuple(Blame(TenantId(t), 1.0 / len(by), 2.0, 0.5, 0.6) for t in by)
    victims = (Harm(TenantId("globex"), Signal.LATENCY, 0.1, 0.3, 0.1),)
    return Finding(
        DB, kind, START, START + timedelta(seconds=10), blames, victims, (), (), (), sure,
        stretch, 1.0, 0.9,
    )  # fmt: skip


ACME = finding(Kind.NOISY_NEIGHBOUR, "acme")
FULL = finding(Kind.CAPACITY)
ILL = finding(Kind.DEGRADED)

Moves = list[Transition]


def play(story: list[list[Finding]], policy: FlagPolicy = POLICY) -> tuple[list[Incident], Moves]:
    """Advance a window for each entry of the story."""
    kept: list[Incident] = []
    moves: Moves = []
    for k, found in enumerate(story):
        at = START + timedelta(seconds=10 * (k + 1))
        kept, changes = advance_all(kept, found, resource=DB, at=at, policy=policy)
        moves += changes
    return kept, moves


def said(moves: Moves) -> list[str]:
    return [str(m.type) for m in moves]


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ("x", ["pending"]),
        ("xx", ["pending"]),
        ("xxx", ["pending", "opened"]),
        ("x.x.x", ["pending", "opened"]),
        ("x.....", ["pending", "withdrawn"]),
        ("xx.....", ["pending", "withdrawn"]),
        ("xxx......", ["pending", "opened", "resolved"]),
        ("xxx.....x......", ["pending", "opened", "resolved"]),
        ("xxx......xxx", ["pending", "opened", "resolved", "reopened"]),
        ("xxx......xxx......xxx", ["pending", "opened", "resolved", "reopened", "resolved",
                                   "flapping"]),
    ],
)  # fmt: skip
def test_three_of_five_open_and_six_calm_windows_resolve(hits: str, expected: list[str]):
    _, moves = play([[ACME] if c == "x" else [] for c in hits])
    assert said(moves) == expected


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ("s", ["pending"]),
        ("ss", ["pending", "opened"]),
        ("xs", ["pending", "opened"]),
        ("sx", ["pending"]),
        ("s.s", ["pending", "opened"]),
        ("s..s", ["pending"]),
    ],
)
def test_a_blame_that_is_sure_opens_on_two_of_three(hits: str, expected: list[str]):
    sure = finding(Kind.NOISY_NEIGHBOUR, "acme", sure=0.95)
    _, moves = play([[{"s": sure, "x": ACME}[c]] if c != "." else [] for c in hits])
    assert said(moves) == expected


@pytest.mark.parametrize(
    ("part", "windows", "named"),
    [(0.1, 2, ["acme"]), (0.1, 3, ["acme", "hooli"]), (0.4, 2, ["acme", "hooli"])],
)
def test_a_companion_with_a_small_part_is_named_only_when_blamed_as_often_as_any(
    part: float, windows: int, named: list[str]
):
    sure = finding(Kind.NOISY_NEIGHBOUR, "acme", "hooli", sure=0.95)
    main, other = sure.aggressors
    both = (replace(main, contribution=1 - part), replace(other, contribution=part))
    (incident,), _ = play([[replace(sure, aggressors=both)]] * windows)
    assert [b.tenant for b in incident.finding.aggressors] == named


def test_a_finding_with_a_number_is_kept_before_a_graver_one_without():
    told = finding(Kind.NOISY_NEIGHBOUR, "acme", stretch=3.0)
    untold = replace(told, stretch=9.0, stretch_without=None)
    (incident,), _ = play([[told]] * 3 + [[untold]] * 2)
    assert incident.finding.stretch_without == 1.0


def test_two_sure_findings_that_disagree_name_nobody():
    other = finding(Kind.NOISY_NEIGHBOUR, "globex", sure=0.95)
    _, moves = play([[finding(Kind.NOISY_NEIGHBOUR, "acme", sure=0.95)], [other]])
    assert said(moves) == ["pending"]


def test_sure_findings_without_blame_still_take_their_time():
    _, moves = play([[finding(Kind.CAPACITY, sure=0.99)]] * 4)
    assert said(moves) == ["pending"]


def test_nothing_found_is_nothing_kept():
    assert play([[]] * 10) == ([], [])


def test_findings_of_little_confidence_do_not_count():
    assert play([[finding(Kind.NOISY_NEIGHBOUR, "acme", sure=0.2)]] * 9) == ([], [])


def test_a_resolved_incident_is_forgotten_after_the_grace():
    calm = int(POLICY.grace_s // 10) + 10
    kept, moves = play([[ACME]] * 3 + [[]] * calm + [[ACME]] * 3)
    assert said(moves) == ["pending", "opened", "resolved", "pending", "opened"]
    assert len({m.incident.id for m in moves}) == 1 + 1 - (moves[0].incident.id == kept[0].id)


def test_a_blame_opens_only_when_the_same_tenant_is_blamed_often_enough():
    others = [finding(Kind.NOISY_NEIGHBOUR, t) for t in ("acme", "globex", "hooli")]
    _, moves = play([[f] for f in others])
    assert said(moves) == ["pending"]
    kept, moves = play([[f] for f in [*others, ACME, ACME]])
    assert said(moves) == ["pending", "opened"]
    assert [b.tenant for b in kept[0].finding.aggressors] == ["acme"]


def test_a_second_aggressor_is_added_once_it_is_blamed_often_enough():
    both = finding(Kind.NOISY_NEIGHBOUR, "acme", "hooli")
    kept, moves = play([[ACME]] * 3 + [[both]] * 3)
    assert said(moves) == ["pending", "opened", "updated"]
    assert moves[-1].reason == "also blamed: hooli"
    assert {b.tenant for b in kept[0].finding.aggressors} == {"acme", "hooli"}


def test_nobody_to_blame_is_said_later_than_a_blame():
    assert said(play([[FULL]] * 4)[1]) == ["pending"]
    assert said(play([[FULL]] * 5)[1]) == ["pending", "opened"]


def test_a_failing_resource_that_turns_out_a_noisy_neighbour_changes_its_story():
    kept, moves = play([[ILL]] * 5 + [[ACME]] * 3)
    assert said(moves)[-2:] == ["withdrawn", "updated"]
    assert [(i.kind, i.state) for i in kept] == [(Kind.NOISY_NEIGHBOUR, IncidentState.FIRING)]
    assert kept[0].id == incident_id(DB, Kind.DEGRADED, START)


def test_a_blame_stands_while_the_resource_also_looks_full():
    kept, moves = play([[ACME]] * 3 + [[FULL]] * 8)
    assert [(i.kind, i.state) for i in kept] == [(Kind.NOISY_NEIGHBOUR, IncidentState.FIRING)]
    assert "resolved" not in said(moves)


def test_another_aggressor_after_the_end_is_another_incident():
    hooli = finding(Kind.NOISY_NEIGHBOUR, "hooli")
    kept, moves = play([[ACME]] * 3 + [[]] * 6 + [[hooli]] * 3)
    assert said(moves)[-2:] == ["pending", "opened"]
    blamed = {i.state: [b.tenant for b in i.finding.aggressors] for i in kept}
    assert blamed == {IncidentState.RESOLVED: ["acme"], IncidentState.FIRING: ["hooli"]}


def test_who_surges_while_an_old_trouble_fades_did_not_begin_it():
    late = replace(ACME, window_start=START + timedelta(minutes=10))
    kept, moves = play([[ILL]] * 60 + [[late]] * 3)
    assert said(moves)[-1] == "withdrawn"
    assert [i.kind for i in kept if i.state is IncidentState.FIRING] == [Kind.DEGRADED]


def test_own_faults_of_two_tenants_are_two_incidents():
    own = [finding(Kind.SELF_INFLICTED, "acme"), finding(Kind.SELF_INFLICTED, "hooli")]
    kept, _ = play([own] * 3)
    assert len({i.id for i in kept}) == 2
    assert {i.state for i in kept} == {IncidentState.FIRING}


@pytest.mark.parametrize(
    ("found", "severity"),
    [
        (finding(Kind.NOISY_NEIGHBOUR, "acme", stretch=3.0), "page"),
        (finding(Kind.NOISY_NEIGHBOUR, "acme", stretch=1.4), "ticket"),
        (finding(Kind.NOISY_NEIGHBOUR, "acme", stretch=3.0, sure=0.4), "ticket"),
        (finding(Kind.SELF_INFLICTED, "acme", stretch=9.0), "ticket"),
    ],
)
def test_only_serious_and_sure_harm_pages(found: Finding, severity: str):
    kept, _ = play([[found]] * 3)
    assert kept[0].severity == severity


def test_getting_worse_is_told_once():
    mild = replace(ACME, stretch=1.4)
    _, moves = play([[mild]] * 3 + [[ACME]] * 5)
    assert said(moves) == ["pending", "opened", "updated"]


def test_the_strongest_finding_is_kept():
    strong = replace(ACME, stretch=9.0, confidence=0.99)
    kept, _ = play([[ACME], [strong], [ACME], [ACME]])
    assert kept[0].finding.stretch == 9.0


def test_every_transition_counts_once():
    _, moves = play([[ACME]] * 3 + [[]] * 6)
    assert [m.incident.seq for m in moves] == [1, 2, 3]


def test_policy_names_every_problem_at_once():
    wrong = FlagPolicy(hits=6, of=5, calm_windows=0, grace_s=-1, min_confidence=2)
    keys = [p.split(":")[0] for p in wrong.problems()]
    assert keys == ["flags.hits", "flags.calm_windows", "flags.grace_s", "flags.min_confidence"]
    assert POLICY.problems() == []


def crowded(*victims: str):
    harms = tuple(Harm(TenantId(v), Signal.LATENCY, 0.1, 0.3, 0.1) for v in victims)
    return replace(ACME, victims=harms)


def test_twice_as_many_victims_are_news_at_most_every_ten_minutes():
    few, many = crowded("globex", "initech"), crowded("globex", "initech", "umbrella", "hooli")
    crowd = crowded(*(f"t-{n}" for n in range(9)))
    story = [[few]] * 3 + [[many]] * 70 + [[crowd]] * 60
    kept, moves = play(story)
    assert [(str(m.type), m.reason) for m in moves[2:]] == [
        ("updated", "4 victims, 2 before"),
        ("updated", "9 victims, 4 before"),
    ]
    first, second = (move.at for move in moves[2:])
    assert second - first >= timedelta(minutes=10)
    assert len(kept[0].finding.victims) == 9


def test_a_few_more_victims_are_no_news():
    story = [[crowded("globex", "initech")]] * 3 + [[crowded("globex", "initech", "hooli")]] * 90
    _, moves = play(story)
    assert said(moves) == ["pending", "opened"]
