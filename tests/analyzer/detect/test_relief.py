"""The p95 of operations over windows of different stretch."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analyzer.detect.relief import P95, WITHIN, felt_p95

LOGS = st.lists(st.floats(0.0, 6.0), min_size=1, max_size=60)


def simulated(logs: list[float]) -> float:
    """The same from a hundred thousand operations, drawn by their quantiles."""
    each = (np.arange(2_000) + 0.5) / 2_000
    spread = WITHIN * np.log(each / (1.0 - each))
    return float(np.quantile(np.add.outer(np.array(logs), spread), P95))


@given(LOGS)
def test_it_is_the_p95_of_all_operations(logs):
    found = felt_p95(np.array([logs]))[0]
    near = [simulated(logs) + off for off in (-0.02, 0.02)]
    below = np.mean([1 / (1 + np.exp(np.clip((x - found) / WITHIN, -40, 40))) for x in logs])
    assert near[0] <= found <= near[1] or abs(below - P95) < 1e-3


@given(LOGS, st.floats(0.0, 3.0))
def test_twice_as_slow_everywhere_is_twice_as_slow(logs, more):
    calm, slower = felt_p95(np.array([logs, [x + more for x in logs]]))
    assert abs(slower - calm - more) < 1e-4


def test_one_burst_in_thirty_windows_is_not_the_whole_of_the_harm():
    calm = [0.0] * 30
    one, three = [*calm[1:], 3.0], [*calm[3:], 3.0, 3.0, 3.0]
    usual, rare, often = felt_p95(np.array([calm, one, three]))
    assert rare - usual < 0.2
    assert often - usual > 2.5
