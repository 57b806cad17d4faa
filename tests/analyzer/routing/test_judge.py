"""Who is told, as a table: the situation, and the reason for every endpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.routing import (
    Inhibition,
    Maintenance,
    Notice,
    Past,
    Policy,
    Reason,
    Recipient,
    Route,
    Silence,
    Source,
    Standing,
    route,
)
from analyzer.routing.judge import SENDS
from analyzer.routing.standing import Kept, standing

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LABELS = {
    "event": ("incident.opened",),
    "incident": ("INC-1",),
    "kind": ("noisy_neighbour",),
    "severity": ("page",),
    "resource": ("db:shard-3",),
    "tenant": ("acme",),
    "plan": ("free",),
    "victim_plan": ("enterprise", "team"),
}
OPENED = Notice("incident.opened", LABELS, "INC-1")
RESOLVED = Notice("incident.resolved", LABELS, "INC-1")
PAGER, CHAT, MAIL = Recipient("1", "pager"), Recipient("2", "chat"), Recipient("3", "mail")
ALL = (PAGER, CHAT, MAIL)
TOLD = Standing(told=True)


def hours(start: float, end: float) -> tuple[datetime, datetime]:
    return NOW + timedelta(hours=start), NOW + timedelta(hours=end)


def silence(match="resource = db:*", start=-1.0, end=1.0) -> Silence:
    return Silence("sil_1", (match,), "ada", "deploy", *hours(start, end))


def told(notice=OPENED, policy=None, recipients=ALL, **known) -> dict[str, str]:
    choices = route(notice, policy or Policy(), recipients, now=NOW, **known)
    names = {each.id: each.name for each in recipients}
    return {names[each.endpoint]: each.reason.value for each in choices}


def test_without_a_route_everybody_is_told():
    assert told() == {"pager": "default", "chat": "default", "mail": "default"}


ROUTES = [
    ("by severity", [Route("p", ("severity = page",), ("pager",))], {"pager"}),
    ("by kind", [Route("p", ("kind = noisy_*",), ("chat",))], {"chat"}),
    ("by resource", [Route("p", ("resource = db:*",), ("chat",))], {"chat"}),
    ("by plan of who suffers", [Route("p", ("victim_plan = enterprise",), ("mail",))], {"mail"}),
    ("by plan of who is blamed", [Route("p", ("plan = free",), ("chat",))], {"chat"}),
    (
        "the first ends the search",
        [Route("a", ("severity = page",), ("pager",)), Route("b", (), ("chat",))],
        {"pager"},
    ),
    (
        "unless it continues",
        [Route("a", ("severity = page",), ("pager",), continues=True), Route("b", (), ("chat",))],
        {"pager", "chat"},
    ),
    ("deliberately nobody", [Route("a", (), ())], set()),
    ("a misspelt name swallows nothing", [Route("a", (), ("pagre",))], {"pager", "chat", "mail"}),
    ("what fits no route takes the default", [Route("a", ("severity = ticket",), ())], None),
]


@pytest.mark.parametrize(("routes", "wanted"), [c[1:] for c in ROUTES], ids=[c[0] for c in ROUTES])
def test_routes(routes, wanted):
    found = {n for n, r in told(policy=Policy(routes=tuple(routes))).items() if r in SENDS}
    assert found == (wanted if wanted is not None else {"pager", "chat", "mail"})


def test_who_is_not_told_has_a_reason():
    policy = Policy(routes=(Route("p", ("severity = page",), ("pager",)),))
    recipients = (PAGER, replace(CHAT, enabled=False), replace(MAIL, events=("report.*",)))
    assert told(policy=policy, recipients=recipients) == {
        "pager": "routed",
        "chat": "disabled",
        "mail": "unwanted",
    }
    assert told(policy=policy)["chat"] == "not_routed"


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (silence(), "silenced"),
        (silence("resource = cache:*"), "default"),
        (silence(start=0.5), "default"),
        (silence(start=-2, end=0), "default"),
    ],
)
def test_a_silence_holds_for_what_fits_and_while_it_lasts(rule, reason):
    assert told(policy=Policy(silences=(rule,)))["pager"] == reason


def test_a_silence_says_who_and_why():
    (choice,) = route(OPENED, Policy(silences=(silence(),)), (PAGER,), now=NOW)
    assert choice.detail == "sil_1 by ada: deploy"


def test_a_maintenance_window_mutes():
    window = Maintenance("move", ("resource = db:shard-3",), *hours(-1, 1))
    assert told(policy=Policy(maintenances=(window,)))["chat"] == "maintenance"


def test_who_heard_the_beginning_hears_the_end_whatever_mutes_the_rest():
    policy = Policy(silences=(silence(),), routes=(Route("p", ("severity = page",), ("pager",)),))
    stands = {"1": TOLD, "3": TOLD}
    assert told(RESOLVED, policy, standings=stands) == {
        "pager": "told_before",
        "chat": "not_routed",
        "mail": "told_before",
    }


@pytest.mark.parametrize("kept", [Kept.SILENCED, Kept.STORM, Kept.INHIBITED, Kept.MAINTENANCE])
def test_who_was_kept_from_the_beginning_is_spared_the_end(kept):
    assert told(RESOLVED, standings={"1": Standing(kept=kept)})["pager"] == "untold"


def source(kind="noisy_neighbour", resource="db:shard-3", incident="INC-0") -> Source:
    return Source(incident, {"incident": (incident,), "kind": (kind,), "resource": (resource,)})


SELF = Notice("incident.opened", {**LABELS, "kind": ("self_inflicted",)}, "INC-1")


@pytest.mark.parametrize(
    ("firing", "reason"),
    [
        ([source()], "inhibited"),
        ([source(resource="db:shard-4")], "default"),
        ([source(kind="degraded")], "default"),
        ([source(incident="INC-1")], "default"),
        ([], "default"),
    ],
)
def test_what_an_incident_explains_is_not_told_a_second_time(firing, reason):
    assert told(SELF, firing=firing)["pager"] == reason
    assert told(OPENED, firing=firing)["pager"] == "default"


def test_what_fits_both_sides_explains_nothing():
    rule = Inhibition(("severity = page",), ("severity = page",))
    other = Source("INC-0", {**LABELS, "incident": ("INC-0",)})
    assert told(policy=Policy(inhibitions=(rule,)), firing=[other])["pager"] == "default"


def test_the_eleventh_opening_waits_for_a_digest():
    assert told(openings={"1": 9})["pager"] == "default"
    assert told(openings={"1": 10}) == {"pager": "storm", "chat": "default", "mail": "default"}
    quiet = Policy(Route("default", storm_openings=0))
    assert told(policy=quiet, openings={"1": 999})["pager"] == "default"
    feed = (replace(PAGER, feeds=True),)
    assert told(recipients=feed, openings={"1": 999})["pager"] == "default"


def test_what_follows_a_gathered_opening_is_gathered_with_it():
    stands = {"1": Standing(kept=Kept.STORM)}
    follow = Notice("decision.proposed", LABELS, "INC-1")
    assert told(follow, standings=stands)["pager"] == "storm"
    assert told(follow)["pager"] == "default"


def test_a_fallback_is_told_in_place_of_who_cannot_be():
    policy = Policy(routes=(Route("p", (), ("pager",), fallback="mail"),))
    for bad in (replace(PAGER, enabled=False), replace(PAGER, failing=True)):
        found = told(policy=policy, recipients=(bad, CHAT, MAIL))
        assert (found["mail"], found["chat"]) == ("fallback", "not_routed")
    assert told(policy=policy)["mail"] == "not_routed"
    muted = replace(policy, silences=(silence(),))
    two = (replace(PAGER, enabled=False), MAIL)
    assert told(policy=muted, recipients=two)["mail"] == "not_routed"


def past(*events: tuple[float, str, bool, str]) -> list[Past]:
    return [
        Past(f"incident.{kind}", NOW + timedelta(minutes=m), sent, reason)
        for m, kind, sent, reason in events
    ]


STANDINGS = [
    ("nothing happened", [], 0, Standing()),
    ("it was told", [(0, "opened", True, "")], 1, TOLD),
    ("it was told the end", [(0, "opened", True, ""), (5, "resolved", True, "")], 6, Standing()),
    ("it was silenced", [(0, "opened", False, "silenced")], 1, Standing(kept=Kept.SILENCED)),
    ("it did not want it", [(0, "opened", False, "unwanted")], 1, Standing()),
    (
        "it reopened in silence",
        [(0, "opened", True, ""), (5, "resolved", True, ""), (6, "reopened", False, "silenced")],
        7,
        Standing(kept=Kept.SILENCED),
    ),
    (
        "it flaps",
        [(0, "opened", True, ""), (5, "flapping", True, "")],
        6,
        Standing(told=True, flapping=True),
    ),
    (
        "it flaps and is kept up by what is gathered",
        [(0, "flapping", True, ""), (50, "resolved", False, "flapping"),
         (100, "flapping", False, "flapping")],
        150,
        Standing(told=True, kept=Kept.FLAPPING, flapping=True),
    ),
    (
        "an hour of calm ends it",
        [(0, "flapping", True, ""), (50, "resolved", False, "flapping")],
        111,
        Standing(told=True, kept=Kept.FLAPPING, flapping=False),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "minute", "wanted"), [c[1:] for c in STANDINGS], ids=[c[0] for c in STANDINGS]
)
def test_where_an_endpoint_stands(events, minute, wanted):
    assert standing(past(*events), now=NOW + timedelta(minutes=minute)) == wanted


def test_while_it_flaps_the_digest_tells():
    stands = {"1": Standing(told=True, flapping=True)}
    for kind in ("flapping", "resolved", "reopened", "updated"):
        found = told(Notice(f"incident.{kind}", LABELS, "INC-1"), standings=stands)
        assert found["pager"] == "flapping"
    ack = Notice("incident.acknowledged", LABELS, "INC-1")
    assert told(ack, standings=stands)["pager"] == "default"


@given(
    st.sampled_from(["opened", "updated", "resolved", "acknowledged", "flapping", "reopened"]),
    st.booleans(),
    st.sampled_from([None, *Kept]),
    st.integers(0, 30),
    st.booleans(),
)
def test_everybody_gets_exactly_one_choice_and_every_no_has_its_words(
    kind, heard, kept, opened, silent
):
    policy = Policy(silences=(silence(),) if silent else ())
    choices = route(
        Notice(f"incident.{kind}", LABELS, "INC-1"),
        policy,
        ALL,
        now=NOW,
        standings={"1": Standing(heard, kept)},
        openings={"1": opened},
    )
    assert [each.endpoint for each in choices] == ["1", "2", "3"]
    assert all(each.sends or each.detail for each in choices)
    if heard and kind == "resolved":
        assert choices[0].sends
    assert {each.reason for each in choices} <= set(Reason)
