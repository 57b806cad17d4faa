"""The whole way from hourly usage to a statement, against the obvious engine and its laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.cost.statement import Statement, from_json, to_json
from analyzer.store.database import Store
from collector.model import UNKNOWN_TENANT
from tests.analyzer.cost import house
from tests.analyzer.cost.house import CAST, WEEK, Hour, add, place, resource, statement, tenant
from tests.analyzer.cost.reference import reference

HOUR_US = 3_600_000_000
SHARDS = ("db:shard-1", "db:shard-2")
ONE = CostSettings(prices=(Price("db:shard-1", per_hour="1.00"),))


@pytest.fixture
def store(shelf: Store) -> Store:
    house.empty(shelf)
    return shelf


hours = st.lists(
    st.builds(
        Hour,
        at=st.integers(0, 167),
        tenant=st.sampled_from([*CAST, UNKNOWN_TENANT]),
        resource=st.sampled_from(SHARDS),
        busy_us=st.integers(0, 3 * HOUR_US),
        family=st.sampled_from(["query", "request"]),
    ),
    max_size=25,
)
prices = st.lists(
    st.builds(
        Price,
        resource=st.sampled_from(SHARDS),
        per_hour=st.decimals(-2, 20, places=3).map(str),
        kind=st.sampled_from(["capacity", "usage"]),
        idle=st.sampled_from(["", "retained", "proportional", "even"]),
    ),
    min_size=1,
    max_size=4,
)


def cells(s: Statement) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (line.tenant, part.resource): (part.direct, part.idle)
        for line in s.tenants
        for part in line.parts
        if part.direct or part.idle
    }


def proof(s: Statement) -> None:
    assert s.bill == s.allocated + s.idle + s.unattributed
    for line in s.resources:
        assert line.bill == line.allocated + line.idle + line.unattributed
        parts = [p.total for t in s.tenants for p in t.parts if p.resource == line.resource]
        assert sum(parts) == line.allocated


@given(hours, prices, st.sampled_from(["retained", "proportional", "even"]))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_engine_agrees_bit_for_bit_with_the_obvious_one(shelf, used, sheet, idle):
    house.empty(shelf)
    for name in SHARDS:
        resource(shelf, name, 1.5)
    add(shelf, used)
    terms = CostSettings(prices=tuple(sheet), idle=idle)
    found = statement(shelf, terms)
    expected_cells, expected_lines = reference(used, dict.fromkeys(SHARDS, 1.5), WEEK, terms)
    assert cells(found) == {key: (d, i) for key, (d, i, _, _) in expected_cells.items()}
    lines = {r.resource: (r.bill, r.idle, r.unattributed) for r in found.resources}
    assert lines == expected_lines
    proof(found)
    assert from_json(to_json(found)) == found


def test_a_quarter_used_costs_a_quarter_and_the_rest_is_idle(store):
    resource(store, "db:shard-1", 2)
    add(store, [Hour(at, "acme", "db:shard-1", HOUR_US // 2) for at in range(168)])
    s = statement(store, ONE)
    assert (s.money(s.allocated), s.money(s.idle), s.money(s.bill)) == (
        "42.0000",
        "126.0000",
        "168.0000",
    )


def test_an_hour_over_capacity_is_shared_without_negative_idle(store):
    resource(store, "db:shard-1", 1)
    add(
        store,
        [Hour(0, "acme", "db:shard-1", 3 * HOUR_US), Hour(0, "globex", "db:shard-1", HOUR_US)],
    )
    s = statement(store, ONE)
    assert cells(s) == {("acme", "db:shard-1"): (7500, 0), ("globex", "db:shard-1"): (2500, 0)}
    assert s.idle == 167 * 10_000


def test_use_without_a_name_is_unattributed_and_lowers_coverage(store):
    resource(store, "db:shard-1", 1)
    for who in ("acme", UNKNOWN_TENANT, ""):
        add(store, [Hour(at, who, "db:shard-1", HOUR_US // 4) for at in range(168)])
    s = statement(store, replace(ONE, idle="proportional"))
    assert (s.unattributed, s.idle) == (84 * 10_000, 0)
    assert [line.tenant for line in s.tenants] == ["acme"]
    assert s.resources[0].coverage == pytest.approx(1 / 3)
    assert s.status == "estimate"
    assert any("33.3%" in note for note in s.notes)


def test_a_resource_nobody_used_is_idle_and_a_usage_price_unattributed(store):
    resource(store, "db:shard-1", 1)
    s = statement(
        store, CostSettings(prices=(Price("db:shard-1", "1"), Price("blob", "1", kind="usage")))
    )
    assert (s.idle, s.unattributed, s.allocated) == (168 * 10_000, 168 * 10_000, 0)


def test_a_database_of_its_own_is_paid_whole_by_its_tenant(store):
    resource(store, "db:own", 4)
    tenant(store, "acme")
    place(store, "acme", "db:own", "database")
    add(store, [Hour(3, "acme", "db:own", HOUR_US)])
    s = statement(store, CostSettings(prices=(Price("db:own", "0.5"),)))
    assert (s.allocated, s.idle) == (84 * 10_000, 0)


def test_a_contracted_floor_is_paid_even_where_it_is_not_used(store):
    resource(store, "db:shard-1", 1)
    tenant(store, "acme", floor=0.25)
    place(store, "acme", "db:shard-1")
    add(store, [Hour(0, "acme", "db:shard-1", HOUR_US // 2)])
    s = statement(store, ONE)
    assert s.money(s.allocated) == "42.2500"


def test_a_fixed_fee_is_shared_by_the_time_a_tenant_was_there(store):
    tenant(store, "acme")
    tenant(store, "globex", created_at=WEEK.start + timedelta(hours=84))
    tenant(store, "hooli", deleted_at=WEEK.start)
    s = statement(store, CostSettings(prices=(Price("support", "0.01", kind="fixed"),)))
    assert {line.tenant: s.money(line.shared) for line in s.tenants} == {
        "acme": "1.1200",
        "globex": "0.5600",
    }
    proof(s)


def test_who_used_something_before_it_was_registered_was_there(store):
    tenant(store, "acme", plan="pro", created_at=WEEK.start + timedelta(hours=84))
    tenant(store, "globex", plan="pro", created_at=WEEK.start + timedelta(hours=84))
    add(store, [Hour(0, "acme", "db:shard-1", 1), Hour(90, "globex", "db:shard-1", 1)])
    terms = CostSettings(
        prices=(Price("support", "0.01", kind="fixed"),), plans=(Plan("pro", "300"),)
    )
    lines = {line.tenant: line for line in statement(store, terms).tenants}
    assert lines["acme"].shared == 2 * lines["globex"].shared
    assert (lines["acme"].revenue, lines["globex"].revenue) == (70 * 10_000, 35 * 10_000)


def test_a_cache_is_paid_by_volume_and_a_queue_by_operations_without_seconds(store):
    resource(store, "cache:1", None, "cache")
    resource(store, "queue:1", 4, "queue")
    add(store, [Hour(0, "acme", "cache:1", None, 1, 300, "cache"),
                Hour(0, "globex", "cache:1", None, 9, 100, "cache"),
                Hour(0, "acme", "queue:1", None, 1, None, "queue"),
                Hour(0, "globex", "queue:1", None, 3, None, "queue")])  # fmt: skip
    s = statement(
        store, CostSettings(prices=(Price("cache:1", "1", kind="usage"), Price("queue:1", "1")))
    )
    assert cells(s) == {
        ("acme", "cache:1"): (126 * 10_000, 0),
        ("globex", "cache:1"): (42 * 10_000, 0),
        ("acme", "queue:1"): (42 * 10_000, 0),
        ("globex", "queue:1"): (126 * 10_000, 0),
    }


def test_revenue_is_the_plan_for_the_time_there_and_a_free_tenant_has_no_margin(store):
    month = datetime(2026, 11, 1, tzinfo=UTC)
    tenant(store, "acme", plan="pro")
    tenant(store, "globex", plan="free")
    tenant(store, "hooli", plan="lost")
    tenant(store, "initech", plan="pro", price_minor=60000)
    tenant(store, "umbrella", plan="pro", created_at=month + timedelta(days=17))
    terms = CostSettings(
        prices=(Price("support", "0.01", kind="fixed"),),
        plans=(Plan("pro", "300"), Plan("free", "0")),
    )
    lines = {line.tenant: line for line in statement(store, terms).tenants}
    revenue = {name: line.revenue for name, line in lines.items()}
    assert revenue == {
        "acme": 70 * 10_000,
        "globex": 0,
        "hooli": None,
        "initech": 140 * 10_000,
        "umbrella": 50 * 10_000,
    }
    assert lines["globex"].margin is None
    assert lines["acme"].margin == 70 * 10_000 - lines["acme"].total


@given(st.integers(0, 168))
@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_bill_of_the_week_so_far_never_costs_more_than_its_hours(shelf, hours_in):
    house.empty(shelf)
    now = WEEK.start + timedelta(hours=hours_in)
    s = statement(shelf, ONE, until=now)
    assert s.bill == hours_in * 10_000
    proof(s)


def test_splitting_a_tenant_in_two_leaves_everyone_else_alone(store):
    resource(store, "db:shard-1", 1)
    add(
        store,
        [Hour(0, "acme", "db:shard-1", 1_000_000_000), Hour(1, "hooli", "db:shard-1", 77_777_777)],
    )
    before = cells(statement(store, ONE))
    house.sql(store, "DELETE FROM hot_1h WHERE tenant = 'acme'")
    add(
        store,
        [
            Hour(0, "acme-1", "db:shard-1", 500_000_000),
            Hour(0, "acme-2", "db:shard-1", 500_000_000),
        ],
    )
    after = cells(statement(store, ONE))
    shard = "db:shard-1"
    assert abs(after["hooli", shard][0] - before["hooli", shard][0]) <= 1
    halves = after["acme-1", shard][0] + after["acme-2", shard][0]
    assert abs(halves - before["acme", shard][0]) <= 2


def test_usage_without_a_price_is_told_and_not_billed(store):
    add(store, [Hour(0, "acme", "db:mystery", 5)])
    assert statement(store, ONE).notes == (
        "db:mystery has usage but no price: it is not in the bill",
        "db:shard-1 has no known capacity: none of it is called idle",
    )
