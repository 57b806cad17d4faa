from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.cost.focus import BillLine, read_focus, split_bill
from analyzer.cost.statement import money
from collector.model import Rejected
from tests.analyzer.cost.house import CAST

SAMPLE = Path(__file__).parents[4] / "shared/data/bills/focus/focus_sample.csv"
HEAD = "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ResourceId,ServiceName\n"


def users(line: BillLine) -> dict[str, int]:
    """Some users for lines with a resource, nobody for the others."""
    return (
        {t: (line.number * 31 + n * 17) % 97 for n, t in enumerate(CAST)} if line.resource else {}
    )


@pytest.mark.skipif(not SAMPLE.exists(), reason=f"the shared bills are not here: {SAMPLE}")
def test_a_real_bill_is_split_to_its_eleventh_decimal():
    bill = read_focus(SAMPLE)
    assert (len(bill.lines), bill.currency, bill.scale) == (1000, "USD", 11)
    assert bill.total == "20.52022672899"
    assert sum(line.quanta < 0 for line in bill.lines) == 13
    split = split_bill(bill, users)
    assert split.unattributed
    assert money(sum(split.tenants.values()) + split.unattributed, bill.scale) == bill.total


def bill_file(tmp_path: Path, rows: str, head: str = HEAD) -> Path:
    path = tmp_path / "bill.csv"
    path.write_text(head + rows, encoding="utf-8-sig")
    return path


def test_the_basis_is_chosen_and_nothing_reads_as_zero(tmp_path):
    path = bill_file(tmp_path, "1.25,NULL,EUR,Usage,db,RDS\n-0.005,2,EUR,Credit,NULL,RDS\n")
    assert read_focus(path).total == "1.245"
    assert read_focus(path, basis="EffectiveCost").total == "2"
    assert read_focus(path).lines[1].resource == ""


@pytest.mark.parametrize(
    ("rows", "head", "told"),
    [
        ("1,1,EUR,Usage,db,RDS\n1,1,USD,Usage,db,RDS\n", HEAD, "2 currencies"),
        ("one,1,EUR,Usage,db,RDS\n", HEAD, "row 2, BilledCost"),
        ("NaN,1,EUR,Usage,db,RDS\n", HEAD, "row 2, BilledCost"),
        ("1e99,1,EUR,Usage,db,RDS\n", HEAD, "row 2, BilledCost"),
        ("1e-99,1,EUR,Usage,db,RDS\n", HEAD, "row 2, BilledCost"),
        ("1,2\n", "Cost,Resource\n", "lacks BilledCost"),
        ("", "", "lacks BilledCost"),
    ],
)
def test_a_file_that_is_no_bill_is_refused_with_its_row(tmp_path, rows, head, told):
    with pytest.raises(Rejected, match=told):
        read_focus(bill_file(tmp_path, rows, head))


def test_a_bill_without_lines_costs_nothing(tmp_path):
    assert read_focus(bill_file(tmp_path, "")).total == "0"
