"""What is looked after every few seconds, over a real store and a real receiver."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from analyzer.journal import transitions
from analyzer.model import IncidentId, IncidentState, Transition, TransitionType
from analyzer.notify import EndpointSettings
from analyzer.notify.attend import Attended, attend
from analyzer.notify.endpoints import endpoints
from analyzer.notify.rules import add_rule
from analyzer.routing import Route, Silence, Step
from analyzer.routing.rules import RoutingSettings
from analyzer.store.database import Store
from tests.analyzer.journal.cast import at, incident, opened, resolved
from tests.analyzer.notify.house import LINKS, deliver, listening, reasons, ruled, states, write
from tests.analyzer.notify.receiver import Receiver, receiver


def look(store: Store, now: datetime) -> Attended:
    return attend(store, now=now, links=LINKS)


def types(hook: Receiver) -> list[str]:
    return [got.json["type"] for got in hook.taken]


def said(hook: Receiver, words: str) -> bool:
    return sum(words in got.json["text"] for got in hook.got) == 1


def states_of(store: Store) -> dict[str, str]:
    with store.reader() as reader:
        return {each.name: each.state for each in endpoints(reader)}


def test_nobody_acknowledges_so_the_next_is_told_and_hears_the_end(store):
    with receiver() as pager, receiver() as boss:
        settings = listening(
            store, EndpointSettings("pager", pager.url), EndpointSettings("boss", boss.url)
        )
        ruled(store, routes=(Route("p", (), ("pager",), steps=(Step(600, ("boss",)),)),))
        write(store, opened(), now=at(1))
        assert look(store, at(10)) == Attended()
        assert look(store, at(11)).escalated == 1
        assert look(store, at(12)) == Attended()
        deliver(store, settings, at(12))
        assert types(boss) == ["incident.escalated"]
        assert boss.got[0].json["summary"].startswith("Nobody acknowledged this for 10 min.")
        write(store, resolved(minute=20), now=at(20))
        deliver(store, settings, at(20))
        assert types(boss)[-1] == types(pager)[-1] == "incident.resolved"


def test_an_acknowledgement_stops_it(store):
    with receiver() as pager, receiver() as boss:
        listening(store, EndpointSettings("pager", pager.url), EndpointSettings("boss", boss.url))
        ruled(store, routes=(Route("p", (), ("pager",), steps=(Step(600, ("boss",)),)),))
        write(store, opened(), now=at(1))
        transitions.acknowledge(store, IncidentId("INC-1"), by="ada", now=at(5), links=LINKS)
        assert look(store, at(60)) == Attended()


def test_what_still_fires_is_repeated(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        assert look(store, at(240)) == Attended()
        assert look(store, at(241)).reminded == 1
        assert look(store, at(242)) == Attended()
        deliver(store, settings, at(242))
        assert hook.got[1].json["notification_reason"] == "repeat interval elapsed"
        assert hook.got[1].json["summary"].startswith("Still on after 4 h.")


def test_what_was_silenced_is_told_when_the_silence_ends(store):
    with receiver() as hook:
        settings = listening(store, hook)
        rule = Silence("", ("resource = db:*",), "ada", "deploy", at(0), at(30))
        add_rule(store, rule, now=at(0))
        write(store, opened(), now=at(1))
        assert look(store, at(29)) == Attended()
        assert look(store, at(30)).released == 1
        assert deliver(store, settings, at(30)).delivered == 1
        assert look(store, at(31)) == Attended()
        write(store, resolved(minute=40), now=at(40))
        deliver(store, settings, at(40))
        assert types(hook) == ["incident.opened", "incident.resolved"]


def test_a_storm_ends_in_one_digest_and_its_end_in_another(store):
    with receiver() as hook:
        settings = listening(store, EndpointSettings("chat", hook.url, "slack"))
        names = [f"INC-{n}" for n in range(40)]
        for n, name in enumerate(names):
            write(store, opened(name), now=at(1) + timedelta(seconds=n / 2))
        assert look(store, at(1.3)) == Attended()
        assert look(store, at(2)).digests == 1
        assert look(store, at(2.1)) == Attended()
        for _ in range(3):  # a chat takes a burst of five
            deliver(store, settings, at(3))
        assert len(hook.got) == 11
        assert said(hook, "30 more incidents opened")
        for name in names:
            write(store, resolved(name, minute=20), now=at(20))
        assert look(store, at(21)).digests == 1
        for _ in range(3):
            deliver(store, settings, at(21))
        assert len(hook.got) == 22  # ten ends and the end of the storm
        assert said(hook, "30 gathered incidents are over")
        assert reasons(store).count("untold") == 30


def flap(store: Store, minute: float, *, on: bool) -> None:
    state = IncidentState.FLAPPING if on else IncidentState.RESOLVED
    kind = TransitionType.FLAPPING if on else TransitionType.RESOLVED
    ended = None if on else at(minute)
    after = incident(state=state, reopened=3, ended_at=ended)
    write(store, Transition(kind, at(minute), after, "again"), now=at(minute))


def test_flapping_is_one_notice_a_digest_an_hour_and_the_end_after_an_hour_of_calm(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        flap(store, 5, on=True)
        for minute in range(10, 80, 10):
            flap(store, minute, on=minute % 20 == 0)
            look(store, at(minute + 1))
        deliver(store, settings, at(80))
        assert sorted(types(hook)) == ["digest.flapping", "incident.flapping", "incident.opened"]
        assert look(store, at(129)) == Attended()
        assert look(store, at(130)).released == 1  # the last change, at 70, was a resolution
        deliver(store, settings, at(130))
        assert types(hook)[-1] == "incident.resolved"
        assert look(store, at(131)) == Attended()


def test_a_fallback_stands_in_after_a_quarter_of_an_hour_and_hears_the_end(store):
    with receiver([500] * 99) as bad, receiver() as mail, receiver() as third:
        settings = listening(
            store,
            EndpointSettings("pager", bad.url),
            EndpointSettings("mail", mail.url),
            EndpointSettings("third", third.url, events=("report.*",)),
        )
        ruled(store, routing=RoutingSettings(to=("pager",), fallback="mail"))
        write(store, opened(), now=at(1))
        for minute in (1, 5, 10, 15):
            deliver(store, settings, at(minute))
            assert look(store, at(minute)) == Attended()
        deliver(store, settings, at(17))
        assert look(store, at(17)).stood_in == 1
        assert look(store, at(18)) == Attended()
        write(store, opened("INC-2"), now=at(19))
        write(store, resolved(minute=20), now=at(20))
        assert look(store, at(20)) == Attended()
        deliver(store, settings, at(20))
        told = [t for t in types(mail) if t.startswith("incident")]
        assert sorted(told) == ["incident.opened", "incident.opened", "incident.resolved"]
        ids = {got.id for got in bad.got}
        assert {got.id for got in mail.taken if got.json["type"] == "incident.opened"} >= ids


def test_what_dies_with_an_endpoint_that_is_gone_reaches_the_fallback(store):
    with receiver([410]) as gone, receiver() as mail:
        settings = listening(
            store, EndpointSettings("pager", gone.url), EndpointSettings("mail", mail.url)
        )
        ruled(store, routing=RoutingSettings(to=("pager",), fallback="mail"))
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        assert look(store, at(2)).stood_in == 1
        deliver(store, settings, at(2))
        assert "incident.opened" in types(mail)


def test_the_last_endpoint_that_pages_is_never_switched_off(store):
    with receiver([500] * 99) as pager, receiver() as reports:
        settings = listening(
            store,
            EndpointSettings("pager", pager.url),
            EndpointSettings("reports", reports.url, events=("report.*",)),
        )
        days = 24 * 60
        for day in (0, 1, 2, 3, 4):
            write(store, opened(f"INC-{day}", day * days + 1), now=at(day * days + 1))
            deliver(store, settings, at(day * days + 2))
        assert states_of(store) == {"pager": "failing", "reports": "ok"}
        listening(store, EndpointSettings("pager", pager.url), EndpointSettings("b", "http://h"))
        deliver(store, settings, at(5 * days))
        assert states_of(store) == {"pager": "disabled", "b": "ok"}
    assert "dead" in states(store)


def test_an_alertmanager_is_not_fed_what_was_silenced(store):
    from analyzer.notify.feed import fed, feed
    from analyzer.notify.wire.answer import Answer

    class Deaf:
        def send(self, message, headers):
            assert message.method == "GET", "nothing to be said"
            return Answer(200, body=b"[]")  # nothing is silenced there

    listening(store, EndpointSettings("am", "http://127.0.0.1:1/", "alertmanager_api"))
    rule = Silence("", ("resource = db:*",), "ada", "deploy", at(0), at(30))
    add_rule(store, rule, now=at(0))
    write(store, replace(opened()), now=at(1))
    (to,) = fed(store)
    rows = store.rows("notify_feed", endpoint=to.id, resolved_since=at(0).replace(tzinfo=None))
    assert rows == []
    assert feed(store, to, now=at(2), transport=Deaf()) == 0


def test_nobody_is_reminded_of_a_part_of_another_incident(store):
    """It was told by itself once, was over, and came back as a consequence."""
    with receiver() as pager, receiver() as boss:
        settings = listening(
            store, EndpointSettings("pager", pager.url), EndpointSettings("boss", boss.url)
        )
        ruled(store, routes=(Route("p", (), ("pager",), steps=(Step(600, ("boss",)),)),))
        write(store, opened(), now=at(1))
        part = replace(
            incident(), part_of=IncidentId("INC-9"), seq=5, updated_at=at(3), detected_at=at(3)
        )
        write(store, Transition(TransitionType.REOPENED, at(3), part, "back"), now=at(3))
        assert look(store, at(30)) == look(store, at(300)) == Attended()
        deliver(store, settings, at(300))
        assert (types(pager), types(boss)) == (["incident.opened"], [])
