"""The contract every channel keeps, and what each adds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.incidents.explain import sentence
from analyzer.model import DecisionState, Harm, Incident, IncidentState, Kind, Signal
from analyzer.notify.channels import CHANNELS, render
from analyzer.notify.channels.message import MAX_BODY, Addressee, Message, Options
from analyzer.notify.event import Event, EventId, Links, trimmed
from analyzer.notify.sentence import about, about_decision
from collector.model import TenantId
from tests.analyzer.journal.cast import NOON, at, decision, finding, incident

TO = Addressee(
    "hook",
    "https://hooks.example/v2/enqueue",
    "R" * 32,
    options=Options(sender="Partywall <alerts@example.com>", recipients=("ops@example.com",)),
)
LINKS = Links("https://partywall.example")


def event(what: Incident | None = None, kind: str = "incident.opened", **changes: Any) -> Event:
    what = what or incident()
    made = Event(
        id=EventId("evt_1"),
        type=kind,
        lane=what.id,
        seq=1,
        at=at(1),
        created_at=at(1),
        summary=about(what),
        url=LINKS.incident(what.id),
        incident=trimmed(what),
        victims=len(what.finding.victims),
        links=LINKS,
    )
    return replace(made, **changes)


def proposal(**changes: Any) -> Event:
    what = decision(**changes)
    return event(
        kind=f"decision.{what.state}",
        incident=None,
        decision=what,
        summary=about_decision(what),
        url=LINKS.decision(what.id),
    )


def ping() -> Event:
    return event(kind="test.ping", incident=None, lane="test:1", test=True, summary="ping")


over = incident(state=IncidentState.RESOLVED, ended_at=at(9))
crowd = tuple(TenantId(f"tenant-{n:05d}-{'é' * 150}") for n in range(418))
nasty = TenantId('<!channel> "\\\n\u2028 {{7*7}} & </script> \ud800')
EVENTS = {
    "opened": event(),
    "resolved": event(over, "incident.resolved"),
    "acknowledged": event(incident(acknowledged_by="ada"), "incident.acknowledged"),
    "updated": event(kind="incident.updated"),
    "reopened": event(kind="incident.reopened"),
    "flapping": event(incident(state=IncidentState.FLAPPING), "incident.flapping"),
    "nobody blamed": event(incident(kind=Kind.CAPACITY, finding=finding(aggressors=()))),
    "crowd": event(incident(finding=finding(victims=crowd))),
    "nasty": event(incident(finding=finding(victims=(nasty,)))),
    "unknown numbers": event(
        incident(
            finding=finding(
                stretch_without=None, utilisation=float("nan"), limit=float("inf"), confidence=0.0
            )
        )
    ),
    "errors": event(
        incident(finding=replace(finding(), victims=(Harm(nasty, Signal.ERRORS, 0.0, 0.3, None),)))
    ),
    "proposed": proposal(),
    "withdrawn": proposal(state=DecisionState.WITHDRAWN),
    "ping": ping(),
    "budget": replace(
        ping(),
        type="budget.exceeded",
        lane="budget.exceeded:all",
        test=False,
        facts=(("budget", "all <b>"), ("spent", "41.00"), ("\n", "é" * 400)),
    ),
    "active": proposal(state=DecisionState.ACTIVE, outcome="an enforcer fetched the limit"),
}


@pytest.mark.parametrize("style", sorted(CHANNELS))
@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_channel_makes_small_strict_json_and_the_same_bytes_again(style, name):
    first, second = render(EVENTS[name], TO, style), render(EVENTS[name], TO, style)
    assert first == second
    if first is not None:
        assert len(first.body) <= MAX_BODY
        assert first.url.startswith("https://hooks.example/")
        strict(first)


def strict(message: Message) -> None:
    """JSON without NaN; a mail is read by the mail tests."""
    if message.mail is None:
        assert message.content_type.startswith("application/")
        json.loads(message.body.decode("utf-8"), parse_constant=pytest.fail)


@pytest.mark.parametrize("style", sorted(CHANNELS))
def test_every_channel_tells_of_openings_and_resolutions(style):
    assert render(EVENTS["opened"], TO, style) is not None
    assert render(EVENTS["resolved"], TO, style) is not None


def body(name: str, style: str = "alertmanager") -> Any:
    message = render(EVENTS[name], TO, style)
    assert message is not None
    return json.loads(message.body)


def test_the_default_body_has_exactly_the_keys_of_alertmanager_and_ours():
    found = body("opened")
    assert set(found) == {
        *("version", "groupKey", "truncatedAlerts", "status", "receiver", "notification_reason"),
        *("groupLabels", "commonLabels", "commonAnnotations", "routeLabels", "externalURL"),
        "alerts",
        *("type", "timestamp", "id", "seq", "test", "summary", "incident"),
    }
    assert found["version"] == "4"
    assert set(found["alerts"][0]) == {
        *("status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"),
    }
    assert found["alerts"][0]["labels"] == {
        "alertname": "NoisyNeighbour",
        "resource": "db:shard-3",
        "tenant": "acme",
    }
    assert found["notification_reason"] == "first notification"
    assert found["incident"]["aggressor"]["tenant"] == "acme"
    assert found["incident"]["aggressor"]["times_baseline"] == 6.4
    assert found["incident"]["victims"]["count"] == 3
    assert found["incident"]["victims"]["top"][0] == {
        "tenant": "globex",
        "signal": "latency",
        "before_ms": 74.0,
        "during_ms": 191.0,
        "without_ms": 75.0,
    }


def test_a_firing_alert_has_no_end_and_a_resolved_one_has_its_own():
    assert body("opened")["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"
    resolved = body("resolved")
    assert resolved["status"] == "resolved"
    assert resolved["alerts"][0]["endsAt"] == "2026-11-20T12:09:00Z"


def test_what_a_message_is_grouped_by_never_changes_while_the_incident_lasts():
    def key(name: str) -> tuple[str, str]:
        found = body(name)
        return found["groupKey"], found["alerts"][0]["fingerprint"]

    assert len({key(name) for name in ("opened", "resolved", "nobody blamed", "updated")}) == 1


def test_of_many_victims_at_most_twenty_are_listed_and_all_are_counted():
    victims = body("crowd")["incident"]["victims"]
    assert victims["count"] == 418
    assert 1 <= len(victims["top"]) <= 20


def test_an_alertmanager_is_fed_labels_that_never_change():
    (opened,) = body("opened", "alertmanager_api")
    (resolved,) = body("resolved", "alertmanager_api")
    (capacity,) = body("nobody blamed", "alertmanager_api")
    assert opened["labels"] == resolved["labels"] == capacity["labels"]
    assert resolved["endsAt"] == "2026-11-20T12:09:00Z"
    assert render(EVENTS["proposed"], TO, "alertmanager_api") is None


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("opened", "trigger"),
        ("updated", "trigger"),
        ("reopened", "trigger"),
        ("acknowledged", "acknowledge"),
        ("resolved", "resolve"),
    ],
)
def test_pagerduty_hears_the_action_under_one_dedup_key(name, action):
    found = body(name, "pagerduty")
    assert found["event_action"] == action
    assert found["dedup_key"] == "INC-1"
    assert found["routing_key"] == "R" * 32
    assert found["payload"]["severity"] == "critical"
    assert len(found["payload"]["summary"]) <= 1024


def test_pagerduty_hears_of_decisions_as_change_events():
    message = render(EVENTS["proposed"], TO, "pagerduty")
    assert message is not None
    assert message.url == "https://hooks.example/v2/change/enqueue"
    assert "event_action" not in json.loads(message.body)


def test_slack_cannot_be_made_to_call_the_channel():
    text = render(EVENTS["nasty"], TO, "slack")
    assert text is not None
    assert b"<!channel>" not in text.body
    assert b"&lt;!channel&gt;" in text.body


def test_slack_shows_eight_victims_and_counts_the_rest():
    blocks = json.dumps(body("crowd", "slack"), ensure_ascii=False)
    assert blocks.count("•") == 8
    assert "and 410 more" in blocks


def test_cloudevents_has_the_required_attributes():
    found = body("opened", "cloudevents")
    assert found["specversion"] == "1.0"
    assert {"id", "source", "type", "data"} <= set(found)


@settings(max_examples=30, deadline=None)
@given(
    victims=st.lists(st.text(max_size=300), max_size=40),
    caveats=st.lists(st.text(max_size=2000), max_size=9),
    numbers=st.tuples(*[st.floats(allow_nan=True)] * 4),
    style=st.sampled_from(sorted(CHANNELS)),
)
def test_no_names_or_numbers_break_a_body(victims, caveats, numbers, style):
    before, during, stretch, confidence = numbers
    told = incident(
        finding=finding(
            victims=(),
            caveats=tuple(caveats),
            stretch=stretch,
            confidence=confidence,
        ),
        started_at=NOON,
    )
    harms = tuple(Harm(TenantId(v), Signal.LATENCY, before, during, None) for v in victims)
    told = replace(told, finding=replace(told.finding, victims=harms))
    message = render(event(told), TO, style)
    assert message is not None
    assert len(message.body) <= MAX_BODY
    strict(message)


def test_page_command_line_api_and_webhook_say_the_same_words():
    said = sentence(incident())
    assert about(incident()) == f"{said}."
    assert about(incident(state=IncidentState.RESOLVED)) == f"{said}. Over."
