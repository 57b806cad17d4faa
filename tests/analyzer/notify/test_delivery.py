from __future__ import annotations

import email.utils
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.model import DecisionState, IncidentState, TransitionType
from analyzer.notify import EndpointSettings, HttpTransport, Sender
from analyzer.notify.channels.message import Message
from analyzer.notify.endpoints import Endpoint, endpoints
from analyzer.notify.outbox import claim, prune, replay, replay_failed
from analyzer.notify.wire.answer import Answer
from analyzer.routing.rules import RoutingSettings
from analyzer.store.database import Store
from collector.model import Rejected
from tests.analyzer.journal.cast import at, decision, opened, resolved, updated
from tests.analyzer.notify.house import deliver, listening, ruled, states, write
from tests.analyzer.notify.receiver import Receiver, receiver


def types(hook: Receiver) -> list[str]:
    return [got.json["type"] for got in hook.taken]


def test_one_opened_and_one_resolved_message_arrive_in_order(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), resolved(), now=at(9))
        assert deliver(store, settings, at(9)).delivered == 2
        assert [got.json["type"] for got in hook.got] == ["incident.opened", "incident.resolved"]
        assert [got.json["status"] for got in hook.got] == ["firing", "resolved"]
        assert [got.json["seq"] for got in hook.got] == [1, 2]
        assert states(store) == ["delivered", "delivered"]


def test_a_decision_stands_in_the_lane_of_its_incident(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), decisions=[decision()], now=at(1))
        write(store, decisions=[decision(state=DecisionState.ACTIVE)], now=at(2))
        deliver(store, settings, at(2))
        assert types(hook) == ["incident.opened", "decision.proposed", "decision.active"]
        assert [got.json["seq"] for got in hook.got] == [1, 2, 3]


FAULTS = [
    pytest.param(500, id="500"),
    pytest.param(503, id="503"),
    pytest.param(429, id="429"),
    pytest.param(408, id="408"),
    pytest.param("hang", id="hang"),
    pytest.param("reset", id="reset"),
    pytest.param("truncated", id="truncated"),
    pytest.param("drip", id="drip"),
    pytest.param((302, {"Location": "http://127.0.0.1:1/"}), id="redirect"),
    pytest.param(404, id="404"),
    pytest.param(401, id="401"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_delays_the_message_and_keeps_the_order(store, fault):
    with receiver([fault]) as hook:
        settings = listening(store, hook)
        slow = fault in ("hang", "drip")
        hook.hang_s = 1.0
        write(store, opened(), resolved(), now=at(9))
        first = deliver(store, replace(settings, total_timeout_s=0.5) if slow else settings, at(9))
        assert (first.delivered, first.retried) == (0, 1)
        assert deliver(store, settings, at(20)).delivered == 2
        assert types(hook) == ["incident.opened", "incident.resolved"]
        assert hook.got[0].id == hook.got[1].id != hook.got[2].id
        assert [got.headers["x-partywall-attempt"] for got in hook.got] == ["1", "2", "1"]
        assert hook.got[0].body == hook.got[1].body


def test_a_refused_connection_is_tried_again(store):
    with receiver() as gone:
        settings = listening(store, gone)
    write(store, opened(), now=at(1))
    assert deliver(store, settings, at(1)).retried == 1
    assert states(store) == ["pending"]


@pytest.mark.parametrize("fault", [400, 413, 422])
def test_what_will_never_be_taken_dies_at_once_and_frees_the_lane(store, fault):
    with receiver([fault]) as hook:
        settings = listening(store, hook)
        write(store, opened(), resolved(), now=at(9))
        round_one = deliver(store, settings, at(9))
        assert (round_one.dead, round_one.delivered) == (1, 1)
        assert types(hook) == ["incident.resolved"]


def test_410_switches_the_endpoint_off_and_tells_the_others(store):
    with receiver([410]) as gone, receiver() as other:
        settings = listening(store, gone, other)
        write(store, opened(), resolved(), now=at(9))
        deliver(store, settings, at(9))
        deliver(store, settings, at(10))
        write(store, opened("INC-2"), now=at(11))
        deliver(store, settings, at(11))
        assert len(gone.got) == 1
        assert "endpoint.disabled" in types(other)
        assert [e.state for e in endpoints_of(store)] == ["disabled", "ok"]


def endpoints_of(store: Store) -> list[Endpoint]:
    with store.reader() as reader:
        return endpoints(reader)


def test_retry_after_seconds_holds_the_whole_endpoint_back(store):
    with receiver([(429, {"Retry-After": "600"})]) as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        write(store, opened("INC-2"), now=at(2))
        assert deliver(store, settings, at(10)).delivered == 0
        assert len(hook.got) == 1
        assert deliver(store, settings, at(11.1)).delivered == 2


def test_retry_after_date_is_honoured(store):
    until = email.utils.format_datetime(at(31).astimezone(UTC), usegmt=True)
    with receiver([(429, {"Retry-After": until})]) as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        assert deliver(store, settings, at(30)).delivered == 0
        assert deliver(store, settings, at(31.1)).delivered == 1


def test_a_crash_after_sending_sends_the_same_id_again(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        (to,) = endpoints_of(store)
        taken = claim(store, to, now=at(1), lease=timedelta(seconds=60), limit=9)
        headers = {"webhook-id": taken[0].event.id}
        HttpTransport(settings).send(Message(hook.url, b"{}"), headers)
        assert deliver(store, settings, at(1.5)).delivered == 0
        assert deliver(store, settings, at(2.1)).delivered == 1
        assert hook.got[0].id == hook.got[1].id


def test_who_lost_the_lease_no_longer_settles(store):
    class Slow:
        """While this one waits for its answer, its lease runs out and another one delivers."""

        def send(self, message, headers):
            if not inner:
                inner.append(1)
                deliver(store, settings, at(20), self)
            return Answer(200)

    inner: list[int] = []
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        outer = deliver(store, settings, at(1), Slow())
        assert (outer.delivered, outer.lost_lease) == (0, 1)
        assert states(store) == ["delivered"]


def test_only_one_lane_is_held_up_by_its_fault(store):
    with receiver([500]) as hook:
        settings = listening(store, hook, parallel=1)
        write(store, opened("INC-1"), opened("INC-2"), now=at(1))
        first = deliver(store, settings, at(1))
        assert (first.retried, first.delivered) == (1, 1)


def test_a_slow_endpoint_does_not_delay_another(store):
    with receiver(["hang"] * 4) as slow, receiver() as quick:
        slow.hang_s = 3
        settings = listening(store, slow, quick, total_timeout_s=2.5)
        sender = Sender(store, settings, HttpTransport(settings))
        write(store, opened(), now=at(1))
        started = time.monotonic()
        sender.tick(at(1))
        while not quick.got and time.monotonic() - started < 5:
            time.sleep(0.01)
        first = time.monotonic() - started
        write(store, resolved(), now=at(9))
        while len(quick.got) < 2 and time.monotonic() - started < 5:
            sender.tick(at(9))
            time.sleep(0.01)
        both = time.monotonic() - started
        sender.close()
        assert first < both < 2.4
        assert types(quick) == ["incident.opened", "incident.resolved"]


def test_closing_gives_back_what_was_not_sent_yet(store):
    with receiver(["hang"]) as hook:
        hook.hang_s = 0.5
        settings = listening(store, hook, parallel=1)
        write(store, *(opened(f"INC-{n}") for n in range(5)), now=at(1))
        sender = Sender(store, settings, HttpTransport(settings))
        sender.tick(at(1))
        while not hook.got:
            time.sleep(0.01)
        sender.close()
        assert len(hook.got) == 1
        assert states(store) == ["pending"] * 5
        assert deliver(store, settings, at(2)).delivered == 5
        assert {got.headers["x-partywall-attempt"] for got in hook.got[1:]} == {"1", "2"}


def test_after_five_failures_one_delivery_probes(store):
    with receiver([500] * 40) as hook:
        settings = listening(store, hook, parallel=1)
        ruled(store, routing=RoutingSettings(storm_openings=0))
        write(store, *(opened(f"INC-{n}") for n in range(20)), now=at(1))
        deliver(store, settings, at(1))
        assert len(hook.got) == 5
        deliver(store, settings, at(2))
        assert len(hook.got) == 6
        hook.script.clear()
        deliver(store, settings, at(12))
        assert states(store) == ["delivered"] * 20


def test_an_endpoint_that_fails_for_a_quarter_of_an_hour_is_told_to_the_others_once(store):
    with receiver([500] * 99) as bad, receiver() as good:
        settings = listening(store, bad, good)
        write(store, opened(), now=at(1))
        for minute in range(1, 40, 3):
            deliver(store, settings, at(minute))
        assert types(good).count("endpoint.failing") == 1
        assert "127.0.0.1" in good.taken[-1].json["facts"]["url"]
        assert "/hook" not in good.taken[-1].json["facts"]["url"]


def test_after_a_day_the_message_is_dead_and_can_be_replayed_under_its_id(store):
    with receiver([500]) as hook:
        settings = listening(store, hook, give_up_s=1.0)
        write(store, opened(), now=at(1))
        assert deliver(store, settings, at(1)).dead == 1
        assert replay_failed(store, at(0), now=at(60)) == 1
        assert deliver(store, settings, at(60)).delivered == 1
        assert hook.got[0].id == hook.got[1].id
        assert hook.got[1].headers["x-partywall-replay"] == "1"


def test_a_message_still_on_its_way_is_not_replayed(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        key = store.records(
            "notify_deliveries", id=None, state=None, endpoint=None, incident=None, limit=9
        )[0]["id"]
        with pytest.raises(Rejected, match="on its way"):
            replay(store, key, now=at(2))
        deliver(store, settings, at(2))
        replay(store, key, now=at(3))
        assert deliver(store, settings, at(3)).delivered == 1
        with pytest.raises(Rejected, match="no delivery"):
            replay(store, "dlv_none", now=at(3))


def test_chat_hears_one_late_message_instead_of_two(store):
    with receiver([500]) as hook:
        settings = listening(store, EndpointSettings("chat", hook.url, "slack"))
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        write(store, resolved(), now=at(9))
        deliver(store, settings, at(9))
        assert states(store) == ["superseded", "delivered"]
        assert len(hook.taken) == 1


def test_what_a_caught_up_downtime_holds_and_is_over_wakes_nobody(store):
    with receiver() as pager:
        settings = listening(store, EndpointSettings("chat", pager.url, "slack"))
        write(store, opened(), now=at(45))
        assert deliver(store, settings, at(45.1)).delivered == 0
        write(store, resolved(), now=at(45.2))
        deliver(store, settings, at(45.3))
        assert states(store) == ["superseded", "delivered"]


def test_what_a_caught_up_downtime_holds_and_lasts_is_told(store):
    with receiver() as chat, receiver() as hook:
        settings = listening(store, EndpointSettings("chat", chat.url, "slack"), hook)
        write(store, opened(), now=at(45))
        deliver(store, settings, at(45))
        assert (len(chat.taken), len(hook.taken)) == (0, 1)
        deliver(store, settings, at(46.1))
        assert (len(chat.taken), len(hook.taken)) == (1, 1)


def test_a_clock_set_back_holds_back_no_page(store):
    with receiver([500]) as hook:
        settings = listening(store, hook)
        sender = Sender(store, settings, HttpTransport(settings), chance=lambda: 0.5)
        tomorrow = 24 * 60
        write(store, opened(minute=tomorrow), now=at(tomorrow))
        sender.tick(at(tomorrow))
        sender.wait()
        write(store, opened("INC-2", tomorrow), now=at(tomorrow))
        sender.tick(at(1))
        sender.wait()
        sender.close()
        assert states(store) == ["delivered", "delivered"]


def test_what_was_planned_by_a_clock_ahead_is_sent_after_a_restart(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(24 * 60))
        assert deliver(store, settings, at(1)).delivered == 1


def test_pending_and_withdrawn_incidents_are_never_sent(store):
    with receiver() as hook:
        settings = listening(store, hook)
        for kind in (TransitionType.PENDING, TransitionType.WITHDRAWN):
            write(store, replace(opened(state=IncidentState.PENDING), type=kind), now=at(1))
        assert deliver(store, settings, at(1)).delivered == 0
        assert hook.got == []


def test_what_was_told_and_then_taken_back_is_told_to_be_over(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        write(store, replace(updated(), type=TransitionType.WITHDRAWN), now=at(5))
        deliver(store, settings, at(5))
        assert types(hook) == ["incident.opened", "incident.resolved"]
        assert hook.got[1].json["alerts"][0]["endsAt"] == "2026-11-20T12:05:00Z"


def test_an_endpoint_gets_only_the_events_it_asked_for(store):
    with receiver() as hook:
        wanted = EndpointSettings("some", hook.url, events=("incident.resolved", "report.*"))
        settings = listening(store, wanted)
        write(store, opened(), resolved(), now=at(9))
        deliver(store, settings, at(9))
        assert types(hook) == ["incident.resolved"]


def test_a_restart_keeps_health_and_forgets_removed_endpoints(store):
    with receiver([410]) as one, receiver() as two:
        settings = listening(store, one, two)
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        listening(store, one, two)
        assert [e.state for e in endpoints_of(store)] == ["disabled", "ok"]
        listening(store, one)
        assert [e.name for e in endpoints_of(store)] == ["hook-0"]


def test_the_log_holds_request_and_answer_without_secrets(store):
    with receiver([(200, {"Set-Cookie": "sesame"})]) as hook:
        key = "R" * 32
        settings = listening(
            store,
            EndpointSettings("pager", hook.url + "/enqueue", "pagerduty", routing_key=key),
        )
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        delivery = store.rows("notify_last_event_of_incident", incident="INC-1")
        assert delivery
        record = store.records(
            "notify_deliveries", id=None, state=None, endpoint="pager", incident=None, limit=9
        )[0]
        (attempt,) = store.records("notify_attempts", delivery=record["id"])
        assert attempt["status"] == 200
        assert attempt["response_body"] == "ok"
        assert "trigger" in attempt["request_body"]
        assert key not in str(attempt)
        assert "sesame" not in str(attempt)
        assert key in hook.got[0].body.decode()


def test_nothing_is_lost_over_fifty_restarts_and_a_mad_receiver(tmp_path):
    faults = [500, "reset", 200, "truncated", (429, {"Retry-After": "1"}), 200, 503]
    with receiver(faults * 8) as hook:
        names = [f"INC-{n}" for n in range(5)]
        minute = 1.0
        for restart in range(150):
            store = Store.open(tmp_path / "p.duckdb")
            settings = listening(store, hook, parallel=2)
            waiting = store.rows("notify_depth")[0][0]
            if restart >= 50 and not waiting:  # retries are spread by chance: let them come
                store.close()
                break
            if restart < 5:
                write(store, opened(names[restart]), now=at(minute))
            elif 10 <= restart < 15:
                write(store, updated(names[restart - 10], minute), now=at(minute))
            elif 20 <= restart < 25:
                write(store, resolved(names[restart - 20], minute), now=at(minute))
            if restart < 50 and restart % 3 == 0:  # claims and dies before it sends
                for to in endpoints_of(store):
                    claim(store, to, now=at(minute), lease=timedelta(seconds=60), limit=2)
            else:
                deliver(store, settings, at(minute))
            store.close()
            minute += 5
    first_seen: dict[str, list[int]] = {name: [] for name in names}
    ids: dict[tuple[str, int], str] = {}
    for got in hook.taken:
        incident, seq = got.json["incident"]["id"], got.json["seq"]
        assert ids.setdefault((incident, seq), got.id) == got.id
        if seq not in first_seen[incident]:
            first_seen[incident].append(seq)
    assert first_seen == {name: [1, 2, 3] for name in names}


def test_one_unreadable_event_does_not_stop_the_others(store):
    with receiver() as hook:
        settings = listening(store, hook)
        (to,) = endpoints_of(store)
        now = at(1).replace(tzinfo=None)
        odd = {"lane": "INC-0", "seq": 1}
        with store.transaction() as tx:
            tx.execute(
                "notify_event_insert", id="evt_odd", type="incident.opened", incident="INC-0",
                ts=now, created_at=now, test=False, body='{"id": 7}', **odd,
            )  # fmt: skip
            tx.execute(
                "notify_deliveries_insert", ids=["dlv_odd"], endpoints=[to.id], event="evt_odd",
                now=now, states=["pending"], errors=[""], reasons=["default"], **odd,
            )  # fmt: skip
        write(store, opened(), now=at(1))
        assert deliver(store, settings, at(2)).delivered == 1
        assert states(store) == ["dead", "delivered"]


def test_an_event_that_cannot_be_written_dies_alone_and_says_why(store):
    with receiver() as hook:
        settings = listening(store, hook, EndpointSettings("wire", hook.url, "telegraph"))
        write(store, opened(), now=at(1))
        told = deliver(store, settings, at(2))
        assert (told.dead, told.delivered) == (1, 1)
        (dead,) = store.records(
            "notify_deliveries", id=None, state="dead", endpoint=None, incident=None, limit=9
        )
        assert "telegraph" in dead["error"]


def test_the_log_forgets_what_is_old_and_done_and_nothing_else(store):
    with receiver([200, 500]) as hook:
        settings = listening(store, hook, parallel=1)
        write(store, opened(), opened("INC-2"), now=at(1))
        deliver(store, settings, at(1))
        prune(store, settings, now=at(29 * 24 * 60))
        assert sorted(states(store)) == ["delivered", "pending"]
        prune(store, settings, now=at(31 * 24 * 60))
        assert states(store) == ["pending"]


def test_naive_times_are_refused(store):
    with pytest.raises(ValueError, match="time zone"):
        write(store, opened(), now=datetime(2026, 11, 20))  # noqa: DTZ001
