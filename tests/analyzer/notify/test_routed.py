"""Routing over a real store: what is skipped is written down with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from analyzer import registry
from analyzer.model import IncidentState, Kind
from analyzer.notify import EndpointSettings
from analyzer.notify.rules import (
    add_rule,
    expire_silence,
    forget_rules,
    policy,
    remove_rule,
    written,
)
from analyzer.routing import Maintenance, Route, Silence
from analyzer.routing.rules import RoutingSettings
from analyzer.store.database import Store
from collector.model import Rejected, TenantId
from tests.analyzer.journal.cast import at, decision, incident, opened, resolved
from tests.analyzer.notify.house import deliver, listening, reasons, ruled, write
from tests.analyzer.notify.receiver import receiver


def silence(match="resource = db:*", minutes=60.0, **changes) -> Silence:
    return replace(
        Silence("", (match,), "ada", "deploy", at(0), at(minutes)),
        **changes,
    )


def test_a_silenced_incident_is_recorded_and_says_who_silenced_it(store):
    with receiver() as hook:
        settings = listening(store, hook)
        made = add_rule(store, silence(), now=at(0))
        write(store, opened(), now=at(1))
        assert deliver(store, settings, at(1)).delivered == 0
        assert store.rows("routing_incident", incident="INC-1")
        (row,) = store.records(
            "notify_deliveries", id=None, state="skipped", endpoint=None, incident=None, limit=9
        )
        assert (row["reason"], row["error"]) == ("silenced", f"{made.id} by ada: deploy")


def test_an_expired_silence_mutes_no_more_and_stays_in_the_list(store):
    made = add_rule(store, silence(), now=at(0))
    over = expire_silence(store, made.id, now=at(2))
    assert isinstance(over.rule, Silence)
    assert over.rule.ends_at == at(2)
    with receiver() as hook:
        listening(store, hook)
        write(store, opened(), now=at(3))
    assert reasons(store) == ["default"]
    with pytest.raises(Rejected, match="is over"):
        expire_silence(store, made.id, now=at(4))
    with store.reader() as reader:
        assert [each.id for each in written(reader)] == [made.id]
    with store.transaction() as tx:
        forget_rules(tx, before=at(99))
        assert written(tx) == []


def test_a_wrong_silence_is_refused(store):
    with pytest.raises(Rejected, match="say who") as refused:
        add_rule(store, silence(author=""), now=at(0))
    assert refused.value.field == "author"


def test_routes_by_plan_read_the_registry(store):
    with store.transaction():
        pass
    registry.upsert_tenant(store, registry.Tenant(TenantId("umbrella"), at(0), plan="enterprise"))
    with receiver() as pager, receiver() as chat:
        settings = listening(
            store, EndpointSettings("pager", pager.url), EndpointSettings("chat", chat.url)
        )
        ruled(
            store,
            routes=(Route("vip", ("victim_plan = enterprise",), ("pager",)),),
            routing=RoutingSettings(to=("chat",)),
        )
        write(store, opened(), decisions=[decision()], now=at(1))
        lonely = incident("INC-2", finding=incident().finding)
        lonely = replace(lonely, finding=replace(lonely.finding, victims=()))
        write(store, replace(opened("INC-2"), incident=lonely), now=at(1))
        deliver(store, settings, at(1))
        assert [got.json["type"] for got in pager.got] == ["incident.opened"]
        assert len(chat.got) == 2  # the lonely incident, and a decision whom no victim_plan fits


def test_while_a_neighbour_is_blamed_the_slowness_it_causes_is_not_told(store):
    with receiver() as hook:
        settings = listening(store, hook)
        ruled(store)
        write(store, opened(), now=at(1))
        write(store, opened("INC-2", kind=Kind.SELF_INFLICTED), now=at(2))
        deliver(store, settings, at(2))
        assert reasons(store) == ["default", "inhibited"]
        assert [got.json["incident"]["id"] for got in hook.got] == ["INC-1"]


def test_the_default_inhibition_can_be_turned_off(store):
    with receiver() as hook:
        listening(store, hook)
        ruled(store, routing=RoutingSettings(default_inhibition=False))
        write(store, opened(), now=at(1))
        write(store, opened("INC-2", kind=Kind.SELF_INFLICTED), now=at(2))
        assert reasons(store) == ["default", "default"]


def test_the_end_reaches_who_heard_the_beginning_through_a_silence(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        add_rule(store, silence(), now=at(1))
        write(store, resolved(), now=at(9))
        deliver(store, settings, at(9))
        assert reasons(store) == ["default", "told_before"]
        assert [got.json["status"] for got in hook.got] == ["firing", "resolved"]


def test_ten_openings_are_told_and_the_rest_gathered(store):
    with receiver() as hook:
        settings = listening(store, hook)
        for n in range(30):
            write(store, opened(f"INC-{n}"), now=at(1) + timedelta(seconds=n))
        deliver(store, settings, at(2))
        assert len(hook.got) == 10
        assert reasons(store).count("storm") == 20
        write(store, opened("INC-99"), now=at(8))
        assert reasons(store)[-1] == "default"


def test_rules_of_the_file_are_replaced_and_those_of_the_api_stay(store: Store):
    ruled(store, routes=(Route("a"), Route("b")))
    add_rule(store, Route("mine"), now=at(1))
    ruled(store, routes=(Route("b"),))
    with store.reader() as reader:
        assert [each.name for each in policy(reader).routes] == ["mine", "b"]
        ids = {getattr(each.rule, "name", ""): each.id for each in written(reader)}
    with pytest.raises(Rejected, match="configuration file"):
        remove_rule(store, ids["b"], Route)
    with pytest.raises(Rejected, match="no silence"):
        remove_rule(store, ids["mine"], Silence)
    remove_rule(store, ids["mine"], Route)
    with pytest.raises(Rejected, match="exists"):
        add_rule(store, Route("b"), now=at(2))


def test_a_weekly_window_mutes_and_is_written_as_it_was_read(store):
    window = Maintenance("fri", ("resource = db:*",), days=("fri",), at="12:00", minutes=5)
    with receiver() as hook:
        listening(store, hook)
        ruled(store, maintenances=(window,))
        write(store, opened(), now=at(1))
        write(store, opened("INC-2"), now=at(6))
    assert reasons(store) == ["maintenance", "default"]
    with store.reader() as reader:
        assert policy(reader).maintenances == (window,)


def test_an_end_nobody_heard_the_beginning_of_is_not_told(store):
    with receiver() as hook:
        settings = listening(store, hook)
        add_rule(store, silence(minutes=5), now=at(0))
        write(store, opened(), now=at(1))
        over = opened(state=IncidentState.RESOLVED, ended_at=at(9)).incident
        write(store, replace(resolved(), incident=over), now=at(9))
        deliver(store, settings, at(9))
        assert reasons(store) == ["silenced", "untold"]
        assert hook.got == []
