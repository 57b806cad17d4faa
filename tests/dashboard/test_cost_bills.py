"""The cost page tells what a provider's bill changed, and what of it nobody can be given."""

from __future__ import annotations

from datetime import UTC, datetime

from analyzer.api.views.cost import CostPage, ResourceCost
from dashboard.pages.cost import cards, pools_table

PAGE = CostPage(
    week="2026-W47",
    start=datetime(2026, 11, 16, tzinfo=UTC), end=datetime(2026, 11, 23, tzinfo=UTC),
    hours=168, zone="UTC", currency="USD", status="final", version=2, bill="157.00",
    allocated="100.00", idle="50.00", unattributed="7.00", coverage=1.0, lines=[], weeks=[],
    reconciled=0.96,
    resources=[
        ResourceCost(resource="db:shard-1", bill="150.00", allocated="100.00", idle="50.00",
                     unattributed="0.00", coverage=1.0, billed="150.00", estimate="168.00",
                     adjustment="-18.00"),
        ResourceCost(resource="unmatched: S3", bill="7.00", allocated="0.00", idle="0.00",
                     unattributed="7.00", coverage=None, kind="unmatched", billed="7.00"),
    ],
)  # fmt: skip


def test_the_adjustment_stands_beside_its_resource_and_the_unmatched_have_a_line():
    shown = str(pools_table(PAGE))
    assert "18.00" in shown
    assert "unmatched: S3" in shown
    assert "Against estimate" in shown


def test_the_bill_says_how_much_of_it_is_as_billed():
    assert "96% as billed" in str(cards(PAGE)[0])
    before = PAGE.model_copy(update={"reconciled": 0.0})
    assert "as billed" not in str(cards(before)[0])
