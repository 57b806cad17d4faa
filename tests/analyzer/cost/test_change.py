"""Why a cost changed: the parts are the change, exactly, and each is what it is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.cost.change import Then, effects, explained, whole
from analyzer.cost.ledger import stored
from analyzer.cost.settings import CostSettings, Price
from analyzer.cost.shown import shown
from analyzer.cost.statement import Statement, from_json, to_json
from analyzer.reports import close_weeks
from analyzer.reports.document import Document, for_tenant
from analyzer.reports.files import render
from analyzer.reports.wording import movers, why_words
from analyzer.store.database import Store
from collector.model import TenantId
from tests.analyzer.cost import house
from tests.analyzer.cost.house import MONDAY, WEEK, Hour, add

TERMS = CostSettings(prices=(Price("db:1", "1", idle="proportional"),))
LATER = WEEK.next()
POSITIVE = st.floats(0.01, 1e9)


def then(bill: float, used: float, everyone: float) -> Then:
    return Then(bill * used / everyone, bill, used)


@given(*[POSITIVE] * 6)
def test_the_effects_of_a_change_sum_to_it(bill, used, others, bill2, used2, others2):
    a, b = then(bill, used, used + others), then(bill2, used2, used2 + others2)
    close = 1e-9 * (a.cost + b.cost)
    assert sum(effects(a, b)) == pytest.approx(b.cost - a.cost, abs=close)
    assert effects(b, a) == pytest.approx([-e for e in effects(a, b)], abs=1e3 * close)


@pytest.mark.parametrize(
    ("after", "which"),
    [(then(200, 10, 100), 0), (then(100, 10, 50), 2), (then(100, 20, 200), None)],
)
def test_what_did_not_change_has_no_effect(after, which):
    before = then(100, 10, 100)
    found = effects(before, after)
    if which is not None:
        rest = [e for i, e in enumerate(found) if i != which]
        assert rest == pytest.approx([0, 0])
        assert found[which] == pytest.approx(after.cost - before.cost)
    else:
        assert found[0] == pytest.approx(0)
        assert found[1] == pytest.approx(-found[2])
        assert found[1] > 0


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Then(0, 100, 0), Then(7, 100, 3), (0, 7, 0)),
        (Then(7, 100, 3), Then(0, 100, 0), (0, -7, 0)),
        (Then(0, 0, 0), Then(7, 100, 3), (7, 0, 0)),
        (Then(7, 100, 3), Then(-7, -100, 3), (-14, 0, 0)),
        (Then(7, 100, 0), Then(14, 200, 0), (7, 0, 0)),
        (Then(7, 100, 0), Then(14, 100, 5), (0, 7, 0)),
    ],
)
def test_what_has_no_logarithm_has_a_cause_all_the_same(before, after, expected):
    assert effects(before, after) == pytest.approx(expected)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4), st.integers(-3, 3))
def test_whole_parts_have_the_sum_they_are_told(parts, off):
    total = round(sum(parts)) + off
    assert sum(whole(parts, total)) == total


@pytest.fixture(scope="module")
def weeks() -> Iterator[tuple[Statement, Statement]]:
    """globex halves its use, so that acme, which does the same as before, pays more."""
    store = Store.open(None)
    house.resource(store, "db:1", 1)
    for monday, globex in ((MONDAY, 2 * 10**9), (WEEK.end, 10**9)):
        add(store, [Hour(1, "acme", "db:1", 10**9, 2000, family="request")], monday)
        add(store, [Hour(1, "globex", "db:1", globex, 10)], monday)
    add(store, [Hour(2, "initech", "db:1", 10**8)], WEEK.end)
    first = house.statement(store, TERMS)
    before = {line.tenant: line.total for line in first.tenants}
    second = house.statement(store, TERMS, LATER, before=before)
    yield first, explained(second, first)
    store.close()


def line_of(s: Statement, tenant: str):
    return next(line for line in s.tenants if line.tenant == tenant)


def test_a_tenant_that_did_the_same_pays_more_because_its_neighbour_left(weeks):
    first, second = weeks
    acme = line_of(second, "acme")
    assert acme.total - line_of(first, "acme").total == acme.why.neighbours > 0
    assert (acme.why.price, acme.why.usage) == (0, 0)


def test_the_reasons_are_the_change_of_every_tenant_to_the_last_quantum(weeks):
    for line in weeks[1].tenants:
        assert line.why.price + line.why.usage + line.why.neighbours == line.total - line.before


def test_who_is_new_pays_for_its_own_use(weeks):
    line = line_of(weeks[1], "initech")
    assert line.why.usage == line.total


def test_the_reasons_shown_are_the_change_shown(weeks):
    for line in shown(weeks[1]).tenants:
        assert line.why is not None
        assert line.before is not None
        assert line.why.price + line.why.usage + line.why.neighbours == line.total - line.before


def test_reasons_and_operations_survive_storing(weeks):
    assert from_json(to_json(weeks[1])) == weeks[1]


def test_nothing_is_explained_without_use_to_compare(weeks):
    first, second = weeks
    bare = replace(
        first,
        tenants=tuple(
            replace(t, parts=tuple(replace(p, used=0) for p in t.parts)) for t in first.tenants
        ),
    )
    plain = replace(second, tenants=tuple(replace(t, why=None) for t in second.tenants))
    assert explained(plain, bare) == plain
    assert explained(plain, None) == plain


def test_a_thousand_requests_cost_what_the_week_cost(weeks):
    s = weeks[0]
    acme, globex = line_of(s, "acme"), line_of(s, "globex")
    assert (s.counted, acme.operations, globex.operations) == ("request", 2000, 0)
    assert s.money(acme.total) == "56.0067"
    assert s.per_thousand(acme.total, acme.operations) == "28.0034"
    assert s.per_thousand(acme.direct, acme.operations) == "0.1389"
    assert s.per_thousand(globex.total, globex.operations) is None


@pytest.mark.parametrize(
    ("quanta", "scale", "operations", "written"),
    [(1, 4, 3000, "0.0000"), (1, 4, 2000, "0.0001"), (7, 8, 1, "0.0001"), (5, 2, 1000, "0.0500")],
)
def test_unit_costs_have_two_decimals_more_than_the_currency(quanta, scale, operations, written):
    s = Statement("w", MONDAY, WEEK.end, 168, 168, "final", scale, TERMS, (), ())
    assert s.per_thousand(quanta, operations) == written


def test_the_html_says_why_and_what_a_thousand_requests_cost(weeks):
    s = shown(weeks[1])
    words = why_words(s, line_of(s, "acme"))
    assert words.endswith(f"neighbours +{s.money(line_of(s, 'acme').why.neighbours)}")
    whole_page = Document(weeks[1], 1, "0" * 64)
    assert f"acme {words}" in render(whole_page, "html").decode()
    own = render(for_tenant(whole_page, TenantId("acme")), "html").decode()
    assert words in own
    assert "1,000 requests cost 0.1389 USD directly" in own
    assert "globex" not in own


def test_the_largest_change_comes_first(weeks):
    assert (
        movers(weeks[1])[0][0]
        == max(weeks[1].tenants, key=lambda line: abs(line.total - line.before)).tenant
    )
    assert LATER.start - MONDAY == timedelta(days=7)


def test_a_closed_week_is_stored_with_its_reasons(tmp_path):
    with closing(Store.open(None)) as store:
        house.resource(store, "db:1", 1)
        for monday, busy in ((MONDAY, 10**9), (WEEK.end, 2 * 10**9)):
            add(store, [Hour(1, "acme", "db:1", busy)], monday)
            add(store, [Hour(1, "globex", "db:1", 10**9)], monday)
        house.complete_until(store, LATER.end)
        now = LATER.end + timedelta(hours=12)
        close_weeks(store, now=now, settings=TERMS, directory=tmp_path, formats=("csv",))
        with store.reader() as reader:
            kept = [stored(reader, week.id) for week in (WEEK, LATER)]
    first, second = (one.statement for one in kept if one is not None)
    assert {line.why for line in first.tenants} == {None}
    acme, globex = line_of(second, "acme"), line_of(second, "globex")
    assert acme.why.usage > 0 > acme.why.neighbours
    assert globex.why.neighbours == globex.total - globex.before < 0
