"""Every way of being full: by hand, by law, and from the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer import registry
from analyzer.config import ResourceSettings
from analyzer.density.dimensions import Dimension, binding, dimensions
from analyzer.density.fullness import densities
from analyzer.store.database import Store
from collector.model import ResourceId
from tests.analyzer.cost import house
from tests.analyzer.cost.house import MONDAY, Hour

NOW = MONDAY + timedelta(days=7)
KINDS = {"db:a": "database", "db:b": "database", "q": "queue"}


def near(value: float) -> Any:
    return pytest.approx(value)


def test_what_is_left_when_another_is_lost_counts_in_each_dimension():
    found = dimensions(
        {"operations": {"db:a": np.full(24, 30.0), "db:b": np.full(24, 50.0)}},
        {"db:a": {"operations": 100.0}, "db:b": {"operations": 60.0}},
        {},
        KINDS,
    )
    assert found["db:a"] == (Dimension("operations", 0.3, near(0.2)),)
    assert found["db:b"] == (Dimension("operations", near(50 / 60), near(-20 / 60)),)


def test_workers_are_the_limit_of_what_is_in_flight_where_no_other_is_known():
    measures = {"in flight": {"db:a": np.full(24, 4.0), "q": np.full(24, 4.0)}}
    found = dimensions(measures, {"db:a": {"in flight": 100.0}}, {"db:a": 8.0, "q": 8.0}, KINDS)
    assert found["db:a"] == (Dimension("in flight", 0.04),)
    assert found["q"] == (Dimension("in flight", 0.5),)
    volume = {"volume": {"q": np.full(24, 4.0)}}
    assert dimensions(volume, {}, {"q": 8.0}, KINDS) == {}  # seconds limit no volume


def test_the_fullest_binds_and_nothing_binds_where_nothing_is_known():
    assert binding([Dimension("time", 0.5), Dimension("volume", 0.7)]) == "volume"
    assert binding([]) is None


@given(
    st.lists(st.floats(0, 100, width=32), min_size=1, max_size=50),
    st.floats(0.5, 500),
    st.floats(1.01, 3),
)
def test_a_larger_limit_is_never_fuller(hours, most, more):
    def full(limit: float) -> float:
        measures = {"volume": {"q": np.array(hours)}}
        ((one,),) = dimensions(measures, {"q": {"volume": limit}}, {}, KINDS).values()
        return one.full

    assert full(most * more) <= full(most)
    assert full(most) <= max(hours) / most + 1e-9


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store.open(None)
    yield made
    made.close()


def test_limits_of_the_configuration_reach_the_answer(store):
    house.resource(store, "db:a", 8)
    house.resource(store, "db:b", 8)
    rows = [
        Hour(at, "acme", name, busy_us=3_600_000_000, count=36_000, volume=7_200)
        for at in range(168)
        for name in ("db:a", "db:b")
    ]
    house.add(store, rows)
    registry.set_limits(store, ResourceId("db:a"), {"operations": 5.0})
    registry.set_limits(store, ResourceId("db:a"), {"operations": 12.5, "volume": 8.0})
    a, b = densities(store, now=NOW)
    assert a.dimensions == (
        Dimension("time", 0.125, 0.75),
        Dimension("operations", 0.8, near(-0.6)),
        Dimension("volume", 0.25, 0.5),
    )
    assert (a.binding, b.binding) == ("operations", "time")
    assert [one.name for one in b.dimensions] == ["time"]


def test_bytes_held_fill_the_resource_they_are_held_on(store):
    house.resource(store, "db:a", 8)
    house.resource(store, "storage:a", None)
    house.sql(store, "UPDATE resources SET parent = 'db:a' WHERE id = 'storage:a'")
    for at in range(168):
        held = [Hour(at, name, "storage:a", None, None, 40 * 10**9) for name in ("acme", "globex")]
        house.add(store, [Hour(at, "acme", "db:a", 3_600_000_000, volume=7_200), *held])
    registry.set_limits(store, ResourceId("db:a"), {"storage": 100e9, "volume": 8.0})
    registry.set_limits(store, ResourceId("storage:a"), {"storage": 160e9, "volume": 8.0})
    found = {one.resource: one for one in densities(store, now=NOW)}
    a = found["db:a"]
    assert [(one.name, one.full) for one in a.dimensions] == [
        ("time", 0.125), ("volume", 0.25), ("storage", near(0.8)),
    ]  # fmt: skip
    assert a.binding == "storage"
    assert [(one.name, one.full) for one in found["storage:a"].dimensions] == [
        ("storage", near(0.5))
    ]


def test_each_limit_is_written_down_under_its_own_dimension():
    one = ResourceSettings("db:a", in_flight=1, operations_per_s=2, volume_per_s=3, storage_bytes=4)
    assert one.limits == {"in flight": 1, "operations": 2, "volume": 3, "storage": 4}
    assert ResourceSettings("db:a", storage_bytes=4).limits == {"storage": 4}
