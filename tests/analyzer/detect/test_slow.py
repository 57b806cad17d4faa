"""Growth of a few per cent a day is seen where it hurts others, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.detect.days import ResourceDays, SlowSettings
from analyzer.detect.load import log_stretch
from analyzer.detect.slow import slow_burn
from collector.model import ResourceId, TenantId

DAYS = 21
CORES = 4.0
JOB_S = 0.02
SETTINGS = SlowSettings()


def world(
    *,
    seed: int = 1,
    leak: float = 0.0,
    all_grow: float = 0.0,
    base: float = 0.5,
    slower: float = 0.0,
    days: int = DAYS,
    tenants: int = 12,
) -> ResourceDays:
    """`leak`: growth a day of tenant 0; `all_grow` of everybody; `slower`: log slowdown of the
    resource itself at the end. Weekends are two thirds of a workday; days vary by 6 %.
    """
    random = np.random.default_rng(seed)
    day = np.arange(days)
    size = (np.arange(tenants) + 2.0) ** -0.7
    size *= base * CORES / size.sum()
    weekly = np.where(day % 7 >= 5, 0.66, 1.0)
    demand = size[:, None] * weekly * np.exp(random.normal(0, 0.06, (tenants, days)))
    demand *= (1 + all_grow) ** day
    demand[0] *= (1 + leak) ** day
    peak = np.full(days, 1.5) * np.exp(random.normal(0, 0.03, days))
    load = (demand.sum(axis=0) * peak)[:, None]
    stretch = log_stretch(np.minimum(load, 0.97 * CORES), CORES, JOB_S, 3600.0)[:, 0]
    own = np.log(JOB_S) + random.normal(0, 0.2, tenants)
    felt = own[:, None] + 0.8 * stretch + random.normal(0, 0.02, (tenants, days))
    felt += slower * day / days
    return ResourceDays(
        ResourceId("db:shard-1"),
        tuple(TenantId(f"t{k}") for k in range(tenants)),
        np.datetime64("2026-10-05", "D") + day,
        demand,
        felt,
        demand * 86_400 / JOB_S,
        peak,
        CORES,
    )


def found(days: ResourceDays, changed: SlowSettings = SETTINGS):
    told = slow_burn(days, changed)
    return [blame.tenant for blame in told.aggressors] if told else []


@pytest.mark.parametrize("seed", range(8))
def test_a_leak_of_five_per_cent_a_day_is_named(seed):
    told = slow_burn(world(seed=seed, leak=0.05), SETTINGS)
    assert told is not None
    assert [blame.tenant for blame in told.aggressors] == ["t0"]
    blame = told.aggressors[0]
    assert all(check.passed for check in blame.checks)
    assert blame.demand > 1.8 * blame.expected
    assert len(told.victims) >= 6
    assert told.stretch_without is not None
    assert told.stretch_without < told.stretch
    assert told.limit is not None
    assert 0.9 * blame.expected <= told.limit < blame.demand
    assert told.recovers
    assert 0.5 < told.confidence <= 0.95


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "changes",
    [{}, {"all_grow": 0.04}, {"leak": 0.05, "base": 0.1}, {"slower": 1.0}, {"leak": 0.01}],
    ids=["calm", "everybody grows", "nobody is hurt", "the resource fails", "one per cent"],
)
def test_what_hurts_nobody_or_is_nobodys_doing_is_not_blamed(seed, changes):
    assert found(world(seed=seed, **changes)) == []


def test_a_failing_resource_is_not_blamed_on_who_grows_beside_it():
    for seed in range(8):
        assert found(world(seed=seed, leak=0.05, base=0.1, slower=1.0)) == []


def test_it_is_told_before_two_weeks_of_leaking_are_over():
    whole = world(seed=3, leak=0.06)
    told = [
        n for n in range(SETTINGS.least_days, DAYS + 1)
        if found(replace(whole, days=whole.days[:n], demand=whole.demand[:, :n],
                         felt=whole.felt[:, :n], operations=whole.operations[:, :n],
                         peak=whole.peak[:n])) == ["t0"]
    ]  # fmt: skip
    assert told
    assert min(told) <= 16
    assert told == list(range(min(told), DAYS + 1))


def test_few_days_one_tenant_and_a_path_switched_off_say_nothing():
    leaking = world(leak=0.08)
    assert found(leaking) == ["t0"]
    assert found(world(leak=0.08, days=SETTINGS.least_days - 1)) == []
    assert found(world(leak=0.08, tenants=1)) == []
    assert found(leaking, replace(SETTINGS, enabled=False)) == []


def test_without_a_capacity_the_busiest_hour_stands_for_it_and_is_said():
    told = slow_burn(replace(world(leak=0.05), capacity=None), SETTINGS)
    assert told is not None
    assert any("capacity is not known" in caveat for caveat in told.caveats)


def test_days_nobody_reported_do_no_harm():
    leaking = world(leak=0.06)
    lost = replace(leaking, felt=leaking.felt.copy(), operations=leaking.operations.copy())
    lost.felt[3:6, 4:9] = np.nan
    lost.operations[3:6, 4:9] = 0.0
    assert found(lost) == ["t0"]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)), st.sampled_from([0.0, 0.05]))
def test_the_order_of_tenants_changes_nothing(order, leak):
    days = world(seed=5, leak=leak)
    mixed = replace(
        days,
        tenants=tuple(days.tenants[i] for i in order),
        demand=days.demand[order], felt=days.felt[order], operations=days.operations[order],
    )  # fmt: skip
    assert found(mixed) == found(days)


@settings(max_examples=25, deadline=None)
@given(st.floats(1.0, 20.0), st.sampled_from([0.0, 0.05]))
def test_smaller_operations_of_the_same_work_change_nobody(factor, leak):
    days = world(seed=6, leak=leak)
    told = found(days)
    scaled = replace(days, operations=days.operations * factor)
    assert found(scaled) == told
