"""Every prefix of a plan is safe; night fits beside day; who is tied down stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.density.consolidation import TARGET, Plan, Shelf, plan

HOURS = 24
DAY = np.r_[np.zeros(12), np.ones(12)]
NIGHT = np.r_[np.ones(12), np.zeros(12)]


def shelves(n: int, capacity: float = 1.0, monthly: float | None = 100.0) -> list[Shelf]:
    return [Shelf(f"db:{i}", "database", capacity, monthly) for i in range(n)]


def replay(series, shelf_list, found: Plan) -> None:
    """Walk the plan: after every step the target fits, and nothing got lost."""
    loads = {s.id: {t: v.copy() for t, v in series.get(s.id, {}).items()} for s in shelf_list}
    capacity = {s.id: s.capacity for s in shelf_list}
    whole = sum((v for mine in loads.values() for v in mine.values()), np.zeros(HOURS))
    for move in found.moves:
        load = loads[move.source].pop(move.tenant)
        there = loads[move.target].get(move.tenant)
        loads[move.target][move.tenant] = load if there is None else there + load
        peak = sum(loads[move.target].values()).max() / capacity[move.target]
        assert peak == pytest.approx(move.target_after)
        assert peak <= TARGET + 1e-9
        assert move.source_after <= move.source_before + 1e-9
    after = sum((v for mine in loads.values() for v in mine.values()), np.zeros(HOURS))
    assert after == pytest.approx(whole)


def test_a_night_tenant_fits_beside_a_day_tenant_where_peaks_would_not():
    series = {"db:0": {"day": 0.7 * DAY}, "db:1": {"night": 0.7 * NIGHT}}
    found = plan(shelves(2), series)
    assert [(m.tenant, m.source, m.target, m.purpose) for m in found.moves] == [
        ("day", "db:0", "db:1", "consolidation")
    ]
    assert (found.before, found.after, found.bound) == (2, 1, 1)
    assert found.saving == 100.0
    assert found.moves[0].saving == 100.0
    assert "can be given up" in found.moves[0].reason
    replay(series, shelves(2), found)


def test_two_of_the_same_hours_stay_apart():
    series = {"db:0": {"a": 0.7 * DAY}, "db:1": {"b": 0.7 * DAY}}
    found = plan(shelves(2), series)
    assert found.moves == ()
    assert dict(found.kept) == {"db:0": "a fits nowhere else", "db:1": "b fits nowhere else"}
    assert found.after == found.bound == 2


def test_a_hot_resource_is_cooled_by_its_largest_tenant_that_fits():
    series = {
        "db:0": {"huge": 0.9 * DAY, "middle": 0.5 * DAY, "small": 0.1 * DAY},
        "db:1": {"other": 0.25 * DAY},
    }
    found = plan(shelves(2), series)
    assert [(m.tenant, m.purpose) for m in found.moves] == [
        ("middle", "relief"),
    ]
    assert dict(found.kept)["db:0"].startswith("100% full")
    replay(series, shelves(2), found)


def test_who_is_tied_down_stays_and_keeps_its_resource():
    series = {"db:0": {"day": 0.2 * DAY}, "db:1": {"night": 0.2 * NIGHT}}
    found = plan(shelves(2), series, pinned=frozenset({"day", "night"}))
    assert found.moves == ()
    assert dict(found.kept) == {"db:0": "day is tied to it", "db:1": "night is tied to it"}


def test_kinds_do_not_mix_and_the_budget_of_moves_holds():
    mixed = [*shelves(1), Shelf("queue:1", "queue", 1.0)]
    series = {"db:0": {"a": 0.1 * DAY}, "queue:1": {"b": 0.1 * DAY}}
    assert plan(mixed, series).moves == ()
    many = {"db:0": {f"t{i}": 0.01 * DAY for i in range(9)}, "db:1": {"x": 0.1 * DAY}}
    assert len(plan(shelves(2), many, most=3).moves) == 1  # the other one is emptied instead
    assert plan(shelves(2), {"db:0": many["db:0"], "db:1": many["db:0"]}, most=3).moves == ()


loads = st.lists(st.floats(0, 0.4), min_size=HOURS, max_size=HOURS).map(np.asarray)


@given(
    st.dictionaries(
        st.sampled_from([f"db:{i}" for i in range(4)]),
        st.dictionaries(st.sampled_from("abcdef"), loads, max_size=4),
    )
)
@settings(max_examples=60, deadline=None)
def test_every_prefix_is_safe_nothing_is_lost_and_no_plan_beats_the_bound(series):
    found = plan(shelves(4), series)
    replay(series, shelves(4), found)
    used = sum(1 for mine in series.values() if any(v.max() > 0 for v in mine.values()))
    assert found.bound <= max(1, found.after) or used <= found.after
    assert found.after <= found.before
