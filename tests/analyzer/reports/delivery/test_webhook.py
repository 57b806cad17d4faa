"""A report as a webhook: the numbers of the statement, signed, under one id, to a real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from analyzer.accounts.known import stored_account
from analyzer.cost.ledger import stored
from analyzer.jobs import wall_clock
from analyzer.notify.settings import NotifySettings
from analyzer.notify.wire.transport import HttpTransport
from analyzer.reports.delivery.channels import channels
from analyzer.reports.delivery.round import Round, deliver_reports
from analyzer.reports.delivery.settings import DeliverySettings
from analyzer.store.database import Store
from tests.analyzer.cost.house import WEEK
from tests.analyzer.notify.receiver import Receiver, receiver
from tests.analyzer.reports.delivery.house import closed, states

NOW = WEEK.end + timedelta(hours=2)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with closed(1, tmp_path_factory.mktemp("weeks")) as made:
        yield made


@pytest.fixture
def ear() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def hook(ear: Receiver, name: str) -> DeliverySettings:
    return DeliverySettings(name, "webhook", ear.url, password=SECRET)


def bring(store: Store, ear: Receiver, one: DeliverySettings, at: timedelta = timedelta()) -> Round:
    port = urlsplit(ear.url).port or 0
    settings = NotifySettings(allow=("127.0.0.0/8",), ports=(port,))
    # The clock of the machine: the library that verifies looks at it, too.
    ways = channels(HttpTransport(settings), "https://pw.example.com", wall_clock)
    return deliver_reports(store, [one], ways, now=NOW + at, holder="a", chance=lambda: 0.5)


def test_it_carries_every_number_of_the_statement_signed(store, ear):
    for minute in range(3):
        bring(store, ear, hook(ear, "numbers"), timedelta(minutes=minute))
    (got,) = ear.got
    Webhook(SECRET).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body + b" ", got.headers)
    body = got.json
    assert (body["type"], body["id"]) == ("report.statement", got.id)
    data = body["data"]
    with store.reader() as reader:
        known = stored(reader, WEEK.id)
        assert known is not None
        accounts = {t: stored_account(reader, WEEK.id, t) for t in ("acme", "globex")}
    s = known.statement
    assert data["report"]["statement_sha256"] == known.sha256
    assert {k: data["statement"][k] for k in ("bill", "allocated", "idle", "unattributed")} == {
        "bill": s.money(s.bill), "allocated": s.money(s.allocated),
        "idle": s.money(s.idle), "unattributed": s.money(s.unattributed),
    }  # fmt: skip
    assert [line["resource"] for line in data["resources"]] == [r.resource for r in s.resources]
    told = {line["tenant"]: line for line in data["tenants"]}
    for name, account in accounts.items():
        assert account is not None
        c = account.columns
        columns = (c.direct, c.own_idle, c.pool_idle, c.shared, c.credit, c.total)
        names = ("direct", "own_idle", "idle", "shared", "credit", "total")
        assert [told[name][n] for n in names] == [one.exact for one in columns]
        parts = [Decimal(part["total"]) for part in told[name]["parts"]]
        assert sum(parts) == Decimal(c.total.exact)
    whole = sum(Decimal(line["total"]) for line in told.values())
    assert whole == Decimal(data["statement"]["allocated"])


def test_an_account_has_nobody_else_and_no_margin_in_it(store, ear):
    bring(store, ear, replace(hook(ear, "own"), view="account", tenant="*"))
    assert len(ear.got) == 2
    for got, (mine, other) in zip(
        sorted(ear.got, key=lambda g: g.json["data"]["tenants"][0]["tenant"]),
        (("acme", "globex"), ("globex", "acme")),
        strict=True,
    ):
        data = got.json["data"]
        assert [line["tenant"] for line in data["tenants"]] == [mine]
        words = got.body.decode().lower()
        for secret in (other, "margin", "revenue", "unattributed", '"share"'):
            assert secret not in words
        assert set(data) == {"schema", "report", "tenants", "complete"}


def test_what_is_too_large_says_where_the_rest_is(store, ear):
    bring(store, ear, replace(hook(ear, "small"), max_bytes=1500))
    data = ear.got[0].json["data"]
    assert (data["complete"], data["tenants"]) == (False, [])
    assert data["link"] == f"https://pw.example.com/reports/{WEEK.id}"
    assert data["statement"]["bill"]


def test_a_receiver_that_fails_gets_the_same_message_again(store, ear):
    ear.script.append(503)
    first = bring(store, ear, hook(ear, "busy"))
    assert "503" in first.failed[0][1]
    bring(store, ear, hook(ear, "busy"), timedelta(minutes=3))
    one, two = ear.got
    assert (one.id, one.body) == (two.id, two.body)
    assert [s for *_, name, _, s in states(store) if name == "busy"] == ["sent"]


def test_a_receiver_that_wants_no_more_is_not_asked_again(store, ear):
    ear.script.append(410)
    bring(store, ear, hook(ear, "gone"))
    bring(store, ear, hook(ear, "gone"), timedelta(hours=3))
    assert len(ear.got) == 1
    assert [s for *_, name, _, s in states(store) if name == "gone"] == ["dead"]


def test_a_private_address_is_not_reached_unless_it_is_allowed(store, ear):
    ways = channels(HttpTransport(NotifySettings()), "", lambda: NOW)
    done = deliver_reports(store, [hook(ear, "inside")], ways, now=NOW, holder="a")
    assert ear.got == []
    assert "blocked" in done.failed[0][1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DeliverySettings("a", "webhook", "ftp://x"), "target: is no address"),
        (DeliverySettings("a", "webhook", ""), "target: is no address"),
        (DeliverySettings("a", "webhook", "https://x", password="hush"), "no signing secret"),
    ],
)
def test_what_is_wrong_with_it_is_said_at_the_start(settings, words):
    assert any(words in problem for problem in settings.problems())
