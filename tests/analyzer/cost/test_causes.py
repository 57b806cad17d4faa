"""Policy, moves and restatement are told apart from price, use and neighbours, and sum exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple, replace

import pytest

from analyzer.cost.change import explained
from analyzer.cost.policy_version import policy_version, under
from analyzer.cost.settings import CostSettings, Price
from analyzer.cost.statement import Statement, Why
from analyzer.store.database import Store
from tests.analyzer.cost import house
from tests.analyzer.cost.house import WEEK, Hour, add

HOUR_US = 3_600_000_000
KEPT = CostSettings(prices=(Price("db:1", "1"), Price("db:2", "1")))
SHARED = replace(KEPT, idle="proportional")


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(Store.open(None)) as made:
        for name in ("db:1", "db:2"):
            house.resource(made, name, 1.0)
        yield made


def week(store: Store, terms: CostSettings, which, before: dict[str, int] | None = None):
    return house.statement(store, terms, which, before=before)


def why(statement: Statement, tenant: str) -> Why:
    (line,) = [one for one in statement.tenants if one.tenant == tenant]
    assert line.why is not None
    assert sum(astuple(line.why)) == line.total - (line.before or 0)
    return line.why


def use(store: Store, which, resource: str, tenant: str = "acme") -> None:
    add(store, [Hour(at, tenant, resource, HOUR_US // 2) for at in range(10)], which.start)


def costs(statement: Statement) -> dict[str, int]:
    return {line.tenant: line.total for line in statement.tenants}


def test_other_rules_for_idle_are_policy_and_nothing_else(store):
    for which in (WEEK, WEEK.next()):
        use(store, which, "db:1")
    last = week(store, KEPT, WEEK)
    now = week(store, SHARED, WEEK.next(), costs(last))
    old = under(SHARED, KEPT)
    assert policy_version(old) == policy_version(KEPT) != policy_version(SHARED)
    found = explained(now, last, under_old_policy=week(store, old, WEEK.next()))
    reasons = why(found, "acme")
    assert reasons.policy == 1_630_000  # 163 h of 168 h that nobody used are its own now
    assert (reasons.price, reasons.usage, reasons.neighbours, reasons.moves) == (0, 0, 0, 0)


def test_what_is_left_for_another_of_its_kind_is_a_move(store):
    use(store, WEEK, "db:1")
    use(store, WEEK.next(), "db:2")
    terms = replace(KEPT, prices=(Price("db:1", "1"), Price("db:2", "2")))
    last = week(store, terms, WEEK)
    found = explained(week(store, terms, WEEK.next(), costs(last)), last)
    assert why(found, "acme") == Why(0, 0, 0, moves=50_000)


def test_a_week_restated_after_it_was_told_is_a_cause_of_its_own(store):
    for which in (WEEK, WEEK.next()):
        use(store, which, "db:1")
    last = week(store, KEPT, WEEK)
    told = {"acme": 30_000}
    found = explained(week(store, KEPT, WEEK.next(), told), last)
    assert why(found, "acme") == Why(0, 0, 0, restatement=20_000)
