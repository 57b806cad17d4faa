"""The FOCUS export read back is the statement, exactly; names do no harm in it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.cost.statement import Statement
from analyzer.reports.csv_file import inert
from analyzer.reports.document import Document, for_tenant
from analyzer.reports.files import render, write_report
from analyzer.reports.focus_file import COLUMNS, ratios
from collector.model import TenantId
from tests.analyzer.reports.test_files import document, statement  # noqa: F401

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def rows(document: Document) -> Rows:  # noqa: F811
    return read(document)


def read(document: Document) -> Rows:  # noqa: F811
    text = render(document, "focus").decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def details(row: dict[str, str]) -> dict[str, Decimal]:
    (element,) = json.loads(row["AllocatedMethodDetails"], parse_float=Decimal)["Elements"]
    return dict(element)


def test_columns_are_in_ascii_order_with_our_own_last():
    assert list(COLUMNS) == sorted(COLUMNS)
    assert [c for c in COLUMNS if c.startswith("x_")] == list(COLUMNS)[-10:]


def test_every_tenant_and_resource_has_one_row_with_its_exact_cost(rows, statement):  # noqa: F811
    s: Statement = statement
    got = {
        (row["AllocatedResourceId"], row["ResourceId"]): row["BilledCost"]
        for row in rows
        if row["SubAccountId"]
    }
    assert got == {
        (f"tenant/{t.tenant}", inert(p.resource)): s.money(p.total)
        for t in s.tenants
        for p in t.parts
    }
    assert len(rows) == len({(r["AllocatedResourceId"], r["x_SplitOriginId"]) for r in rows})


def test_rows_of_an_origin_sum_to_it_and_all_rows_to_the_bill(rows, statement):  # noqa: F811
    sums: dict[str, Decimal] = defaultdict(Decimal)
    origins = {row["x_SplitOriginId"]: Decimal(row["x_SplitOriginCost"]) for row in rows}
    for row in rows:
        sums[row["x_SplitOriginId"]] += Decimal(row["BilledCost"])
    assert sums == origins
    assert sum(sums.values()) == Decimal(statement.money(statement.bill))
    kept = {
        who: sum(Decimal(r["BilledCost"]) for r in rows if r["AllocatedResourceId"] == who)
        for who in ("idle", "unattributed")
    }
    assert kept == {
        "idle": Decimal(statement.money(statement.idle)),
        "unattributed": Decimal(statement.money(statement.unattributed)),
    }


def test_cost_is_unit_price_times_quantity_and_the_price_is_that_of_the_origin(rows):
    prices: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        prices[row["x_SplitOriginId"]].add(row["ListUnitPrice"])
        if row["ChargeCategory"] != "Credit":
            product = Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"])
            assert product == Decimal(row["ListCost"]) == Decimal(row["BilledCost"])
    assert {len(found) for found in prices.values()} == {1}


def test_ratios_of_an_origin_sum_to_one(rows):
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row["x_SplitOriginId"]] += details(row)["AllocatedRatio"]
    assert set(sums.values()) == {Decimal(1)}


@given(st.lists(st.integers(-(10**9), 10**12), min_size=1, max_size=20))
def test_ratios_sum_to_one_or_are_not_given(amounts):
    found = ratios(amounts, sum(amounts))
    if sum(amounts):
        assert sum(map(Decimal, found)) == 1
        exact = [Decimal(a) / Decimal(sum(amounts)) for a in amounts]
        assert all(
            abs(Decimal(f) - e) < Decimal("1e-11") for f, e in zip(found, exact, strict=True)
        )
    else:
        assert set(found) == {""}


def test_numbers_have_no_exponent_and_times_end_in_z(rows):
    for row in rows:
        for name, cell in row.items():
            if name.endswith(("Cost", "Quantity", "UnitPrice")):
                assert set(cell) <= set("-0123456789.")
            if name.endswith(("PeriodStart", "PeriodEnd")):
                assert cell.endswith("Z")


def test_no_cell_is_a_formula(rows):
    for row in rows:
        for name, cell in row.items():
            if not name.endswith("Cost") and not name.endswith("Quantity"):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_tenant_sees_its_own_rows_and_nothing_that_tells_the_rest(document, statement):  # noqa: F811
    found = read(for_tenant(document, TenantId("t1")))
    assert {row["SubAccountId"] for row in found} == {"tenant/t1"}
    line = next(t for t in statement.tenants if t.tenant == "t1")
    assert sum(Decimal(r["BilledCost"]) for r in found) == Decimal(statement.money(line.total))
    assert {(r["AllocatedMethodDetails"], r["x_SplitOriginCost"]) for r in found} == {("", "")}


def test_a_resource_that_cost_nothing_still_conserves(statement, document):  # noqa: F811
    (free,) = [r for r in statement.resources if r.resource == "db:shard-2"]
    found = [r for r in read(document) if r["ResourceId"] == "db:shard-2"]
    assert sum(Decimal(r["BilledCost"]) for r in found) == Decimal(statement.money(free.bill))


def test_the_file_is_called_focus_csv(document, tmp_path):  # noqa: F811
    (written,) = write_report(document, ["focus"], tmp_path)
    assert written.path.name == "2026-W47.focus.csv"


def test_the_official_validator_finds_only_its_own_known_defect(document, tmp_path):  # noqa: F811
    """`focus-data-toolkit[validator]` lives in an environment of its own (Python 3.12)."""
    tool = shutil.which(os.environ.get("FOCUS_TOOLKIT", "focus-toolkit"))
    if tool is None:
        pytest.skip("set FOCUS_TOOLKIT to the focus-toolkit of a Python 3.12 environment")
    (written,) = write_report(document, ["focus"], tmp_path)
    command = [tool, "validate", str(written.path), "--official", "--focus-version", "1.2.0.1"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert re.search(r"Total: 578 \| Pass: 1[0-9]{2} ", said)
    assert set(re.findall(r"❌ ([^ :]+): FAIL", said)) <= {"InvoiceId-C-004-C"}
    bundle = [tool, "validate-bundle", "--cost-and-usage", str(written.path)]
    subprocess.run(bundle, capture_output=True, check=True)
