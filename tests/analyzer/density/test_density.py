from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.cost.usage import Resource
from analyzer.density.fullness import Work, densities, gini, measure, theil_sen
from analyzer.density.load import p95
from analyzer.store.database import Store
from tests.analyzer.cost import house
from tests.analyzer.cost.house import MONDAY, Hour, add

SHARD = Resource("db:shard-1", "database", 2.0)
NOW = MONDAY + timedelta(days=7)
NOTHING = np.zeros(0)


def test_an_empty_resource_is_all_headroom_and_says_nothing_it_cannot_know():
    row = measure(SHARD, [], NOTHING, NOTHING, placed={"acme"})
    assert (row.tenants, row.active_tenants, row.packing, row.headroom) == (1, 0, 0.0, 1.0)
    assert (row.gini, row.effective_tenants, row.room, row.days_to_full) == (None, None, None, None)


@pytest.mark.parametrize("capacity", [None, 0.0])
def test_without_a_capacity_nothing_is_called_full(capacity):
    work = [Work("acme", 10, 1, 1.0)]
    row = measure(Resource("q", "queue", capacity), work, np.ones(10), np.ones(9), placed=set())
    assert (row.packing, row.headroom, row.room, row.days_to_full) == (None, None, None, None)
    assert row.p95_load == 1.0


def test_equal_tenants_count_as_many_and_one_big_one_as_one():
    equal = [Work(t, 100, 5, 0.1) for t in house.CAST]
    row = measure(SHARD, equal, np.full(168, 0.5), NOTHING, placed=set())
    assert row.effective_tenants == pytest.approx(5)
    assert row.gini == pytest.approx(0)
    assert row.room == 15
    alone = measure(SHARD, [Work("acme", 1e9, 5, 1), *equal[1:]], np.ones(9), NOTHING, placed=set())
    assert alone.effective_tenants == pytest.approx(1, abs=1e-3)
    assert alone.top_tenant == "acme"
    assert alone.gini == pytest.approx(0.8, abs=1e-3)


def test_tenants_that_peak_at_different_hours_gain_from_sharing():
    work = [Work("acme", 1, 1, 1.0), Work("globex", 1, 1, 1.0)]
    assert measure(SHARD, work, np.ones(100), NOTHING, placed=set()).multiplexing_gain == 2.0


def test_growth_of_a_tenth_a_day_fills_the_rest_in_as_many_days():
    daily = np.linspace(1.0, 1.6, 7)
    row = measure(SHARD, [Work("acme", 1, 1, 1)], np.ones(9), daily, placed=set())
    assert row.days_to_full == pytest.approx((2.0 - 1.3) / 0.1)


@pytest.mark.parametrize("daily", [np.ones(14), np.linspace(2, 1, 14), np.arange(6)])
def test_without_growth_or_a_week_of_days_no_day_is_named(daily):
    assert measure(SHARD, [], np.ones(9), daily, placed=set()).days_to_full is None


def test_many_tenants_are_shown_with_the_rest_together():
    work = [Work(f"t{n:02}", 1 + n, 1, 0.1) for n in range(40)]
    shares = measure(SHARD, work, np.ones(9), NOTHING, placed=set()).shares
    assert (len(shares), shares[0][0], shares[-1][0]) == (13, "t39", "__other__")
    assert sum(share for _, share in shares) == pytest.approx(1)


loads = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@given(loads)
def test_at_least_95_of_100_windows_are_at_or_below_p95(values):
    at = p95(np.asarray(values))
    assert sum(v <= at for v in values) >= 0.95 * len(values)
    assert at in values


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=60))
def test_gini_is_between_equal_and_one_takes_all(values):
    found = gini(values)
    assert found is not None
    assert 0 <= found < 1


def test_one_odd_day_does_not_bend_the_slope():
    values = np.arange(14.0)
    values[6] = 900
    assert theil_sen(values) == pytest.approx(1.0)


@pytest.fixture
def store():
    store = Store.open(None)
    yield store
    store.close()


def test_from_the_store_idle_hours_of_a_tenant_count_as_zero(store):
    house.resource(store, "db:shard-1", 2.0)
    house.resource(store, "db:empty", 2.0)
    house.place(store, "hooli", "db:shard-1")
    second = 3_600_000_000
    add(store, [Hour(at, "acme", "db:shard-1", second, 5) for at in range(100)])
    add(store, [Hour(at, "globex", "db:shard-1", second, 5) for at in (1, 2, 3)])
    add(store, [Hour(1, "globex", "db:shard-1", second, 5, family="request")])
    empty, row = densities(store, now=NOW)
    assert (empty.resource, empty.packing) == ("db:empty", 0.0)
    assert (row.tenants, row.active_tenants, row.p95_load) == (3, 2, 1.0)
    assert (row.packing, row.headroom, row.multiplexing_gain) == (0.5, 0.5, 1.0)
    assert row.shares == (("acme", 100 / 104), ("globex", 4 / 104))


def test_usage_older_than_a_week_is_not_counted(store):
    add(store, [Hour(-1, "acme", "db:shard-1", 10**9, 5), Hour(-2, "acme", "db:shard-1", 10**9, 5)])
    assert densities(store, now=NOW) == []


def test_before_the_first_hours_minutes_serve(store):
    house.sql(
        store,
        "INSERT INTO hot_1m (ts, window_s, tenant, resource, family, busy_us, \"count\")"
        " SELECT ?::TIMESTAMP + to_minutes(n), 60, 'acme', 'db:shard-1', 'query', 30000000, 7"
        " FROM range(5) AS r(n)",
        datetime(2026, 11, 22, 12),  # noqa: DTZ001
    )  # fmt: skip
    (row,) = densities(store, now=datetime(2026, 11, 22, 13, tzinfo=UTC))
    assert row.p95_load == pytest.approx(0.5)
