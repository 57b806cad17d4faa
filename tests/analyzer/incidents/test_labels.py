"""What people say we got right, and the threshold that follows from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.incidents.labels import (
    Labelled,
    TuningSettings,
    brier,
    precision,
    reliability,
    threshold,
)
from analyzer.model import IncidentId, Kind

USUAL = 0.35
SETTINGS = TuningSettings()


def said(*judged: tuple[float, bool]) -> list[Labelled]:
    return [
        Labelled(IncidentId(f"INC-{k}"), Kind.NOISY_NEIGHBOUR, confidence, right)
        for k, (confidence, right) in enumerate(judged)
    ]


def test_precision_is_the_part_confirmed_with_wilsons_interval():
    found = precision(said(*[(0.9, True)] * 18, *[(0.9, False)] * 2))
    assert (found.right, found.judged, found.value) == (18, 20, 0.9)
    # Checked against the closed form by hand: 18 of 20 at 95 %.
    assert (found.low, found.high) == pytest.approx((0.69897, 0.97213), abs=1e-4)
    none = precision([])
    assert (none.judged, none.value, none.low) == (0, None, None)


def test_reliability_sets_what_was_said_beside_what_was_so():
    bins = reliability(said((0.95, True), (0.97, False), (0.6, False), (1.0, True)))
    assert [(round(b.said, 3), b.precision.right, b.precision.judged) for b in bins] == [
        (0.6, 0, 1), (0.973, 2, 3),
    ]  # fmt: skip


def test_the_brier_score_is_the_mean_squared_distance():
    assert brier(said((0.9, True), (0.5, False))) == pytest.approx((0.01 + 0.25) / 2)
    assert brier([]) is None


def test_false_alarms_of_the_unsure_raise_the_threshold_just_above_them():
    labels = said(*[(0.95, True)] * 15, *[(0.5, False)] * 8)
    found = threshold(labels, SETTINGS, USUAL)
    assert (found.value, found.moved) == (0.55, True)
    assert found.reason == (
        "15 of 15 labelled incidents this sure were confirmed; 8 less sure would not have opened"
    )


def test_few_labels_and_good_ones_change_nothing():
    few = threshold(said(*[(0.5, False)] * 7), SETTINGS, USUAL)
    assert (few.value, few.moved) == (USUAL, False)
    assert few.reason.startswith("13 more labels")
    good = threshold(said(*[(0.5, True)] * 20), SETTINGS, USUAL)
    assert (good.value, good.moved) == (USUAL, False)


def test_it_never_leaves_its_bounds_and_says_when_they_do_not_suffice():
    bad = said(*[(0.99, False)] * 30)
    found = threshold(bad, SETTINGS, USUAL)
    assert found.value == SETTINGS.highest
    assert found.reason.startswith("no threshold up to 0.85 makes 90% right")
    low = threshold(said(*[(0.9, True)] * 30), replace(SETTINGS, lowest=0.6), USUAL)
    assert low.value == 0.6


judged = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60)


@given(judged, st.floats(0, 1))
def test_a_threshold_stays_inside_or_where_it_was(pairs, usual):
    found = threshold(said(*pairs), SETTINGS, usual)
    assert found.value == usual or SETTINGS.lowest <= found.value <= SETTINGS.highest
    assert found.moved == (found.value != usual)


@given(judged)
def test_intervals_hold_their_value_and_bins_hold_every_label(pairs):
    labels = said(*pairs)
    whole = precision(labels)
    if whole.value is not None:
        assert whole.low is not None
        assert whole.high is not None
        assert 0 <= whole.low <= whole.value + 1e-9 <= whole.high + 2e-9 <= 1 + 2e-9
    assert sum(one.precision.judged for one in reliability(labels)) == len(labels)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (TuningSettings(precision=1.5), "tuning.precision"),
        (TuningSettings(lowest=0.9, highest=0.5), "tuning.lowest"),
        (TuningSettings(at_least=1), "tuning.at_least"),
        (TuningSettings(days=0), "tuning.days"),
    ],
)
def test_what_cannot_work_is_told_by_key(settings, key):
    assert [problem.split(":")[0] for problem in settings.problems()] == [key]
