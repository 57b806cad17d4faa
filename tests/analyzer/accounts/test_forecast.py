"""Nothing is foretold of little; the interval holds as often as it says; errors are measured."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.accounts.forecast import forecast


@pytest.mark.parametrize("weeks", [0, 1, 2, 3])
def test_fewer_than_four_weeks_have_no_forecast(weeks):
    assert forecast([100.0] * weeks, [], decimals=2) is None


def test_a_steady_cost_stays_and_a_trend_goes_on():
    steady = forecast([100.0] * 6, [], decimals=2)
    assert steady is not None
    assert steady.amount == "100.00"
    rising = forecast([100 * 1.1**week for week in range(10)], [], decimals=2)
    assert rising is not None
    assert 100 * 1.1**8 < float(rising.amount) <= 100 * 1.1**10 + 0.01
    assert float(rising.low) <= float(rising.amount) <= float(rising.high)


def test_a_week_without_cost_falls_back_to_the_median():
    told = forecast([10, 0, 10, 12, 14], [], decimals=0)
    assert told is not None
    assert told.amount == "11"


def test_the_error_is_that_of_what_was_foretold():
    told = forecast([100.0] * 5, [(90, 100), (110, 100), (100, 100), (100, 100)], decimals=2)
    assert told is not None
    assert told.error == pytest.approx(0.05)
    assert forecast([100.0] * 5, [], decimals=2).error is None  # type: ignore[union-attr]


def test_the_interval_holds_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held, said = [], []
    for _ in range(400):
        costs = list(np.exp(np.log(500) + rng.normal(0, 0.1, 14)))
        told = forecast(costs[:-1], [], decimals=4)
        assert told is not None
        said.append(told.nominal)
        held.append(float(told.low) <= costs[-1] <= float(told.high))
    assert np.mean(said) == pytest.approx(0.9)
    assert np.mean(held) >= 0.86
