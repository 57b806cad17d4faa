from __future__ import annotations

import pytest

from analyzer.cost.bills.rules import BillRule, Face, match
from analyzer.cost.settings import CostSettings

LINE = Face(
    provider="AWS", subaccount="123", service="Amazon Relational Database Service", sku="ABC",
    resource_id="arn:aws:rds:eu-west-1:123:db:shard-1", resource_name="shard-1", category="Usage",
    tags=(("db", "shard-1"), ("team", "core")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "resource"),
    [
        (BillRule("db:shard-1", resource_id="arn:aws:rds:*:db:shard-1"), "db:shard-1"),
        (BillRule("db:shard-1", resource_id="ARN:aws:RDS:*"), "db:shard-1"),
        (BillRule("db:shard-1", resource_id="arn:aws:rds"), ""),
        (BillRule("db", service="*database*", provider="aws", category="usage"), "db"),
        (BillRule("db", service="*database*", provider="azure"), ""),
        (BillRule("db", sku="A?C", subaccount="12*"), "db"),
        (BillRule("db", tags=("team=core", "db=shard-*")), "db"),
        (BillRule("db", tags=("team=core", "env=*")), "db"),
        (BillRule("db", tags=("env=?*",)), ""),
        (BillRule("db:{tag:db}", service="*"), "db:shard-1"),
        (BillRule("db:{tag:none}", service="*"), ""),
        (BillRule("{provider}/{resource_name}", service="*"), "AWS/shard-1"),
    ],
)
def test_a_rule_fits_by_all_its_patterns(rule, resource):
    assert rule.fits(LINE) == resource


def test_the_first_rule_that_fits_wins():
    rules = (BillRule("no", service="S3"), BillRule("one", service="*"), BillRule("two", sku="*"))
    found = match(LINE, rules)
    assert found is not None
    assert found == ("one", rules[1])
    assert match(Face(), (BillRule("x", service="?*"),)) is None


def test_what_a_line_says_cannot_name_another_place():
    odd = Face(resource_name="{tag:team}", service="x", tags=(("team", "core"),))
    assert BillRule("{resource_name}", service="*").fits(odd) == "{tag:team}"


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (BillRule(""), "bill_rule[0].resource: is empty"),
        (BillRule("db"), "bill_rule[0]: fits every line"),
        (BillRule("{colour}", service="x"), "{colour} is unknown"),
        (BillRule("db", tags=("team",)), "bill_rule[0].tags: 'team' has no \"=\""),
        (BillRule("db", service="x", kind="rented"), "bill_rule[0].kind: 'rented' is unknown"),
        (BillRule("db", service="x", idle="nobody"), "bill_rule[0].idle: 'nobody' is unknown"),
    ],
)
def test_a_rule_that_cannot_work_is_told(rule, told):
    assert any(told in problem for problem in CostSettings(bill_rules=(rule,)).problems())


def test_a_good_rule_has_no_problem():
    rule = BillRule("db:{tag:db}", service="*RDS*", kind="capacity", idle="even")
    assert CostSettings(bill_rules=(rule,)).problems() == []
