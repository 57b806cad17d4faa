"""Odd costs are found, chance is not taken for one, and the tail is Student's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.accounts.anomaly import Course, adjusted, anomalies, chance


@pytest.mark.parametrize(
    ("z", "freedom", "expected"),
    [
        (0.0, 7, 1.0),
        (12.706, 1, 0.05),
        (3.182, 3, 0.05),
        (2.571, 5, 0.05),
        (2.365, 7, 0.05),
        (5.408, 7, 0.001),
        (-2.365, 7, 0.05),
        (3.182, 4, 0.05),  # an even number counts as the odd one below
    ],
)
def test_the_tail_is_that_of_the_printed_tables(z, freedom, expected):
    assert chance(z, freedom) == pytest.approx(expected, abs=2e-4)


def test_benjamini_and_hochberg_by_hand():
    assert adjusted([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert adjusted([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_is_at_least_p_and_keeps_the_order(chances):
    qs = adjusted(chances)
    assert all(q >= p - 1e-12 for p, q in zip(chances, qs, strict=True))
    ranked = sorted(zip(chances, qs, strict=True))
    assert [q for _, q in ranked] == sorted(qs)


def test_a_doubled_cost_is_odd_a_usual_one_calm_and_short_pasts_say_nothing():
    past = [100, 103, 98, 101, 99, 102, 100, 97]
    found = anomalies(
        {
            "acme": Course(past, 210),
            "globex": Course(past, 104),
            "hooli": Course(past[:3], 500),
            "initech": Course([0, 0, 0], 7),
            "umbrella": Course(past, 0),
            "pied": Course([c / 1000 for c in past], 0.21),  # doubled, but of pennies
        },
        least_change=5,
    )
    states = {tenant: one.state for tenant, one in found.items()}
    assert states == {
        "acme": "odd", "globex": "calm", "initech": "new", "umbrella": "gone", "pied": "calm",
    }  # fmt: skip
    assert found["acme"].z > 3.5
    assert float(found["acme"].usual) == pytest.approx(100, rel=0.02)


def test_of_a_thousand_calm_tenants_and_twenty_odd_ones_few_discoveries_are_false():
    rng = np.random.default_rng(7)
    courses, odd = {}, set()
    for number in range(1020):
        logs = math.log(200) + rng.normal(0, 0.08, 9)
        costs = np.exp(logs)
        if number < 20:
            costs[-1] *= 3
            odd.add(f"t{number}")
        courses[f"t{number}"] = Course(list(costs[:-1]), float(costs[-1]))
    found = {t for t, one in anomalies(courses, least_change=5).items() if one.state == "odd"}
    assert len(found & odd) >= 16
    assert len(found - odd) <= 0.1 * len(found)
