"""One contract for every format, kept against receivers that judge as strictly as the real ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from analyzer.decisions.lifecycle import Verb
from analyzer.journal import transitions
from analyzer.model import DecisionId, IncidentId, TransitionType
from analyzer.notify import EndpointSettings, NotifySettings
from analyzer.notify.channels import CHANNELS
from collector.model import TenantId
from tests.analyzer.journal.cast import at, decision, finding, incident, opened, resolved, updated
from tests.analyzer.notify.fakes import FAKES, PAGERDUTY_KEY, Fake, PagerDuty, serving
from tests.analyzer.notify.house import LINKS, deliver, listening, states, write
from tests.analyzer.notify.test_channels import crowd, nasty

NASTY = TenantId(nasty.replace("\ud800", ""))  # half a pair never comes in: the doors refuse it
SECRET = "whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"


@contextmanager
def house(store, style: str) -> Iterator[tuple[Fake, NotifySettings]]:
    """The fake of a format, listened to by one endpoint."""
    make, path = FAKES[style]
    with serving(make(), path) as fake:
        key = PAGERDUTY_KEY if style == "pagerduty" else ""
        wanted = EndpointSettings("door", fake.url, style, SECRET, key)
        assert wanted.problems() == []
        yield fake, listening(store, wanted)


def live_a_life(store, settings) -> None:
    """Everything that can happen to an incident and its decision, told as it happens."""
    wide = replace(opened(), incident=incident(finding=finding(victims=(*crowd[:60], NASTY))))
    back = replace(resolved(), type=TransitionType.REOPENED, at=at(21), incident=incident())
    name, what = IncidentId("INC-1"), DecisionId("DEC-1")
    for minute, step in (
        (1, lambda now: write(store, wide, now=now, decisions=[decision()])),
        (4, lambda now: approve(store, what, now)),
        (7, lambda now: transitions.in_force(store, [what], now=now, links=LINKS)),
        (10, lambda now: transitions.acknowledge(store, name, by="ada", now=now, links=LINKS)),
        (13, lambda now: write(store, updated(), now=now)),
        (16, lambda now: write(store, resolved(), now=now)),
        (21, lambda now: write(store, back, now=now)),
    ):
        step(at(minute))
        settle_down(store, settings, minute)


def approve(store, what: DecisionId, now) -> None:
    transitions.change_decision(store, what, Verb.APPROVE, by="ada", now=now, links=LINKS)


def settle_down(store, settings, minute: float) -> None:
    """Rounds until all is said; each a minute later, so that paces and retries pass."""
    for step in range(6):
        deliver(store, settings, at(minute + step / 3))
        if not {"pending", "in_flight"} & set(states(store)):
            return


def test_every_format_that_speaks_http_has_a_fake():
    assert set(FAKES) == {name for name, one in CHANNELS.items() if "https" in one.schemes}


@pytest.mark.parametrize("style", sorted(FAKES))
def test_a_whole_life_is_taken_without_a_word_of_complaint(store, style):
    with house(store, style) as (fake, settings):
        live_a_life(store, settings)
    assert fake.refused == []
    assert set(states(store)) <= {"delivered", "skipped"}, states(store)
    assert len(fake.taken) >= 5


BUSY = [(style, 429, {"Retry-After": "3"}) for style in sorted(FAKES)]
BUSY += [("json", status, {}) for status in (408, 425, 429, 500, 502, 503)]


@pytest.mark.parametrize(("style", "status", "headers"), BUSY)
def test_a_receiver_that_is_busy_gets_the_same_message_later(store, style, status, headers):
    with house(store, style) as (fake, settings):
        fake.limits = [(status, headers, b"later")]
        write(store, opened(), now=at(1))
        assert deliver(store, settings, at(1)).retried == 1
        assert deliver(store, settings, at(2)).delivered == 1
    first, second = fake.headers
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert second["x-partywall-attempt"] == "2"
    assert fake.refused == []


@pytest.mark.parametrize("style", sorted(FAKES))
def test_a_message_that_is_refused_is_not_sent_again(store, style):
    with house(store, style) as (fake, settings):
        fake.limits = [(400, {}, b"invalid")]
        write(store, opened(), now=at(1))
        assert deliver(store, settings, at(1)).dead == 1
        assert deliver(store, settings, at(5)).delivered == 0
    # What an Alertmanager is told again every minute is no second attempt.
    assert len([each for each in fake.headers if "webhook-id" in each]) == 1


@pytest.mark.parametrize("style", sorted(FAKES))
def test_no_secret_stands_in_the_log(store, style):
    with house(store, style) as (fake, settings):
        key = PAGERDUTY_KEY if style == "pagerduty" else ""
        echo = f"{SECRET} {key} {fake.url}".encode()
        fake.limits = [(500, {"X-Echo": SECRET}, echo)]
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        deliver(store, settings, at(2))
        path = fake.url.split("/", 3)[3]
    logged = str(store.rows("notify_all_attempts"))
    found = [word for word in (SECRET, PAGERDUTY_KEY, path) if len(word) >= 8 and word in logged]
    assert found == []
    assert "…" in logged


def test_no_secret_stands_in_what_the_service_prints(store, caplog):
    with caplog.at_level(logging.DEBUG), house(store, "pagerduty") as (fake, settings):
        fake.limits = [(500, {}, b""), (403, {}, b"")]
        write(store, opened(), now=at(1))
        for minute in (1, 2, 3):
            deliver(store, settings, at(minute))
    assert "127.0.0.1" in caplog.text  # something was printed
    for word in (SECRET, PAGERDUTY_KEY, "/v2/enqueue"):
        assert word not in caplog.text


def test_pagerduty_is_left_with_nothing_open_and_the_actions_as_changes(store):
    fake = PagerDuty()
    with serving(fake, "/v2/enqueue"):
        wanted = EndpointSettings("pd", fake.url, "pagerduty", SECRET, PAGERDUTY_KEY)
        settings = listening(store, wanted)
        write(store, opened(), now=at(1), decisions=[decision()])
        settle_down(store, settings, 1)
        assert fake.alerts == {"INC-1": "triggered"}
        transitions.acknowledge(store, IncidentId("INC-1"), by="ada", now=at(4), links=LINKS)
        settle_down(store, settings, 4)
        assert fake.alerts == {"INC-1": "acknowledged"}
        write(store, resolved(), now=at(9))
        settle_down(store, settings, 9)
    assert fake.alerts == {}
    assert [each["summary"].split(": ")[0] for each in fake.changes] == [
        "Throttle acme on db:shard-3 to 0.4 busy seconds per second"
    ]


def test_the_fakes_do_refuse():
    """A contract suite whose receivers take anything proves nothing."""
    bad = {
        "pagerduty": b'{"routing_key": "short", "event_action": "trigger"}',
        "slack": b'{"blocks": []}',
        "teams": b'{"text": "the old connectors took this"}',
    }
    paths = {style: FAKES[style][1] for style in bad}
    for style, body in bad.items():
        fake = FAKES[style][0]()
        status, _, _ = fake.reply(paths[style], {"content-type": "application/json"}, body)
        assert status == 400
        assert fake.refused
