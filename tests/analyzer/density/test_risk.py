"""The chance of an overfull hour, by days that were."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.density.risk import overload_risk


def test_what_never_was_full_has_no_risk_and_what_always_is_has_all():
    calm = np.full(28 * 24, 0.5)
    assert overload_risk(calm, 1.0) == 0.0
    assert overload_risk(calm + 1, 1.0) == 1.0


def test_one_bad_day_in_twenty_eight_makes_a_bad_week_in_four():
    loads = np.full(28 * 24, 0.5)
    loads[30] = 2.0
    expected = 1 - (27 / 28) ** 7
    assert overload_risk(loads, 1.0) == pytest.approx(expected, abs=0.03)
    assert overload_risk(loads, 1.0) == overload_risk(loads, 1.0)


@pytest.mark.parametrize(("hours", "capacity"), [(20, 1.0), (47, 1.0), (100, None), (100, 0)])
def test_too_little_says_nothing(hours, capacity):
    assert overload_risk(np.ones(hours), capacity) is None
