"""Rounded tables add up in both directions, and nothing moves by a whole unit."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.cost.rounding import Cell, controlled, nearest
from analyzer.cost.settings import CostSettings
from analyzer.cost.shown import shown, shown_amount
from analyzer.cost.statement import Part, ResourceLine, Statement, TenantLine
from tests.analyzer.cost.house import WEEK

UNIT = 100
AMOUNT = st.one_of(
    st.integers(-500, 1000),
    st.sampled_from([0, 0, 33, 50, 99, 1, 100, -1]),
)


@st.composite
def tables(draw: st.DrawFn) -> list[Cell]:
    rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    places = [(r, c) for r in range(rows) for c in range(columns) if draw(st.booleans())]
    return [Cell(r, c, draw(AMOUNT)) for r, c in places]


def within_a_unit(exact: int, rounded: int) -> bool:
    return abs(exact - rounded * UNIT) < UNIT


@settings(max_examples=200, deadline=None)
@given(tables())
def test_cells_rows_columns_and_the_whole_stay_within_a_unit(cells):
    found = controlled(cells, UNIT)
    sums: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for cell, rounded in zip(cells, found, strict=True):
        assert within_a_unit(cell.amount, rounded)
        for key in (("row", cell.row), ("column", cell.column)):
            sums[key][0] += cell.amount
            sums[key][1] += rounded
    assert all(within_a_unit(exact, rounded) for exact, rounded in sums.values())
    assert sum(found) == nearest(sum(cell.amount for cell in cells), UNIT)


def test_many_equal_thirds_do_not_drift():
    cells = [Cell(row, column, 33) for row in range(200) for column in range(3)]
    found = controlled(cells, UNIT)
    for column in range(3):
        assert sum(found[column::3]) in (66, 67)
    assert sum(found) == 198


def test_amounts_go_to_the_nearest_where_the_whole_allows_it():
    cells = [Cell(0, 0, 7_973), Cell(1, 0, 855), Cell(2, 0, 7_972)]
    assert controlled(cells, UNIT) == [80, 8, 80]


def test_a_column_that_the_first_pass_starves_is_repaired():
    cells = [Cell(row, row % 7, 30) for row in range(70)] + [Cell(row, 7, 20) for row in range(70)]
    found = controlled(cells, UNIT)
    sums: dict[int, int] = defaultdict(int)
    for cell, rounded in zip(cells, found, strict=True):
        sums[cell.column] += rounded
    assert sums == dict.fromkeys(range(7), 3) | {7: 14}


@pytest.mark.parametrize(
    ("amount", "whole"), [(149, 1), (150, 2), (-150, -1), (-151, -2), (0, 0), (50, 1)]
)
def test_nearest_is_half_up(amount, whole):
    assert nearest(amount, UNIT) == whole


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    names = [f"db:{n}" for n in range(draw(st.integers(1, 4)))]
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    amount = st.integers(-20_000, 200_000) | st.just(0)
    tenants = tuple(
        TenantLine(
            f"t{n}", "", "",
            tuple(
                Part(name, draw(amount), draw(amount), draw(amount))
                for name in names
                if draw(st.booleans())
            ),
            draw(st.none() | st.integers(0, 10**7)),
        )
        for n in range(draw(st.integers(0, 6)))
    )  # fmt: skip
    lines = []
    for name in names:
        paid = sum(p.total for t in tenants for p in t.parts if p.resource == name)
        idle, nobody = draw(amount), draw(amount)
        lines.append(ResourceLine(name, "", paid + idle + nobody, paid, idle, nobody, None))
    terms = CostSettings(currency=currency)
    return Statement(
        WEEK.id, WEEK.start, WEEK.end, 168, 168, "final", terms.precision + 2, terms, tenants,
        tuple(lines),
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(statements())
def test_a_shown_statement_adds_up_and_is_less_than_a_unit_off(statement):
    s = shown(statement)
    assert s.scale == statement.terms.precision
    assert s.bill == s.allocated + s.idle + s.unattributed == nearest(statement.bill, UNIT)
    for exact, line in zip(statement.resources, s.resources, strict=True):
        paid = sum(p.total for t in s.tenants for p in t.parts if p.resource == line.resource)
        assert line.bill == line.allocated + line.idle + line.unattributed
        assert line.allocated == paid
        assert within_a_unit(exact.bill, line.bill)
        assert within_a_unit(exact.idle, line.idle)
    for before, tenant in zip(statement.tenants, s.tenants, strict=True):
        assert within_a_unit(before.total, tenant.total)
        for a, b in zip(before.parts, tenant.parts, strict=True):
            for column in ("direct", "idle", "shared", "total"):
                assert within_a_unit(getattr(a, column), getattr(b, column))


def test_columns_of_many_small_shares_do_not_vanish():
    parts = (Part("db", 33, 20, 10),)
    tenants = tuple(TenantLine(f"t{n}", "", "", parts, None) for n in range(300))
    paid = 63 * 300
    line = ResourceLine("db", "", paid, paid, 0, 0, None)
    terms = CostSettings()
    s = shown(
        Statement("2026-W47", WEEK.start, WEEK.end, 168, 168, "final", 4, terms, tenants, (line,))
    )
    sums = [sum(getattr(t, c) for t in s.tenants) for c in ("direct", "idle", "shared")]
    assert sum(sums) == 189
    assert all(abs(got - want) <= 1 for got, want in zip(sums, (99, 60, 30), strict=True)), sums


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [("-3.1200", "JPY", "-3"), ("0.5000", "JPY", "1"), ("168.005", "USD", "168.01"),
     ("7", "USD", "7.00"), ("-0.0049", "EUR", "0.00"), ("1.2345", "KWD", "1.235")],
)  # fmt: skip
def test_an_amount_outside_tables_has_the_decimals_of_its_currency(amount, currency, written):
    assert shown_amount(amount, currency) == written
