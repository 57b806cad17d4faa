"""The laws a verdict must obey."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.detect import MEASURES, DetectSettings, detect
from analyzer.model import Finding, Kind
from tests.analyzer.detect.worlds import CAST, noisy, permuted, with_idle, without, world

PLAIN = DetectSettings()


def blamed(findings: list[Finding]) -> set[str]:
    shared = (f for f in findings if f.kind is Kind.NOISY_NEIGHBOUR)
    return {str(b.tenant) for f in shared for b in f.aggressors}


def test_the_world_of_these_tests_has_an_aggressor():
    (found,) = detect(noisy(), PLAIN)
    assert found.kind is Kind.NOISY_NEIGHBOUR
    assert [b.tenant for b in found.aggressors] == ["acme"]
    assert {v.tenant for v in found.victims} == set(CAST) - {"acme"}


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(5)))
def test_permuting_tenants_changes_nothing(order: list[int]):
    (before,) = detect(noisy(), PLAIN)
    (after,) = detect(permuted(noisy(), order), PLAIN)
    assert blamed([after]) == blamed([before])
    assert after.confidence == pytest.approx(before.confidence)
    assert after.limit == pytest.approx(before.limit)
    assert {v.tenant for v in after.victims} == {v.tenant for v in before.victims}


@settings(max_examples=10, deadline=None)
@given(st.floats(0.3, 4.0))
def test_scaling_all_loads_and_the_capacity_changes_nothing(factor: float):
    windows = noisy()
    busy, capacity = windows.busy_s * factor, 4.0 * factor
    (before,) = detect(windows, PLAIN)
    (after,) = detect(replace(windows, busy_s=busy, capacity=capacity), PLAIN)
    assert blamed([after]) == blamed([before])
    assert {v.tenant for v in after.victims} == {v.tenant for v in before.victims}
    assert after.stretch == pytest.approx(before.stretch)
    assert after.confidence == pytest.approx(before.confidence, abs=0.1)


@pytest.mark.parametrize("factor", [3, 6])
def test_longer_windows_say_the_same(factor: int):
    windows = world(windows=240 * factor, surge={"acme": 7.0}, last=12 * factor,
                    slower=dict.fromkeys(map(str, CAST), 4.0))  # fmt: skip

    def longer(values: np.ndarray) -> np.ndarray:
        summed: np.ndarray = values.reshape(5, -1, factor).sum(axis=2)
        return summed

    sums: dict[str, Any] = {n: longer(getattr(windows, n)) for n in MEASURES}
    sums["log_latency"] /= factor
    coarse = replace(windows, ts=windows.ts[::factor], window_s=10.0 * factor, **sums)
    assert blamed(detect(coarse, PLAIN)) == {"acme"}


@pytest.mark.parametrize("seed", range(5))
def test_adding_an_idle_tenant_changes_nothing(seed: int):
    (before,) = detect(noisy(seed), PLAIN)
    (after,) = detect(with_idle(noisy(seed)), PLAIN)
    assert blamed([after]) == blamed([before])
    assert after.stretch == pytest.approx(before.stretch)
    assert after.confidence == pytest.approx(before.confidence, abs=0.02)


@pytest.mark.parametrize("tenant", CAST)
@pytest.mark.parametrize("times", [1.5, 4.0, 50.0])
def test_a_tenants_own_latency_alone_never_makes_it_an_aggressor(tenant: str, times: float):
    assert detect(world(slower={tenant: times}), PLAIN) == []


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(CAST), st.floats(1.0, 30.0), st.integers(0, 50))
def test_no_victims_no_incident(tenant: str, times: float, seed: int):
    assert detect(world(surge={tenant: times}, seed=seed), PLAIN) == []


def test_a_surge_that_hurts_only_its_sender_is_its_own_doing():
    (found,) = detect(world(surge={"acme": 4.0}, slower={"acme": 5.0}), PLAIN)
    assert found.kind is Kind.SELF_INFLICTED
    assert [v.tenant for v in found.victims] == ["acme"]


def test_everybody_slower_without_more_load_is_a_failing_resource():
    (found,) = detect(world(slower=dict.fromkeys(CAST, 3.0)), PLAIN)
    assert (found.kind, found.aggressors) == (Kind.DEGRADED, ())


def test_everybody_growing_is_missing_capacity():
    found = detect(world(surge=dict.fromkeys(CAST, 2.6), slower=dict.fromkeys(CAST, 3.0)), PLAIN)
    assert [(f.kind, f.aggressors) for f in found] == [(Kind.CAPACITY, ())]


def test_failing_operations_hurt_like_slow_ones():
    windows = world(surge={"acme": 7.0})
    windows.errors[1:, -12:] = windows.count[1:, -12:] * 0.4
    (found,) = detect(windows, PLAIN)
    assert blamed([found]) == {"acme"}
    assert {v.signal for v in found.victims} == {"errors"}


def test_work_that_never_finishes_hurts():
    windows = world(surge={"acme": 7.0})
    windows.count[1:, -12:] = 0.0
    windows.log_latency[1:, -12:] = np.nan
    found = detect(windows, PLAIN)
    assert len(found) == 1
    assert len(found[0].victims) >= 4


def test_without_server_time_the_blame_stands_with_a_caveat_and_less_confidence():
    (sure,) = detect(noisy(), PLAIN)
    (found,) = detect(without(noisy(), "busy_s"), PLAIN)
    assert blamed([found]) == {"acme"}
    assert found.confidence < sure.confidence
    assert any("server time" in caveat for caveat in found.caveats)


def test_lost_windows_are_carried_and_told():
    windows = noisy()
    for name in ("arrived", "count", "busy_s", "log_latency"):
        getattr(windows, name)[:, [-4, -9, -20, -33]] = np.nan
    (found,) = detect(windows, PLAIN)
    assert blamed([found]) == {"acme"}
    assert any("missing" in caveat for caveat in found.caveats)


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.4, 2.0, None])
def test_a_wrong_or_missing_capacity_blames_the_same(factor: float | None):
    windows = replace(noisy(), capacity=4.0 * factor if factor else None)
    assert blamed(detect(windows, PLAIN)) == {"acme"}


def test_less_than_half_an_hour_of_history_is_silence():
    windows = noisy()
    short: dict[str, Any] = {n: getattr(windows, n)[:, -170:] for n in MEASURES}
    assert detect(replace(windows, ts=windows.ts[-170:], **short), PLAIN) == []


def test_a_resource_without_tenants_is_silence():
    empty: dict[str, Any] = {n: np.zeros((0, 240)) for n in MEASURES}
    assert detect(replace(world(), tenants=(), **empty), PLAIN) == []


def test_the_limit_lies_between_what_it_does_and_what_is_expected_of_it():
    (found,) = detect(noisy(), PLAIN)
    (blame,) = found.aggressors
    assert found.limit is not None
    assert found.limit_low is not None
    assert found.limit_high is not None
    assert blame.expected <= found.limit < blame.demand
    assert found.limit_low <= found.limit <= found.limit_high


def test_a_new_tenant_is_compared_with_its_peers_and_said_to_be():
    windows = noisy()
    windows.log_latency[2, :-12] = np.nan
    windows.count[2, :-12] = windows.arrived[2, :-12] = windows.busy_s[2, :-12] = 0.0
    found = detect(windows, PLAIN)
    assert blamed(found) == {"acme"}
    assert any("no history" in caveat for caveat in found[0].caveats)


def test_settings_name_every_problem_at_once():
    wrong = DetectSettings(harm=0.9, breadth=1.5, smooth=0)
    assert [p.split(":")[0] for p in wrong.problems()] == [
        "detect.smooth",
        "detect.breadth",
        "detect.harm",
    ]
    assert DetectSettings().problems() == []


def test_without_all_of_the_excess_the_others_are_at_their_normal():
    (found,) = detect(noisy(), PLAIN)
    assert found.stretch > 2.0
    assert found.stretch_without == pytest.approx(1.0, abs=0.05)


def test_windows_in_which_everything_fails_at_no_cost_are_judged_without_a_warning():
    """Warnings are errors here: a cost of nothing must not be divided by."""
    windows = world(slower=dict.fromkeys(CAST, 3.0))
    windows.busy_s[:, -12:] = 0.0
    windows.errors[:, -12:] = windows.count[:, -12:]
    found = detect(windows, PLAIN)
    assert len(found) == 1
    assert found[0].kind is not Kind.NOISY_NEIGHBOUR
