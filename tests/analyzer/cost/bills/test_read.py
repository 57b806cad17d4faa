"""Bills of every shape, read to the last decimal; bad rows kept aside, bad files refused."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.cost.bills import parts
from analyzer.cost.bills.aws import column
from analyzer.cost.bills.cells import UnreadableCell, amount, instant, tags
from analyzer.cost.bills.focus import version
from analyzer.cost.bills.read import read_bill
from collector.model import Rejected
from tests.analyzer.cost.bills.paper import HEAD, SHARED, cur, focus, here, row

SCENARIOS = "focus-scenarios/"


def on(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@here
@pytest.mark.parametrize(
    ("file", "shape", "lines", "bad", "scale", "billed", "effective"),
    [
        ("focus/focus_sample.csv", "focus-1.0", 1000, 0, 11, "20.52022672899", "14.97651418586"),
        (SCENARIOS + "saas_spend_agreements_b2.csv", "focus-1.1", 14, 0, 0, "1200", "1200"),
        (SCENARIOS + "simple_saas_agreements_c.csv", "focus-1.1", 3, 0, 2, "35800", "35800"),
        (SCENARIOS + "virtual_currency_pricing_model_a2.csv", "focus-1.2", 3, 0, 2, "0", "1230"),
        (SCENARIOS + "commitment_discount_purchase_scenario_2.csv", "focus-1.1", 2, 1, 2, "2", "0"),
        ("azure-ea/EA_ActualCost_Small.csv", "azure-ea", 11, 0, 16, "8.5450077867419368", "0"),
        ("azure-ea/EA_AmortizedCost_Small.csv", "azure-ea", 28, 0, 24, "0",
         "16.296932136636644627485419"),
    ],
)  # fmt: skip
def test_a_shared_bill_is_read_exactly(file, shape, lines, bad, scale, billed, effective):
    bill = read_bill((SHARED / file).read_bytes(), name=file, currency="USD")
    assert (bill.shape, len(bill.lines), len(bill.bad), bill.scale) == (shape, lines, bad, scale)
    assert bill.total("USD") == Decimal(billed)
    assert bill.total("USD", "effective") == Decimal(effective)


@here
def test_the_native_report_of_aws_in_thirty_parts_is_one_bill():
    bill = read_bill(cur())
    assert (bill.shape, bill.parts, len(bill.lines), bill.bad) == ("aws-cur", 30, 14218, ())
    assert bill.total("USD") == Decimal("1.9539007572")
    assert {line.face.service for line in bill.lines} == {"AWS Lambda", "Amazon DynamoDB"}
    assert {line.since for line in bill.lines} == {on(2022, 10, 1)}


@here
def test_the_real_sample_keeps_its_negative_lines_and_empty_cells():
    bill = read_bill((SHARED / "focus/focus_sample.csv").read_bytes())
    assert sum(line.billed < 0 for line in bill.lines if line.billed is not None) == 13
    assert {line.face.provider for line in bill.lines} == {"AWS", "Microsoft", "Oracle"}
    assert not any("NULL" in (x.face.resource_id, x.charge_class) for x in bill.lines)
    assert any(dict(line.face.tags).get("application") for line in bill.lines)


@pytest.mark.parametrize(
    ("columns", "number"),
    [
        ({"BilledCost", "ProviderName"}, "1.0"),
        ({"BilledCost", "ProviderName", "SkuMeter"}, "1.1"),
        ({"BilledCost", "ProviderName", "SkuMeter", "InvoiceId"}, "1.2"),
        ({"BilledCost", "ProviderName", "InvoiceId", "HostProviderName"}, "1.3"),
        ({"BilledCost", "ProviderName", "InvoiceId", "AllocatedMethodId"}, "1.3"),
        ({"BilledCost", "ServiceProviderName", "HostProviderName", "InvoiceId"}, "1.4"),
    ],
)
def test_the_header_says_which_focus_it_is(columns, number):
    assert version(columns) == number


def test_however_it_is_packed_it_is_the_same_bill(tmp_path):
    plain = focus(row("1.25"), row("-0.05", category="Credit"))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("bill.csv", plain)
    frame = pl.read_csv(plain, infer_schema=False)
    frame.write_parquet(tmp_path / "bill.parquet")
    found = [
        read_bill(data)
        for data in (plain, gzip.compress(plain), zipped.getvalue(),
                     gzip.compress(plain[:9]) + gzip.compress(plain[9:]),
                     (tmp_path / "bill.parquet").read_bytes(),
                     plain.decode("utf-8-sig").encode("utf-16"))
    ]  # fmt: skip
    assert {bill.total("USD") for bill in found} == {Decimal("1.20")}
    assert len({bill.sha256 for bill in found}) == 1


def test_a_typed_parquet_file_is_read_by_its_shortest_digits(tmp_path):
    frame = pl.DataFrame(
        {
            "BilledCost": [1.4771e-06, 0.1],
            "BillingCurrency": ["USD", "USD"],
            "ChargePeriodStart": [on(2026, 11, 1), on(2026, 11, 2)],
            "ChargePeriodEnd": [on(2026, 11, 2), on(2026, 11, 3)],
            "Tags": [[{"key": "db", "value": "shard-1"}], []],
        }
    )
    frame.write_parquet(tmp_path / "bill.parquet")
    bill = read_bill((tmp_path / "bill.parquet").read_bytes())
    assert bill.total("USD") == Decimal("0.1000014771")
    assert bill.lines[0].face.tag("db") == "shard-1"


def test_a_bad_row_is_named_and_does_not_sink_the_others():
    data = focus(
        row("1"), row("one"), row("2", charge=("yesterday", "2026-11-02")), "1,2,3",
        row("4", charge=("2026-11-03", "2026-11-02")), row("NaN"), row("5"),
    )  # fmt: skip
    bill = read_bill(data, name="nov.csv")
    assert [line.row for line in bill.lines] == [2, 8]
    told = {bad.row: bad.what for bad in bill.bad}
    assert told == {
        3: "BilledCost: 'one' is not an amount",
        4: "ChargePeriodStart: 'yesterday' is no time, write it like 2026-11-01T00:00:00Z",
        5: "has 3 cells where the header has 14",
        6: "its charge ends before it begins",
        7: "BilledCost: 'NaN' is not an amount",
    }
    assert all(bad.part == "nov.csv" for bad in bill.bad)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "has no header that we know"),
        (b"a,b\n1,2\n", "has no header that we know"),
        (b"\x1f\x8bnonsense", "broken gzip"),
        (gzip.compress(b"BilledCost", mtime=0)[:-9], "cut off"),
        (b"PK\x03\x04nonsense", "broken or encrypted zip"),
        (b"PAR1nonsense", "broken Parquet"),
        (b"BilledCost\0,x", "neither CSV nor Parquet"),
        (b"BilledCost,\xff\n", "no UTF-8"),
        (b"BilledCost,ChargePeriodStart\n1,2\n", "lacks ChargePeriodEnd"),
        (focus(row("x"), row("y")), "no row that can be read"),
        (
            HEAD.replace("BillingCurrency", "C").encode() + row().encode(),
            "BillingCurrency is empty",
        ),
    ],
)
def test_a_file_that_is_no_bill_is_refused(data, told):
    with pytest.raises(Rejected, match=told):
        read_bill(data)


def test_a_small_file_that_unpacks_to_a_very_large_one_is_refused(monkeypatch):
    monkeypatch.setattr(parts, "MAX_BYTES", 1000)
    bomb = gzip.compress(b"0" * 100_000)
    with pytest.raises(Rejected, match="MiB unpacked"):
        read_bill(bomb)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bill.csv", b"0" * 100_000)
    with pytest.raises(Rejected, match="MiB unpacked"):
        read_bill(zipped.getvalue())
    nested = focus(row())
    for _ in range(5):
        nested = gzip.compress(nested)
    with pytest.raises(Rejected, match="three times"):
        read_bill(nested)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0.00000080000", "0.00000080000"), ("1e-7", "1E-7"), ("$10,000.00 ", "10000.00"),
        ("-$1.50", "-1.50"), ("$-1.50", "-1.50"), ("1E+2", "100"), ("NULL", None), (" ", None),
        (".5", "0.5"), ("0." + "1" * 20 + "0" * 9, "0." + "1" * 20),
    ],
)  # fmt: skip
def test_amounts_as_files_write_them(written, meant):
    found = amount({"BilledCost": written}, "BilledCost")
    assert found == (None if meant is None else Decimal(meant))


@pytest.mark.parametrize(
    "written", ["1,0,0", "1.000,50", "--1", "1 2", "Infinity", "1e99", "0." + "1" * 30, "9" * 16]
)
def test_amounts_that_are_none(written):
    with pytest.raises(UnreadableCell):
        amount({"BilledCost": written}, "BilledCost")


@given(st.decimals(min_value=-(10**14), max_value=10**14, allow_nan=False, places=12))
def test_an_amount_is_what_was_written(value):
    assert amount({"c": f"{value:f}"}, "c") == value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-01T00:00:00Z", on(2026, 11, 1)),
        ("2026-11-01 00:00:00", on(2026, 11, 1)),
        ("2026-11-01T02:00:00+02:00", on(2026, 11, 1)),
        ("2026-11-01", on(2026, 11, 1)),
        ("5/1/25", on(2025, 5, 1)),
        ("09/21/2023", on(2023, 9, 21)),
        ("9/21/2023 7:05", on(2023, 9, 21, 7, 5)),
        ("null", None),
    ],
)
def test_times_as_files_write_them(written, meant):
    found = instant({"t": written}, "t")
    assert found == (None if meant is None else meant)


@pytest.mark.parametrize("written", ["13/1/25", "1/32/2025", "2026-13-01", "noon", "1/1"])
def test_times_that_are_none(written):
    with pytest.raises(UnreadableCell, match="no time"):
        instant({"t": written}, "t")


def test_tags_come_with_and_without_braces_and_as_pairs():
    assert tags('{"a": "1", "b": 2}') == (("a", "1"), ("b", "2"))
    assert tags('"a": "1"') == (("a", "1"),)
    assert tags('[{"key": "a", "value": "1"}]') == (("a", "1"),)
    assert tags("team=x") == tags("[1]") == tags("{" * 100_000) == ()


def test_the_csv_names_of_aws_are_its_parquet_names():
    assert column("lineItem/UnblendedCost") == "line_item_unblended_cost"
    assert column("resourceTags/user:team") == "resource_tags_user_team"
    assert column("product/memory") == ""


def test_a_reservation_of_aws_has_its_amortised_cost():
    head = (
        "lineItem/LineItemType,lineItem/UnblendedCost,lineItem/UsageStartDate,"
        "lineItem/UsageEndDate,lineItem/CurrencyCode,reservation/EffectiveCost,"
        "reservation/UnusedRecurringFee,resourceTags/user:db\n"
    )
    day = "2026-11-01T00:00:00Z,2026-11-02T00:00:00Z,USD"
    data = head + f"DiscountedUsage,0,{day},0.7,,shard-1\nRIFee,5,{day},,0.3,\nUsage,2,{day},,,\n"
    bill = read_bill(data.encode())
    assert (bill.total("USD"), bill.total("USD", "effective")) == (Decimal(7), Decimal("3.0"))
    assert bill.lines[0].face.tag("db") == "shard-1"


def test_a_charge_that_outlasts_its_billing_period_counts_inside_it():
    year = ("2026-11-01", "2027-11-01")
    old = ("2026-10-05", "2026-10-06")
    bill = read_bill(focus(row(charge=year), row(charge=old, klass="Correction")))
    assert bill.lines[0].span == (
        on(2026, 11, 1),
        on(2026, 12, 1),
    )
    assert bill.lines[1].span == (
        on(2026, 10, 5),
        on(2026, 10, 6),
    )
