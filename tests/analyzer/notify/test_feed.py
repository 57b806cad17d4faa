from __future__ import annotations

from analyzer.notify import EndpointSettings, HttpTransport, Sender
from analyzer.notify.feed import fed, feed
from tests.analyzer.journal.cast import at, opened, resolved, updated
from tests.analyzer.notify.house import deliver, listening, write
from tests.analyzer.notify.receiver import receiver


def test_what_fires_is_repeated_and_a_resolution_for_a_quarter_of_an_hour(store):
    with receiver() as am:
        settings = listening(store, EndpointSettings("am", am.url, "alertmanager_api"))
        transport = HttpTransport(settings)
        write(store, opened(), opened("INC-2"), resolved("INC-2"), now=at(9))
        deliver(store, settings, at(9))
        am.got.clear()
        (to,) = fed(store)
        assert feed(store, to, now=at(10), transport=transport) == 2
        one, two = am.got[0].json
        assert (one["labels"]["incident"], one["endsAt"]) == ("INC-1", "2026-11-20T12:14:00Z")
        assert (two["labels"]["incident"], two["endsAt"]) == ("INC-2", "2026-11-20T12:09:00Z")
        assert feed(store, to, now=at(25), transport=transport) == 1


def test_a_repetition_never_overtakes_a_change_under_way(store):
    with receiver([200, 500]) as am:
        settings = listening(store, EndpointSettings("am", am.url, "alertmanager_api"))
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        write(store, updated(), now=at(5))
        deliver(store, settings, at(5))
        (to,) = fed(store)
        assert feed(store, to, now=at(5), transport=HttpTransport(settings)) == 0


def test_the_sender_repeats_once_a_minute(store):
    with receiver() as am:
        settings = listening(store, EndpointSettings("am", am.url, "alertmanager_api"))
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        am.got.clear()
        sender = Sender(store, settings, HttpTransport(settings))
        for minute in (2.0, 2.5, 3.0, 3.2):
            sender.tick(at(minute))
            while sender.feeding:
                pass
        sender.close()
        assert len(am.got) == 2


def test_other_endpoints_are_not_fed(store):
    with receiver() as hook:
        listening(store, hook)
        assert fed(store) == []


def test_every_replica_is_told_by_itself_and_a_dead_one_delays_nobody(store):
    with receiver() as one, receiver([500] * 9) as two:
        cluster = EndpointSettings("am", one.url, "alertmanager_api", replicas=(two.url,))
        settings = listening(store, cluster)
        write(store, opened(), now=at(1))
        done = deliver(store, settings, at(1))
        assert (done.delivered, done.retried) == (1, 1)
        write(store, resolved(), now=at(9))
        deliver(store, settings, at(9))
        firing, *_, over = (got.json[0]["endsAt"] for got in one.got)
        assert (firing, over) == ("2026-11-20T12:05:00Z", "2026-11-20T12:09:00Z")
        assert [to.name for to in fed(store)] == ["am", "am replica 2"]
        two.script.clear()
        deliver(store, settings, at(12))
        deliver(store, settings, at(14))
        assert two.got[-1].json[0]["endsAt"] == "2026-11-20T12:09:00Z"
