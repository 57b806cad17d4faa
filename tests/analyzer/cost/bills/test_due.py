"""From a bill to the statement: every line counts once, the price sheet's estimate is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.cost.bills import shelf
from analyzer.cost.bills.due import bills_due
from analyzer.cost.bills.line import Bill, Line
from analyzer.cost.bills.read import read_bill
from analyzer.cost.bills.rules import BillRule
from analyzer.cost.settings import CostSettings, Price, Rate
from analyzer.cost.statement import Statement, from_json, to_json
from analyzer.cost.weeks import Week, week_of
from analyzer.store.database import Store
from tests.analyzer.cost import house
from tests.analyzer.cost.bills.paper import SHARED, cur, focus, here, row, shared_bills
from tests.analyzer.cost.house import CAST, WEEK, Hour, add, resource, statement
from tests.analyzer.cost.reference import hand_out

HOUR_US = 3_600_000_000
SHARD = "db:shard-1"
RULES = (BillRule(SHARD, resource_id="db-1"), BillRule("support", service="Support", kind="fixed"))
TERMS = CostSettings(prices=(Price(SHARD, "1"),), bill_rules=RULES)
TABLES = ("bills", "bill_lines", "bill_scopes", "bill_bad_rows", "bill_withdrawals")


@pytest.fixture
def store(shelf: Store) -> Store:
    clear(shelf)
    return shelf


def clear(store: Store) -> None:
    house.empty(store)
    for table in TABLES:
        house.sql(store, f"DELETE FROM {table}")  # noqa: S608


def put(store: Store, bill: Bill) -> None:
    shelf.put(store, bill, name="bill", now=WEEK.end)


def lines(s: Statement) -> dict[str, tuple[str, str, str, str]]:
    return {
        r.resource: (
            s.money(r.bill),
            s.money(r.allocated),
            s.money(r.idle),
            s.money(r.unattributed),
        )
        for r in s.resources
    }


def proof(s: Statement) -> None:
    assert s.bill == s.allocated + s.idle + s.unattributed
    for line in s.resources:
        paid = sum(p.total for t in s.tenants for p in t.parts if p.resource == line.resource)
        assert line.allocated == paid == line.bill - line.idle - line.unattributed


def weeks_of(bill: Bill, zone: str) -> Iterator[Week]:
    spans = [line.span for line in bill.lines]
    week, last = week_of(min(a for a, _ in spans), zone), max(b for _, b in spans)
    while week.start < last:
        yield week
        week = week.next()


def test_the_bill_replaces_the_estimate_and_the_adjustment_is_told(store):
    resource(store, SHARD, 1)
    add(store, [Hour(at, "acme", SHARD, HOUR_US // 2) for at in range(168)])
    assert lines(statement(store, TERMS)) == {SHARD: ("168.0000", "84.0000", "84.0000", "0.0000")}
    week = ("2026-11-16", "2026-11-23")
    put(store, read_bill(focus(row("150.50", charge=week), row("20", charge=week))))
    s = statement(store, TERMS)
    assert lines(s) == {SHARD: ("170.5000", "85.2500", "85.2500", "0.0000")}
    (line,) = s.resources
    assert (line.estimate, line.billed, line.adjustment) == (1_680_000, 1_705_000, 25_000)
    assert s.reconciled == 1.0
    assert from_json(to_json(s)) == s
    proof(s)


def test_a_bill_of_the_first_days_leaves_the_estimate_of_the_rest(store):
    resource(store, SHARD, 1)
    add(store, [Hour(at, "acme", SHARD, HOUR_US) for at in range(168)])
    put(store, read_bill(focus(row("60", charge=("2026-11-16", "2026-11-18")))))
    s = statement(store, TERMS)
    assert s.money(s.bill) == "180.0000"
    (line,) = s.resources
    assert (line.billed, line.estimate) == (600_000, 480_000)
    assert s.reconciled == pytest.approx(60 / 180)
    proof(s)


def test_a_week_on_the_edge_of_two_months_takes_its_part_of_each_bill(store):
    week = week_of(datetime(2026, 10, 28, tzinfo=UTC), "UTC")
    october, november = ("2026-10-01", "2026-11-01"), ("2026-11-01", "2026-12-01")
    put(store, read_bill(focus(row("31", period=october, charge=october))))
    put(store, read_bill(focus(row("60", period=november, charge=november))))
    s = statement(store, TERMS, week)
    assert s.money(s.bill) == "8.0000"
    assert s.reconciled == 1.0


def test_lines_no_rule_fits_are_lines_of_their_own(store):
    rows = (row("5", service="S3", resource="bucket"), row("7", service="SQS", resource=""))
    put(store, read_bill(focus(*rows)))
    s = statement(store, replace(TERMS, prices=()))
    assert lines(s) == {
        "unmatched: S3": ("5.0000", "0.0000", "0.0000", "5.0000"),
        "unmatched: SQS": ("7.0000", "0.0000", "0.0000", "7.0000"),
    }
    assert {line.kind for line in s.resources} == {"unmatched"}
    assert any("12.0000 USD of bills fits no [[bill_rule]]" in note for note in s.notes)
    assert s.status == "provisional"


def test_a_credit_follows_its_resource_or_the_policy_of_the_account(store):
    resource(store, SHARD, 1)
    add(store, [Hour(at, "acme", SHARD, HOUR_US * 3 // 4) for at in range(168)])
    add(store, [Hour(at, "globex", SHARD, HOUR_US // 4) for at in range(168)])
    week = ("2026-11-16", "2026-11-23")
    put(store, read_bill(focus(
        row("100", charge=week),
        row("-10", charge=week, category="Credit"),
        row("-4", charge=week, category="Credit", resource="", service="Promo"),
    )))  # fmt: skip
    s = statement(store, TERMS)
    assert {t.tenant: (s.money(t.direct), s.money(t.credit)) for t in s.tenants} == {
        "acme": ("75.0000", "-7.5000"),
        "globex": ("25.0000", "-2.5000"),
    }
    assert lines(s)["credits"] == ("-4.0000", "0.0000", "0.0000", "-4.0000")
    spread = statement(store, replace(TERMS, credits="proportional"))
    assert {t.tenant: spread.money(t.credit) for t in spread.tenants} == {
        "acme": "-10.5000",
        "globex": "-3.5000",
    }
    for each in (s, spread):
        proof(each)


def test_a_bill_of_a_fee_changes_what_it_costs_and_not_who_pays(store):
    resource(store, SHARD, 1)
    add(store, [Hour(at, "acme", SHARD, HOUR_US * 3 // 4) for at in range(168)])
    add(store, [Hour(at, "globex", SHARD, HOUR_US // 4) for at in range(168)])
    fee = Price("support", "0.10", kind="fixed", over=(SHARD,))
    terms = replace(TERMS, prices=(*TERMS.prices, fee))
    shares = []
    for billed in (None, "40"):
        if billed:
            week = ("2026-11-16", "2026-11-23")
            put(store, read_bill(focus(row(billed, service="Support", resource="", charge=week))))
        s = statement(store, terms)
        proof(s)
        shares.append({t.tenant: s.money(t.shared) for t in s.tenants})
    assert shares == [
        {"acme": "12.6000", "globex": "4.2000"},
        {"acme": "30.0000", "globex": "10.0000"},
    ]


def test_currencies_are_never_mixed_without_a_rate(store):
    put(store, read_bill(focus(row("10", currency="EUR"), row("8", currency="Token"))))
    s = statement(store, replace(TERMS, prices=()))
    assert (s.bill, s.resources) == (0, ())
    assert any("billed in EUR and not counted" in note for note in s.notes)
    rate = Rate("EUR", "1.0825", "ECB 2026-11-16")
    s = statement(store, replace(TERMS, prices=(), rates=(rate,)))
    assert s.money(s.bill) == "10.8250"
    assert any("billed in Token and not counted" in note for note in s.notes)


def test_the_basis_is_one_of_two_and_never_both(store):
    put(store, read_bill(focus(row("0", effective="3"), row("5", effective="0"))))
    assert statement(store, replace(TERMS, prices=())).bill == 5 * 10_000
    effective = statement(store, replace(TERMS, prices=(), basis="effective"))
    assert effective.bill == 3 * 10_000


def test_a_bill_without_the_basis_is_told_and_not_counted(store):
    put(store, read_bill(focus(row("0", effective=""), row("5", effective=""))))
    s = statement(store, replace(TERMS, basis="effective"))
    assert s.bill == 168 * 10_000
    assert any("no effective cost and is not counted" in note for note in s.notes)


def test_a_correction_counts_in_the_week_it_was_incurred(store):
    october, before = ("2026-10-01", "2026-11-01"), ("2026-10-05", "2026-10-06")
    put(store, read_bill(focus(row("31", period=october, charge=before))))
    put(store, read_bill(focus(row("-1", klass="Correction", charge=before), row("2"))))
    bare = replace(TERMS, prices=())
    assert statement(store, bare, week_of(datetime(2026, 10, 5, tzinfo=UTC), "UTC")).bill == 300_000
    assert statement(store, bare).bill == 20_000


def test_rounding_adjustments_are_a_shared_class_of_their_own(store):
    house.tenant(store, "acme")
    data = focus(row("0.01", service="", resource="")).replace(
        b"ChargeClass", b"ChargeDescription"
    ).replace(b",,\n", b",Rounding Adjustment,\n")  # fmt: skip
    put(store, read_bill(data))
    s = statement(store, replace(TERMS, prices=()))
    assert lines(s) == {"rounding adjustments": ("0.0100", "0.0100", "0.0000", "0.0000")}


moments = st.integers(0, 6 * 7 * 24).map(
    lambda hour: datetime(2026, 10, 19, tzinfo=UTC) + timedelta(hours=hour)
)


@st.composite
def bills(draw: st.DrawFn) -> bytes:
    """Lines over six weeks and two months, with credits, corrections and a year paid at once."""
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        start = draw(moments)
        length = draw(st.sampled_from([1, 24, 24 * 30]))
        month = draw(st.sampled_from([("2026-10-01", "2026-11-01"), ("2026-11-01", "2026-12-01")]))
        rows.append(
            row(
                str(draw(st.decimals(-50, 500, places=draw(st.integers(0, 9))))),
                category=draw(st.sampled_from(["Usage", "Purchase", "Credit", "Tax"])),
                resource=draw(st.sampled_from(["db-1", "db-2", ""])),
                service=draw(st.sampled_from(["RDS", "Support", "S3"])),
                period=month,
                charge=(start.isoformat(), (start + timedelta(hours=length)).isoformat()),
            )
        )
    return focus(*rows)


def every_week_sums_to(store: Store, bill: Bill, terms: CostSettings, basis: str) -> None:
    found = Decimal(0)
    for week in weeks_of(bill, terms.zone):
        s = statement(store, terms, week)
        proof(s)
        found += Decimal(s.money(s.bill))
    assert found == bill.total(terms.currency, basis)


def sums_to_the_bill(store: Store, data: bytes, zone: str) -> None:
    clear(store)
    resource(store, SHARD, 1)
    for number, name in enumerate(CAST):
        add(store, [Hour(24 * d + number, name, SHARD, HOUR_US // 3) for d in range(7)])
    bill = read_bill(data)
    put(store, bill)
    terms = CostSettings(zone=zone, bill_rules=RULES, idle="proportional", credits="proportional")
    every_week_sums_to(store, bill, terms, "billed")


LONG = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(bills(), st.sampled_from(["UTC", "Europe/Berlin", "America/Santiago"]))
@settings(LONG, max_examples=6)
def test_the_statements_of_all_weeks_sum_to_the_bill(shelf, data, zone):
    sums_to_the_bill(shelf, data, zone)


@pytest.mark.soak
@given(bills(), st.sampled_from(["UTC", "Europe/Berlin", "America/Santiago"]))
@settings(LONG, max_examples=2000)
def test_the_statements_of_all_weeks_sum_to_the_bill_two_thousand_times(shelf, data, zone):
    sums_to_the_bill(shelf, data, zone)


@given(bills(), st.lists(moments, min_size=2, max_size=6, unique=True))
@settings(LONG, max_examples=10)
def test_any_cut_of_the_time_sums_to_the_whole(shelf, data, cuts):
    clear(shelf)
    put(shelf, read_bill(data))
    terms = CostSettings(bill_rules=RULES)
    ends = [datetime(2026, 9, 1, tzinfo=UTC), *sorted(cuts), datetime(2028, 1, 1, tzinfo=UTC)]

    def total(a: datetime, b: datetime) -> Decimal:
        with shelf.reader() as reader:
            due = bills_due(reader, a, b, terms)
        return Decimal(sum(c.quanta for c in due.charges)).scaleb(-due.scale)

    parts = [total(a, b) for a, b in pairwise(ends)]
    assert sum(parts, Decimal(0)) == total(ends[0], ends[-1])


def manners(basis: str) -> CostSettings:
    """Rules that give some of every shared bill to resources of each kind, and leave some."""
    rules = (
        BillRule("compute:{resource_id}", service="*c*e*", tags=("environment=*",)),
        BillRule("db:{service}", service="*d*b*", kind="usage"),
        BillRule("plan", category="Purchase", kind="fixed"),
    )
    return CostSettings(basis=basis, bill_rules=rules)


@here
@pytest.mark.parametrize("basis", ["billed", "effective"])
@pytest.mark.parametrize("file", shared_bills(), ids=lambda path: path.stem)
def test_what_is_due_of_a_shared_bill_sums_to_it_over_the_weeks(store, file: Path, basis):
    bill = read_bill(file.read_bytes(), name=file.name, currency="USD")
    put(store, bill)
    found = Decimal(0)
    with store.reader() as reader:
        for week in weeks_of(bill, "Europe/Berlin"):
            due = bills_due(reader, week.start, week.end, manners(basis))
            found += Decimal(sum(c.quanta for c in due.charges)).scaleb(-due.scale)
    assert found == bill.total("USD", basis)


@here
@pytest.mark.parametrize(
    ("file", "basis"),
    [
        ("focus/focus_sample.csv", "billed"),
        ("azure-ea/EA_AmortizedCost_Small.csv", "effective"),
        *(pytest.param(str(f.relative_to(SHARED)), b, marks=pytest.mark.soak)
          for f in shared_bills() for b in ("billed", "effective")),
    ],
)  # fmt: skip
def test_the_statements_of_a_shared_bill_sum_to_it(store, file, basis):
    bill = read_bill((SHARED / file).read_bytes(), name=file, currency="USD")
    put(store, bill)
    every_week_sums_to(store, bill, manners(basis), basis)


@here
def test_the_bill_of_a_real_saas_is_split_over_its_tenants_as_by_hand(store):
    bill = read_bill(cur())
    put(store, bill)
    names = {"AWS Lambda": "pool:lambda", "Amazon DynamoDB": "db:dynamo"}
    terms = CostSettings(
        bill_rules=tuple(BillRule(r, service=s, kind="usage") for s, r in names.items())
    )
    week = week_of(datetime(2022, 10, 5, tzinfo=UTC), "UTC")
    use = [
        Hour(at, tenant, name, (number * 7 + at) % 11 * 1_000_000)
        for at in range(0, 168, 5)
        for number, tenant in enumerate(CAST)
        for name in names.values()
    ]
    add(store, use, week.start)
    s = statement(store, terms, week)
    proof(s)
    until = max(line.end for line in bill.lines)  # the bill of the first days, not of the month
    for service, name in names.items():
        mine = [line for line in bill.lines if line.face.service == service]
        inside = [line for line in mine if week.start <= line.start and line.end <= week.end]
        assert sum(overlap(line, week) for line in mine) == len(inside)
        whole = sum((line.billed or Decimal(0) for line in inside), Decimal(0))
        hours = [
            h for h in use if h.resource == name and week.start + timedelta(hours=h.at) < until
        ]
        weights = {t: sum(h.busy_us or 0 for h in hours if h.tenant == t) for t in CAST}
        parts = {t.tenant: p.direct for t in s.tenants for p in t.parts if p.resource == name}
        assert parts == hand_out(int(whole.scaleb(s.scale)), weights)


def overlap(line: Line, week: Week) -> bool:
    return line.start < week.end and line.end > week.start
