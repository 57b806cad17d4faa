"""One message per incident, edited by a bot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from analyzer.notify import EndpointSettings, NotifySettings
from analyzer.notify.channels import render
from analyzer.notify.channels.message import Addressee
from analyzer.notify.wire.pace import BURST, Pace
from tests.analyzer.journal.cast import at, decision, opened, resolved, updated
from tests.analyzer.notify.fakes import BOT_TOKEN, CHANNEL, Slack, serving
from tests.analyzer.notify.house import deliver, listening, states, write
from tests.analyzer.notify.test_channels import EVENTS


@pytest.fixture
def slack(store) -> Iterator[tuple[Slack, NotifySettings]]:
    fake = Slack()
    with serving(fake, "/api"):
        wanted = EndpointSettings("chat", fake.url, "slack", token=BOT_TOKEN, channel=CHANNEL)
        assert wanted.problems() == []
        yield fake, listening(store, wanted)


def last_text(fake: Slack) -> str:
    (message,) = fake.messages.values()
    return str(message["text"])


def test_an_incident_is_one_message_that_ends_as_resolved(store, slack):
    fake, settings = slack
    write(store, opened(), now=at(1))
    deliver(store, settings, at(1))
    assert last_text(fake).startswith("Opened")
    write(store, updated(), now=at(5))
    deliver(store, settings, at(5))
    write(store, resolved(), now=at(9))
    deliver(store, settings, at(9))
    assert last_text(fake).startswith("Resolved")
    assert len(fake.taken) == 3
    assert fake.refused == []


def test_every_incident_has_a_message_of_its_own(store, slack):
    fake, settings = slack
    write(store, opened(), opened("INC-2"), now=at(1))
    deliver(store, settings, at(1))
    write(store, resolved(), now=at(9))
    deliver(store, settings, at(9))
    assert sorted(m["text"].split()[0] for m in fake.messages.values()) == ["Opened", "Resolved"]


def test_decisions_answer_in_the_thread(store, slack):
    fake, settings = slack
    write(store, opened(), now=at(1), decisions=[decision()])
    deliver(store, settings, at(1))
    deliver(store, settings, at(2))
    assert len(fake.messages) == 1
    (answer,) = fake.replies
    assert "Throttle acme" in answer["text"]


@pytest.mark.parametrize("kind", ["incident.escalated", "incident.reminder"])
def test_what_must_be_heard_is_shown_in_the_channel_beside_the_message(kind):
    to = Addressee("chat", "https://slack.com/api", token=BOT_TOKEN, thread=f"{CHANNEL}:17.01")
    message = render(replace(EVENTS["opened"], type=kind), to, "slack")
    assert message is not None
    assert message.url == "https://slack.com/api/chat.postMessage"
    body = json.loads(message.body)
    assert (body["thread_ts"], body["reply_broadcast"]) == ("17.01", True)
    assert not message.begins


def test_a_message_somebody_deleted_is_written_anew(store, slack):
    fake, settings = slack
    write(store, opened(), now=at(1))
    deliver(store, settings, at(1))
    fake.messages.clear()
    write(store, resolved(), now=at(9))
    assert deliver(store, settings, at(9)).retried == 1
    assert deliver(store, settings, at(10)).delivered == 1
    assert last_text(fake).startswith("Resolved")


@pytest.mark.parametrize(
    ("error", "state", "status"),
    [
        ("ratelimited", "pending", 429),
        ("invalid_auth", "pending", 403),
        ("invalid_blocks", "dead", 400),
        ("fatal_error", "pending", 503),
        ("a_word_of_next_year", "pending", 503),
    ],
)
def test_slack_says_no_with_a_200(store, slack, error, state, status):
    fake, settings = slack
    fake.limits = [(200, {}, json.dumps({"ok": False, "error": error}).encode())]
    write(store, opened(), now=at(1))
    deliver(store, settings, at(1))
    (record,) = store.records(
        "notify_deliveries", id=None, state=None, endpoint=None, incident=None, limit=9
    )
    assert (record["state"], record["status"]) == (state, status)
    assert record["error"] == f"slack says {error}"


def test_a_page_that_is_not_slack_is_no_success(store, slack):
    fake, settings = slack
    fake.limits = [(200, {}, b"<html>Sign in to the hotel's network</html>")]
    write(store, opened(), now=at(1))
    assert deliver(store, settings, at(1)).retried == 1


def test_the_token_is_in_no_log(store, slack):
    fake, settings = slack
    fake.limits = [(500, {}, BOT_TOKEN.encode())]
    write(store, opened(), now=at(1))
    deliver(store, settings, at(1))
    assert fake.headers[0]["authorization"] == f"Bearer {BOT_TOKEN}"
    assert BOT_TOKEN not in str(store.rows("notify_all_attempts"))


def test_a_chat_is_not_flooded(store, slack):
    fake, settings = slack
    write(store, *(opened(f"INC-{n}") for n in range(9)), now=at(1))
    deliver(store, settings, at(1))
    assert len(fake.taken) <= int(BURST) + 1
    for minute in range(2, 8):
        deliver(store, settings, at(minute))
    assert set(states(store)) == {"delivered"}


def test_a_bucket_holds_a_burst_and_fills_by_the_clock():
    now = [0.0]
    pace = Pace(1.0, clock=lambda: now[0])
    assert pace.left() == 5
    pace.take(5)
    assert pace.left() == 0
    now[0] = 2.5
    assert pace.left() == 2
    now[0] = 100.0
    assert pace.left() == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"token": BOT_TOKEN}, "channel: missing"),
        ({"channel": CHANNEL}, "token: missing"),
    ],
)
def test_token_and_channel_belong_together(options, said):
    (problem,) = EndpointSettings("a", "https://slack.com/api", "slack", **options).problems()
    assert said in problem
