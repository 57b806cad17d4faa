"""A bill is kept once by content; of a billing period the newest counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from analyzer.cost.bills import shelf
from analyzer.cost.bills.read import read_bill
from analyzer.cost.bills.rules import BillRule
from analyzer.store.database import Store
from collector.model import Rejected
from tests.analyzer.cost.bills.paper import focus, row
from tests.analyzer.cost.house import WEEK

NOW = WEEK.end


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(None)
    yield store
    store.close()


def put(store: Store, *rows: str) -> str:
    ident, known = shelf.put(store, read_bill(focus(*rows)), name="nov.csv", now=NOW)
    assert not known
    return ident


def states(store: Store) -> dict[str, tuple[int, int, bool]]:
    with store.reader() as reader:
        found = shelf.shelved(reader)
    return {b.id: (b.counts, b.periods, b.withdrawn_at is not None) for b in found}


def test_the_same_content_is_kept_once_whatever_its_name(store):
    first = put(store, row("1.25"))
    again = read_bill(focus(row("1.25")), name="copy.csv")
    assert shelf.put(store, again, name="copy.csv", now=NOW) == (first, True)
    assert len(states(store)) == 1


def test_a_newer_bill_of_the_period_replaces_the_older_for_that_period_only(store):
    october = ("2026-10-01", "2026-11-01")
    first = put(store, row("1"), row("2", period=october, charge=("2026-10-30", "2026-10-31")))
    second = put(store, row("3"))
    assert states(store) == {first: (1, 2, False), second: (1, 1, False)}
    shelf.withdraw(store, second, NOW + timedelta(hours=1))
    assert states(store) == {first: (2, 2, False), second: (0, 1, True)}
    with pytest.raises(Rejected, match="already"):
        shelf.withdraw(store, second, NOW)
    third = put(store, row("3"))
    assert states(store)[third] == (1, 1, False)


def test_two_accounts_or_providers_do_not_replace_each_other(store):
    one = put(store, row("1"))
    two = put(store, row("1", account="43"))
    three = put(store, row("1", provider="Azure"))
    assert set(states(store).values()) == {(1, 1, False)}
    assert set(states(store)) == {one, two, three}


def test_what_the_rules_make_of_it_is_told_with_the_unmatched_last(store):
    rows = (
        row("1.5"), row("2", resource="db-2"), row("-0.25", category="Credit"),
        row("9", service="S3", resource=""), row("4", currency="EUR"),
    )  # fmt: skip
    rules = (BillRule("db:1", resource_id="db-1"), BillRule("db:2", resource_id="db-2"))
    told = [
        (m.resource, m.service, m.lines, m.billed, m.currency)
        for m in shelf.preview(read_bill(focus(*rows)), rules)
    ]
    assert told == [
        ("db:1", "", 1, "4", "EUR"),
        ("db:1", "", 2, "1.25", "USD"),
        ("db:2", "", 1, "2", "USD"),
        ("", "S3", 1, "9", "USD"),
    ]
    ident = put(store, *rows)
    with store.reader() as reader:
        kept = shelf.matched(reader, ident, rules)
        assert [t.currency for t in shelf.one(reader, ident).totals] == ["EUR", "USD"]
    assert [(m.resource, m.lines) for m in kept] == [(t[0], t[2]) for t in told]


def test_rows_kept_aside_stay_with_their_bill(store):
    bill = read_bill(focus(row("1"), row("one")), name="nov.csv")
    ident, _ = shelf.put(store, bill, name="nov.csv", now=NOW)
    with store.reader() as reader:
        (bad,) = shelf.bad_rows(reader, ident, 10)
    assert (bad.part, bad.row, bad.what) == ("nov.csv", 3, "BilledCost: 'one' is not an amount")


def test_amounts_too_far_apart_to_be_exact_are_refused(store):
    bill = read_bill(focus(row("9" * 15), row("0." + "0" * 25 + "1")))
    with pytest.raises(Rejected, match="beside amounts of 26 decimals"):
        shelf.put(store, bill, name="x", now=NOW)
    assert states(store) == {}
