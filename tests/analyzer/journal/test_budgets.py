"""What is spent against what was agreed, told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.cost.book import CostBook
from analyzer.cost.months import Month, month_of
from analyzer.cost.settings import CostSettings, Price
from analyzer.journal.budgets import Budget, problems, watch_budgets
from analyzer.notify.event import Event, Links
from analyzer.store.codec import load
from analyzer.store.database import Store
from tests.analyzer.cost import house
from tests.analyzer.cost.house import MONDAY, Hour

LINKS = Links("https://partywall.example")
MONEY = CostSettings(prices=(Price("db:shard-1", per_hour="1"),))
ALL = Budget("all", "40", "week", at=(0.5, 1.0))
FREE = Budget("free ones", "5", "week", plan="free")
ACME = Budget("acme", "1000", "month", tenant="acme")


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(None)
    house.resource(store, "db:shard-1", 1)
    house.tenant(store, "acme", plan="pro")
    house.tenant(store, "globex", plan="free")
    for name in ("acme", "globex"):
        house.add(store, [Hour(at, name, "db:shard-1", 18 * 10**8) for at in range(168)])
    yield store
    store.close()


def told(store: Store, *budgets: Budget, hours: float) -> list[str]:
    """What is told when so many hours of the week have passed, by name of budget and amount."""
    now = MONDAY + timedelta(hours=hours)
    house.complete_until(store, now)
    found = watch_budgets(store, CostBook(store, MONEY), budgets, now=now, zone="UTC", links=LINKS)
    return [f"{each.budget.name} {each.amount:.0f}" for each in found]


def test_each_part_of_a_budget_is_told_once_a_period(store):
    assert told(store, ALL, hours=10) == []
    assert told(store, ALL, hours=21) == ["all 21"]
    assert told(store, ALL, hours=22) == []
    assert told(store, ALL, hours=41) == ["all 41"]
    assert told(store, ALL, hours=160) == []


def test_who_jumps_over_two_parts_is_told_of_one(store):
    assert told(store, ALL, hours=50) == ["all 50"]
    assert told(store, ALL, hours=51) == []


def test_plans_and_tenants_pay_their_own_part(store):
    acme = Budget("acme", "12", "week", tenant="acme")
    assert told(store, FREE, acme, ACME, hours=11) == ["free ones 6"]
    assert told(store, FREE, acme, ACME, hours=26) == ["acme 13"]


def test_the_event_says_whose_how_much_of_what(store):
    told(store, FREE, hours=11)
    (body,) = store.rows("notify_events_of", lane="budget.exceeded:free ones")[0]
    event = load(body, Event)
    assert event.type == "budget.exceeded"
    assert event.summary == (
        "Budget free ones: plan free has cost 5.50 USD in 2026-W47, 110% of 5."
    )
    facts = dict(event.facts)
    assert (facts["whose"], facts["limit"], facts["part"]) == ("plan free", "5", "1")
    assert float(facts["spent"]) == pytest.approx(5.5)


def test_a_month_adds_up_across_its_weeks(store):
    # From the first of November, a Sunday: fifteen days before this week and its first 100 hours.
    assert told(store, Budget("month", "500", "month"), hours=100) == []
    assert told(store, Budget("month", "450", "month"), hours=100) == ["month 460"]


@pytest.mark.parametrize(
    ("month", "start", "hours"),
    [
        (Month(2026, 12), datetime(2026, 12, 1, tzinfo=UTC), 744),
        (Month(2026, 3, "Europe/Berlin"), datetime(2026, 2, 28, 23, tzinfo=UTC), 743),
        (Month(2026, 10, "Europe/Berlin"), datetime(2026, 9, 30, 22, tzinfo=UTC), 745),
    ],
)
def test_a_month_is_as_long_as_the_clocks_make_it(month, start, hours):
    assert (month.start, month.hours) == (start, hours)
    assert month_of(month.start, month.zone) == month
    assert month_of(month.end, month.zone) != month


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(" ", "1"), "budget.name: missing"),
        (Budget("a", "much"), "budget 'a'.limit: 'much' is no amount"),
        (Budget("a", "-1"), "budget 'a'.limit"),
        (Budget("a", "NaN"), "budget 'a'.limit"),
        (Budget("a", "1", period="day"), "budget 'a'.period: 'day' is unknown"),
        (Budget("a", "1", tenant="acme", plan="free"), "budget 'a'.plan: stands beside"),
        (Budget("a", "1", at=(0.0,)), "budget 'a'.at"),
        (Budget("a", "1", at=()), "budget 'a'.at"),
    ],
)
def test_what_is_wrong_with_a_budget_is_said_with_its_remedy(budget, said):
    (found,) = problems([budget])
    assert found.startswith(said)


def test_two_budgets_of_one_name_are_refused():
    assert problems([ALL, ALL]) == ["budget.name: 'all' is used twice, rename one"]
