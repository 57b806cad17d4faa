"""Ways of hurting others that are no load: locks and the cache; and what is said of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.detect import DetectSettings, ResourceWindows, detect
from analyzer.model import Finding, Kind
from tests.analyzer.detect.worlds import CAST, COST, permuted, with_idle, world

PLAIN = DetectSettings()
LAST = 12


def slowed(times: float = 4.0, *, spared: str = "acme") -> ResourceWindows:
    """Everybody but one tenant is slower in the last windows, and nobody asks for more."""
    return world(slower={str(t): times for t in CAST if t != spared}, last=LAST)


def with_locks(
    windows: ResourceWindows, blocked: dict[str, float], blocking: dict[str, float]
) -> ResourceWindows:
    """Seconds of lock waits per window in the last windows, a little on any day."""
    rng = np.random.default_rng(3)
    suffered = rng.poisson(0.3, windows.count.shape).astype(float)
    caused = rng.poisson(0.3, windows.count.shape).astype(float)
    for k, tenant in enumerate(CAST):
        suffered[k, -LAST:] += blocked.get(str(tenant), 0.0)
        caused[k, -LAST:] += blocking.get(str(tenant), 0.0)
    return replace(windows, blocked_s=suffered, blocking_s=caused)


def waited(windows: ResourceWindows) -> dict[str, float]:
    """Seconds a window each tenant feels beyond its normal: as if all of it were lock waits."""
    felt = np.exp(windows.log_latency[:, -LAST:]) - COST[:, None] * 1.1
    mean = (np.maximum(felt, 0.0) * windows.count[:, -LAST:]).mean(axis=1)
    return {str(t): float(s) for t, s in zip(CAST, mean, strict=True)}


def hogged() -> ResourceWindows:
    """acme holds locks; the others wait for them."""
    windows = slowed()
    lost = waited(windows)
    return with_locks(windows, lost, {"acme": sum(lost.values())})


def only(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


def blamed(found: Finding) -> list[str]:
    return [str(b.tenant) for b in found.aggressors]


def test_who_holds_locks_others_wait_for_is_blamed_though_it_asks_for_nothing_more():
    found = only(detect(hogged(), PLAIN))
    assert (found.kind, blamed(found)) == (Kind.NOISY_NEIGHBOUR, ["acme"])
    assert {v.tenant for v in found.victims} == set(CAST) - {"acme"}
    assert {c.name for c in found.checks} >= {"holds", "head"}
    assert found.limit is None
    assert found.stretch_without == pytest.approx(1.0, abs=0.4)
    assert found.recovers


def test_without_samples_of_locks_nobody_is_blamed_and_it_is_said():
    found = only(detect(replace(hogged(), blocked_s=None, blocking_s=None), PLAIN))
    assert (found.kind, blamed(found)) == (Kind.DEGRADED, [])
    assert any("locks" in caveat for caveat in found.caveats)


def test_with_samples_of_locks_their_absence_is_not_complained_about():
    assert not any("locks" in caveat for caveat in only(detect(hogged(), PLAIN)).caveats)


def test_who_waits_in_the_middle_of_a_chain_is_not_its_head():
    windows = slowed()
    lost = waited(windows)
    total = sum(lost.values())
    # hooli waits for acme, and everybody else behind hooli: the sampler names both.
    chain = with_locks(windows, {**lost, "hooli": total}, {"acme": 1.5 * total, "hooli": total})
    assert blamed(only(detect(chain, PLAIN))) == ["acme"]


def test_a_slow_resource_holds_everybodys_locks_longer_and_that_is_nobodys_doing():
    windows = world(slower=dict.fromkeys(map(str, CAST), 4.0), last=LAST)
    lost = waited(windows)
    longer = with_locks(windows, {t: 0.3 * s for t, s in lost.items()},
                        {t: 0.3 * s for t, s in lost.items()})  # fmt: skip
    found = only(detect(longer, PLAIN))
    assert (found.kind, blamed(found)) == (Kind.DEGRADED, [])


def test_a_surge_that_fills_the_resource_is_not_hidden_by_a_few_lock_waits():
    windows = world(surge={"acme": 7.0}, slower=dict.fromkeys(map(str, CAST), 4.0), last=LAST)
    lost = waited(windows)
    few = with_locks(windows, {t: 0.05 * s for t, s in lost.items()}, {"globex": 3.0})
    assert blamed(only(detect(few, PLAIN))) == ["acme"]


def scanned() -> ResourceWindows:
    """umbrella moves fifty times as much, and everybody's operations cost twice as much."""
    windows = world(slower=dict.fromkeys(map(str, CAST), 3.0), last=LAST)
    windows.busy_s[:, -LAST:] *= 2.0
    windows.volume[CAST.index(CAST[3]), -LAST:] *= 50.0
    return windows


def test_who_pushes_the_cache_out_is_blamed_for_what_everybodys_work_costs_more():
    found = only(detect(scanned(), PLAIN))
    assert (found.kind, blamed(found)) == (Kind.NOISY_NEIGHBOUR, ["umbrella"])
    assert {c.name for c in found.checks} >= {"moved", "dearer"}


def test_dearer_work_without_anybody_moving_more_is_the_resources_fault():
    windows = scanned()
    windows.volume[3, -LAST:] /= 50.0
    found = only(detect(windows, PLAIN))
    assert (found.kind, blamed(found)) == (Kind.DEGRADED, [])


def test_everybody_moving_more_is_nobodys_cache():
    windows = scanned()
    windows.volume[3, -LAST:] /= 50.0
    windows.volume[:, -LAST:] *= 5.0
    assert blamed(only(detect(windows, PLAIN))) == []


@pytest.mark.parametrize("make", [hogged, scanned])
@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(5)), factor=st.floats(0.3, 4.0))
def test_neither_the_order_of_tenants_nor_the_size_of_the_resource_changes_who_is_blamed(
    make: Callable[[], ResourceWindows], order: list[int], factor: float
):
    windows = make()
    before = only(detect(windows, PLAIN))
    scaled = replace(windows, busy_s=windows.busy_s * factor, capacity=4.0 * factor)
    after = only(detect(permuted(scaled, order), PLAIN))
    assert blamed(after) == blamed(before)
    assert {v.tenant for v in after.victims} == {v.tenant for v in before.victims}


@pytest.mark.parametrize("make", [hogged, scanned])
def test_an_idle_tenant_changes_nothing(make: Callable[[], ResourceWindows]):
    before, after = only(detect(make(), PLAIN)), only(detect(with_idle(make()), PLAIN))
    assert blamed(after) == blamed(before)
    assert after.stretch == pytest.approx(before.stretch)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(CAST), st.floats(0.0, 500.0))
def test_locks_nobody_feels_are_no_incident(tenant: str, seconds: float):
    quiet = with_locks(world(), {}, {str(tenant): seconds})
    assert detect(quiet, PLAIN) == []


def test_a_gentler_limit_relieves_less_and_the_whole_of_it_most():
    rest = dict.fromkeys(map(str, CAST), 4.0)
    found = only(detect(world(surge={"acme": 7.0}, slower=rest), PLAIN))
    parts, left = zip(*found.relief_curve, strict=True)
    assert parts == tuple(sorted(parts))
    assert list(left) == sorted(left, reverse=True)
    assert left[-1] == found.stretch_without
