"""A report through a real mail server: sent once, the same mail after a crash, refused for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from analyzer.notify.settings import NotifySettings
from analyzer.notify.wire.transport import HttpTransport
from analyzer.reports.delivery.channels import channels
from analyzer.reports.delivery.round import LEASE, Round, deliver_reports
from analyzer.reports.delivery.settings import DeliverySettings
from analyzer.store.database import Store
from tests.analyzer.cost.house import WEEK
from tests.analyzer.notify.fakes import Mailbox, mail_server
from tests.analyzer.reports.delivery.house import closed, states

NOW = WEEK.end + timedelta(hours=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with closed(1, tmp_path_factory.mktemp("weeks")) as made:
        yield made


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server() as found:
        yield found


def board(box: Mailbox, name: str, *recipients: str) -> DeliverySettings:
    return DeliverySettings(
        name, "mail", box.url, "exec", formats=("pdf",), sender="Partywall <p@example.com>",
        recipients=recipients or ("ann@example.com",),
    )  # fmt: skip


def bring(store: Store, box: Mailbox, delivery: DeliverySettings, at: timedelta) -> Round:
    port = urlsplit(box.url).port or 0
    settings = NotifySettings(allow=("127.0.0.0/8",), ports=(port,))
    ways = channels(HttpTransport(settings), "https://pw.example.com", lambda: NOW + at)
    return deliver_reports(store, [delivery], ways, now=NOW + at, holder="a", chance=lambda: 0.5)


def test_the_mail_arrives_once_with_text_html_and_pdf(store, box):
    one = board(box, "once")
    for minute in range(3):
        bring(store, box, one, timedelta(minutes=minute))
    (mail,) = box.mails
    kinds = [part.get_content_type() for part in mail.walk()]
    assert {"text/plain", "text/html", "application/pdf"} <= set(kinds)
    assert box.envelopes == [("p@example.com", ["ann@example.com"])]
    assert mail["List-Unsubscribe"] == "<mailto:p@example.com?subject=unsubscribe>"
    (pdf,) = mail.iter_attachments()
    assert pdf.get_content().startswith(b"%PDF")


def test_a_busy_server_is_asked_again_and_gets_the_same_mail(store, box):
    two = board(box, "busy")
    box.answers.append("451 4.3.0 come again")
    first = bring(store, box, two, timedelta())
    assert "451" in first.failed[0][1]
    bring(store, box, two, timedelta(minutes=3))
    assert len(box.mails) == 1
    assert box.mails[0]["Message-ID"].startswith("<2026-W47.1.exec.")


def test_an_unknown_mailbox_is_dead_and_the_other_recipient_is_not_held_up(store, box):
    box.strangers = ("nobody@example.com",)
    three = board(box, "two", "nobody@example.com", "bob@example.com")
    bring(store, box, three, timedelta())
    bring(store, box, three, LEASE)
    said = {who: state for _, _, name, who, state in states(store) if name == "two"}
    assert said == {"nobody@example.com": "dead", "bob@example.com": "sent"}
    assert len(box.mails) == 1


def test_a_server_that_is_away_is_asked_again(store, box):
    away = replace(board(box, "away"), target="smtp://127.0.0.1:1")
    found = bring(store, box, away, timedelta())
    assert len(found.failed) == 1
    assert [s for *_, name, _, s in states(store) if name == "away"] == ["queued"]


def test_a_report_is_the_same_bytes_whoever_asks(store, box, tmp_path: Path):
    for name in ("first", "second"):
        bring(store, box, board(box, name), timedelta())
    first, second = box.raw
    assert first == second
