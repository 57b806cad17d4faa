"""The simulated platform, its counters and its history."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from collector.model import BUCKETS, ResourceId
from collector.receivers.simulated import Platform, Surge, stretch
from partywall.feeder import spans
from partywall.prometheus import METERS, Counters

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
SHARD = ResourceId("db:shard-2")


def utilisation(
    table: pa.Table, resource: str = SHARD, cores: float = 8, window_s: int = 10
) -> float:
    here = table.filter(pc.equal(table["resource"], resource))
    return float(pc.sum(here["busy_s"]).as_py()) / (cores * window_s)


def mean_latency(table: pa.Table, tenant_not: str) -> float:
    here = table.filter(
        pc.and_(pc.equal(table["resource"], SHARD), pc.not_equal(table["tenant"], tenant_not))
    )
    return float(pc.sum(here["latency_sum_s"]).as_py() / pc.sum(here["count"]).as_py())


def test_a_surge_saturates_its_shard_and_slows_the_neighbours_only_while_it_lasts() -> None:
    platform = Platform(200)
    aggressor = platform.middling(SHARD, 9)
    surge = Surge(aggressor, SHARD, NOON + timedelta(seconds=20), NOON + timedelta(seconds=50))
    windows = [platform.live(NOON + timedelta(seconds=10 * k), 10, [surge]) for k in range(8)]
    load = [utilisation(window) for window in windows]
    felt = [mean_latency(window, aggressor) for window in windows]
    assert max(load[:2]) < 0.75
    assert min(load[2:5]) > 0.98
    assert load[-1] < 0.75
    assert min(felt[2:5]) > 2 * max(felt[:2])
    assert felt[-1] < 1.5 * felt[0]


def test_no_resource_serves_more_than_it_has() -> None:
    platform = Platform(50)
    surges = [Surge(platform.middling(SHARD, 3), SHARD, NOON, NOON + timedelta(minutes=5), to=3.0)]
    for k in range(12):
        assert utilisation(platform.live(NOON + timedelta(seconds=10 * k), 10, surges)) <= 1 + 1e-6


def test_tenants_differ_in_size_as_tenants_do() -> None:
    table = Platform(200).history(NOON, 3600, 2)
    by_tenant = table.group_by("tenant").aggregate([("count", "sum")])["count_sum"].to_numpy()
    assert np.sort(by_tenant)[-20:].sum() > 0.35 * by_tenant.sum()
    assert len(by_tenant) == 200


def test_nights_are_quieter_than_days() -> None:
    platform = Platform(60)
    night = platform.history(NOON.replace(hour=1), 3600, 1)
    day = platform.history(NOON, 3600, 1)
    assert pc.sum(night["count"]).as_py() < 0.6 * pc.sum(day["count"]).as_py()


def test_every_row_has_as_many_latencies_as_operations() -> None:
    table = Platform(40).history(NOON, 60, 5)
    for row in table.select(["count", "latency_buckets"]).to_pylist():
        assert len(row["latency_buckets"]) == BUCKETS
        assert sum(row["latency_buckets"]) == row["count"]


@pytest.mark.parametrize("cores", [1.0, 8.0, 32.0])
def test_stretch_is_one_when_idle_and_grows_with_utilisation(cores: float) -> None:
    values = stretch(np.linspace(0, 1.5, 60), cores)
    assert values[0] == pytest.approx(1.0)
    assert np.all(np.diff(values) >= 0)
    single = stretch(np.array([0.5]), 1.0)
    assert single[0] == pytest.approx(2.0)  # M/M/1: 1 / (1 - rho)


@pytest.mark.parametrize("hour", [0, 3, 12, 23])
@pytest.mark.parametrize("day", [16, 18, 22])
def test_history_has_no_gap_and_no_overlap(day: int, hour: int) -> None:
    now = datetime(2026, 11, day, hour, 7, 40, tzinfo=UTC)
    history = spans(now)
    assert all(one.ends == two.begins for one, two in itertools.pairwise(history))
    assert history[-1].ends == now
    assert history[0].begins <= now - timedelta(days=14)
    assert history[0].begins.isoweekday() == 1
    assert now - history[-1].begins >= timedelta(minutes=33)


def test_counters_only_grow_and_sum_to_what_was_sent() -> None:
    platform = Platform(30)
    counters = Counters()
    tables = [platform.live(NOON + timedelta(seconds=10 * k), 10) for k in range(3)]
    for table in tables:
        counters.add(table)
    sent = pa.concat_tables(tables)
    for column, name in METERS.items():
        total = sum(v for labels, v in counters.values() if dict(labels)["__name__"] == name)
        assert total == pytest.approx(pc.sum(sent[column]).as_py())
