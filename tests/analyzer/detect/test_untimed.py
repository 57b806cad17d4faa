"""Nobody's server time is measured: what latency alone says, and what it must not be taken for."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.detect import DetectSettings, ResourceWindows, detect
from analyzer.detect.demand import measure
from analyzer.detect.factors import dearer_by_latency
from analyzer.detect.normal import learn
from analyzer.model import Kind
from tests.analyzer.detect.worlds import CAST, noisy, without, world

PLAIN = DetectSettings()


def untimed(windows: ResourceWindows) -> ResourceWindows:
    return without(windows, "busy_s")


def dear(times: float) -> ResourceWindows:
    """Everybody is four times slower, acme `times` as much again; nobody sends more."""
    return untimed(world(slower={**dict.fromkeys(map(str, CAST), 4.0), "acme": 4.0 * times}))


def growth(windows: ResourceWindows) -> np.ndarray:
    """How many times dearer each tenant's operations are taken to be, now."""
    normal = learn(windows, PLAIN)
    assert normal is not None
    return dearer_by_latency(measure(windows, 0, PLAIN.smooth), normal)[:, -1]


def test_who_became_slower_than_all_the_others_became_dearer():
    found = growth(dear(8.0))
    assert found[0] == pytest.approx(8.0, rel=0.25)
    assert found[1:].tolist() == [1.0] * 4


def test_measured_server_time_leaves_nothing_to_infer():
    windows = world(slower={**dict.fromkeys(map(str, CAST), 4.0), "acme": 32.0})
    assert growth(windows).tolist() == [1.0] * 5


def test_dear_operations_that_fill_the_resource_are_blamed():
    (found,) = detect(dear(8.0), PLAIN)
    assert found.kind is Kind.NOISY_NEIGHBOUR
    assert [b.tenant for b in found.aggressors] == ["acme"]
    assert any("server time" in caveat for caveat in found.caveats)


@pytest.mark.parametrize("times", [1.0, 1.4, 2.0])
def test_a_little_slower_than_the_others_is_a_victim_like_them(times: float):
    (found,) = detect(dear(times), PLAIN)
    assert (found.kind, found.aggressors) == (Kind.DEGRADED, ())


@pytest.mark.parametrize("tenant", CAST)
@pytest.mark.parametrize("times", [1.5, 4.0, 50.0])
def test_a_tenants_own_latency_alone_is_still_no_blame(tenant: str, times: float):
    found = detect(untimed(world(slower={tenant: times})), PLAIN)
    assert not [f for f in found if f.aggressors]


def test_a_surge_is_blamed_as_before():
    (found,) = detect(untimed(noisy()), PLAIN)
    assert [b.tenant for b in found.aggressors] == ["acme"]


def scanned(times: float) -> ResourceWindows:
    """umbrella moves so many times as much, and everybody is slower."""
    windows = world(slower=dict.fromkeys(map(str, CAST), 3.0))
    windows.volume[3, -12:] *= times
    return untimed(windows)


def test_who_pushes_the_cache_out_is_blamed_for_what_no_load_explains():
    (found,) = detect(scanned(50.0), PLAIN)
    assert (found.kind, [b.tenant for b in found.aggressors]) == (
        Kind.NOISY_NEIGHBOUR,
        ["umbrella"],
    )


def test_moving_a_little_more_while_the_resource_fails_is_no_blame():
    (found,) = detect(scanned(3.0), PLAIN)
    assert (found.kind, found.aggressors) == (Kind.DEGRADED, ())


def test_a_tenant_nobody_knows_costs_what_its_latency_says():
    windows = world(slower=dict.fromkeys(map(str, CAST), 3.0))
    for name in ("arrived", "count", "busy_s", "volume"):
        getattr(windows, name)[0, :-12] = 0.0
    windows.log_latency[0, :-12] = np.nan
    windows.log_latency[0, -12:] += np.log(5.0)
    normal = learn(untimed(windows), PLAIN)
    assert normal is not None
    now = dearer_by_latency(measure(untimed(windows), 0, PLAIN.smooth), normal)[0, -1]
    cost = 0.06 * 1.1 * 5.0
    assert normal.cost[0] * now == pytest.approx(cost, rel=0.4)
