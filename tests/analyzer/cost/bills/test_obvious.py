"""Statements with bills in them agree, bit for bit, with the obvious engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.cost.bills.line import Bill
from analyzer.cost.bills.read import read_bill
from analyzer.cost.bills.rules import BillRule
from analyzer.cost.settings import CostSettings, Price, Rate
from analyzer.cost.statement import Statement
from analyzer.cost.weeks import Week
from analyzer.store.database import Store
from collector.model import UNKNOWN_TENANT
from tests.analyzer.cost.bills.obvious import billed
from tests.analyzer.cost.bills.paper import cur, here, shared_bills
from tests.analyzer.cost.bills.test_due import LONG, bills, clear, manners, proof, put, weeks_of
from tests.analyzer.cost.house import CAST, WEEK, Hour, add, place, resource, statement, tenant
from tests.analyzer.cost.reference import Home, Moves, reference

HOUR_US = 3_600_000_000
SHARD, OTHER = "db:shard-1", "db:shard-2"
STILL = Moves()
PLANS = dict(zip(CAST, ["pro", "free", "pro", "", "x"], strict=True))


@pytest.fixture(scope="module")
def shelf() -> Iterator[Store]:
    store = Store.open(None)
    yield store
    store.close()


def agree(
    shelf: Store, bill: Bill, week: Week, used: Sequence[Hour], rooms: dict[str, float],
    terms: CostSettings, moves: Moves = STILL,
) -> Statement:  # fmt: skip
    """The statement, once it is the obvious engine's to the last unit."""
    assert terms.problems() == []
    clear(shelf)
    for name, capacity in rooms.items():
        resource(shelf, name, capacity)
    for name, plan in PLANS.items():
        born, gone = moves.lives.get(name, (0, 168))
        tenant(
            shelf, name, plan=plan, floor=moves.floors.get(name),
            created_at=week.start + timedelta(hours=born),
            deleted_at=week.start + timedelta(hours=gone) if gone < 168 else None,
        )  # fmt: skip
    for home in moves.homes:
        since, until = (week.start + timedelta(hours=at) for at in (home.since, home.until))
        place(shelf, home.tenant, home.resource, home.isolation, since, until)
    add(shelf, used, week.start)
    put(shelf, bill)
    s = statement(shelf, terms, week)
    cells, lines = reference(used, rooms, week, terms, PLANS, billed(bill, week, terms), moves)
    assert {r.resource: (r.bill, r.idle, r.unattributed) for r in s.resources} == lines
    assert {
        (t.tenant, p.resource): (p.direct, p.idle, p.shared, p.credit)
        for t in s.tenants
        for p in t.parts
        if p.direct or p.idle or p.shared or p.credit
    } == cells
    proof(s)
    return s


hours = st.lists(
    st.builds(
        Hour,
        at=st.one_of(st.integers(10, 12), st.integers(0, 167)),
        tenant=st.sampled_from([*CAST, UNKNOWN_TENANT]),
        resource=st.sampled_from([SHARD, OTHER]),
        busy_us=st.integers(0, 2 * HOUR_US),
        count=st.integers(0, 9),
    ),
    min_size=4,
    max_size=30,
)
sheets = st.lists(
    st.one_of(
        st.builds(
            Price, st.sampled_from([SHARD, OTHER]), st.decimals(-2, 20, places=3).map(str),
            kind=st.sampled_from(["capacity", "usage"]),
            idle=st.sampled_from(["", "retained", "even"]),
        ),
        st.builds(
            Price, st.just("support"), st.decimals(0, 9, places=3).map(str), kind=st.just("fixed"),
            over=st.sampled_from([(), (SHARD,), (SHARD, OTHER)]),
        ),
    ),
    max_size=4,
).map(lambda more: [Price(SHARD, "1.5"), *more])  # fmt: skip
rules = st.permutations(
    [
        BillRule(SHARD, resource_id="db-1", service="RDS"),
        BillRule(OTHER, resource_id="DB-*", kind="usage"),
        BillRule("support", service="Support", kind="fixed"),
        BillRule("tax", category="tax", kind="fixed", driver="busy"),
    ]
).map(lambda all_: tuple(all_[:3]))
policies = st.sampled_from(["retained", "proportional", "even"])
terms_ = st.builds(
    CostSettings,
    prices=sheets.map(tuple),
    bill_rules=rules,
    idle=policies,
    system=policies,
    credits=st.sampled_from(["retained", "proportional"]),
    basis=st.sampled_from(["billed", "effective"]),
    currency=st.sampled_from(["USD", "EUR"]),
    rates=st.sampled_from([(), (Rate("USD", "0.9237", "a bank"),)]),
)


spans = st.tuples(st.integers(0, 168), st.integers(0, 168)).map(lambda two: tuple(sorted(two)))
moves_ = st.builds(
    Moves,
    lives=st.dictionaries(st.sampled_from(CAST), spans),
    homes=st.lists(
        st.builds(
            lambda who, where, span, how: Home(who, where, span[0], span[1], how),
            st.sampled_from(CAST), st.sampled_from([SHARD, OTHER]),
            st.one_of(st.just((0, 168)), spans),
            st.sampled_from(["shared", "shared", "database"]),
        ),
        min_size=3,
        max_size=7,
        unique_by=lambda home: (home.tenant, home.resource),
    ),
    floors=st.dictionaries(st.sampled_from(CAST), st.sampled_from([0.125, 0.3, 1.0]), min_size=3),
)  # fmt: skip


@given(bills(), hours, terms_, moves_)
@settings(LONG, max_examples=40)
def test_bills_prices_and_moves_agree_with_the_obvious_engine(shelf, data, used, terms, moves):
    agree(shelf, read_bill(data), WEEK, used, {SHARD: 1.5, OTHER: 0.25}, terms, moves)


@pytest.mark.soak
@given(bills(), hours, terms_, moves_)
@settings(LONG, max_examples=3000)
def test_bills_agree_with_the_obvious_engine_thousands_of_times(shelf, data, used, terms, moves):
    agree(shelf, read_bill(data), WEEK, used, {SHARD: 1.5, OTHER: 0.25}, terms, moves)


def named_by(bill: Bill, week: Week, terms: CostSettings) -> list[str]:
    return sorted({due.resource for due in billed(bill, week, terms).dues})


def someone_uses(names: Sequence[str]) -> list[Hour]:
    """A little of everything, each tenant at its own hours; some without a name."""
    return [
        Hour(at, who, name, (place * 7 + at * (number + 1)) % 11 * 200_000_000, place % 3)
        for place, name in enumerate(names)
        if place % 5 < 4
        for number, who in enumerate([*CAST, UNKNOWN_TENANT])
        for at in range(number + place % 9, 168, 61)
    ]


def busiest(bill: Bill) -> Week:
    """The week that takes part in most lines."""
    weeks = list(weeks_of(bill, "Europe/Berlin"))
    spans = [line.span for line in bill.lines]
    return max(weeks, key=lambda w: sum(a < w.end and b > w.start for a, b in spans))


def agrees_on(shelf: Store, bill: Bill, week: Week, basis: str) -> Statement:
    terms = replace(
        manners(basis), zone="Europe/Berlin", idle="even", system="proportional",
        credits="proportional", prices=(Price("db:Amazon DynamoDB", "0.75", kind="usage"),),
    )  # fmt: skip
    names = named_by(bill, week, terms)
    rooms = {name: 0.5 + number % 4 for number, name in enumerate(names) if number % 3}
    return agree(shelf, bill, week, someone_uses(names), rooms, terms)


@here
@pytest.mark.parametrize("basis", ["billed", "effective"])
@pytest.mark.parametrize("file", shared_bills(), ids=lambda path: path.stem)
def test_a_shared_bill_agrees_with_the_obvious_engine(shelf, file: Path, basis):
    bill = read_bill(file.read_bytes(), name=file.name, currency="USD")
    s = agrees_on(shelf, bill, busiest(bill), basis)
    assert s.resources or s.notes


@here
def test_the_bill_of_a_real_saas_agrees_with_the_obvious_engine(shelf):
    bill = read_bill(cur())
    assert agrees_on(shelf, bill, busiest(bill), "billed").allocated > 0


@here
@pytest.mark.soak
@pytest.mark.parametrize("basis", ["billed", "effective"])
@pytest.mark.parametrize(
    "file", [*shared_bills(), None], ids=lambda path: getattr(path, "stem", "cur")
)
def test_every_week_of_a_shared_bill_agrees_with_the_obvious_engine(shelf, file, basis):
    data = cur() if file is None else file.read_bytes()
    bill = read_bill(data, name=file.name if file else "cur", currency="USD")
    for week in weeks_of(bill, "Europe/Berlin"):
        agrees_on(shelf, bill, week, basis)
