from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from analyzer.cost.settings import CostSettings, Price
from analyzer.cost.usage import read_use
from analyzer.density.placement import move, what_if
from analyzer.store.database import Store
from collector.model import Rejected
from tests.analyzer.cost import house
from tests.analyzer.cost.house import MONDAY, Hour, add

NOW = MONDAY + timedelta(days=7)
FULL, EMPTY = "db:shard-1", "db:shard-2"
TERMS = CostSettings(prices=(Price(FULL, "1"), Price(EMPTY, "1")), idle="proportional")
HALF = 1_800_000_000


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    store = Store.open(None)
    house.resource(store, FULL, 1)
    house.resource(store, EMPTY, 1)
    for at in range(168):
        add(store, [Hour(at, "acme", FULL, HALF, 1), Hour(at, "globex", FULL, HALF // 2, 1)])
        add(store, [Hour(at, "hooli", EMPTY, HALF // 2, 1)])
    yield store
    store.close()


def test_a_move_shows_how_full_both_sides_become(store):
    found = what_if(store, tenant="acme", source=FULL, target=EMPTY, now=NOW, settings=TERMS)
    source, target = found.source, found.target
    assert (source.packing_before, source.packing_after) == (0.75, 0.25)
    assert (target.packing_before, target.packing_after) == (0.25, 0.75)
    assert (source.full_hours, target.full_hours) == (0, 0)


def test_everybody_whose_cost_changes_is_told_and_the_bill_stays(store):
    found = what_if(store, tenant="acme", source=FULL, target=EMPTY, now=NOW, settings=TERMS)
    costs = {c.tenant: (c.before, c.after) for c in found.costs}
    assert found.costs[0].tenant == "acme"  # the mover is told of whatever it pays
    assert found.costs[0].before == found.costs[0].after
    assert found.unchanged == 0
    del costs["acme"]
    assert costs == {
        "globex": ("56.0000", "168.0000"),
        "hooli": ("168.0000", "56.0000"),
    }
    before = sum(Decimal(c.before) for c in found.costs)
    assert before == sum(Decimal(c.after) for c in found.costs)


def test_work_is_neither_lost_nor_made_by_a_move(store):
    with store.reader() as reader:
        use = read_use(reader, MONDAY, NOW)
    moved = move(use, "acme", FULL, EMPTY)

    def work(of) -> int:
        return sum(int(frame["busy"].sum()) for frame in of.by_resource.values())

    assert work(moved) == work(use)
    assert "acme" not in moved.of(FULL)["tenant"]


@pytest.mark.parametrize(
    ("tenant", "source", "target"),
    [
        ("nobody", FULL, EMPTY),
        ("acme", "db:?", EMPTY),
        ("acme", FULL, "db:?"),
        ("acme", FULL, FULL),
    ],
)
def test_a_move_that_makes_no_sense_is_refused(store, tenant, source, target):
    with pytest.raises(Rejected):
        what_if(store, tenant=tenant, source=source, target=target, now=NOW, settings=TERMS)
