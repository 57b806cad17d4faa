"""A habit is a change from the hour before; the level is today's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.detect import DetectSettings, learn
from analyzer.detect.season import Season, seasoned
from tests.analyzer.detect.worlds import CAST, world

normal_ = learn(world(seed=4), DetectSettings())
assert normal_ is not None
NORMAL = normal_
N = len(CAST)


def season(
    *, change: float = 1.0, level: float = 1.0, slower: float = 1.0, weeks: float = 4.0
) -> Season:
    """Other weeks stood at `level` times today's, and this hour asks `change` times the last."""
    before = NORMAL.demand * level
    felt = NORMAL.felt + np.log(level)
    return Season(
        weeks=np.full(N, weeks),
        demand=before * change,
        demand_spread=np.full(N, 0.1),
        felt=felt + np.log(slower),
        felt_spread=np.full(N, 0.1),
        demand_before=before,
        felt_before=felt,
    )


def test_a_usual_change_is_expected_at_todays_level():
    for level in (0.5, 1.0, 2.0):
        expected = seasoned(NORMAL, season(change=3.0, level=level, slower=2.0))
        assert expected.demand == pytest.approx(NORMAL.demand * 3.0, rel=0.1)
        assert expected.arrivals == pytest.approx(NORMAL.arrivals * 3.0, rel=0.1)
        assert np.exp(expected.felt - NORMAL.felt) == pytest.approx(np.full(N, 2.0), rel=0.1)


def test_a_holiday_without_the_morning_rush_still_shows_who_makes_noise():
    """Everybody is at a third of other weeks: the rush expected is of that third."""
    expected = seasoned(NORMAL, season(change=1.5, level=3.0))
    assert expected.demand == pytest.approx(NORMAL.demand * 1.5, rel=0.1)


def test_what_the_trailing_windows_have_seen_is_not_expected_twice():
    half = seasoned(NORMAL, season(change=4.0), part=0.5)
    whole = seasoned(NORMAL, season(change=1.0), part=1.0)
    assert half.demand == pytest.approx(NORMAL.demand * 2.0, rel=0.1)
    assert whole.demand == pytest.approx(NORMAL.demand, rel=0.1)


def test_a_level_never_steps_more_than_threefold():
    expected = seasoned(NORMAL, season(level=0.1))
    assert expected.demand == pytest.approx(NORMAL.demand * 0.3, rel=0.25)


def test_who_was_quiet_before_is_expected_as_in_other_weeks():
    habit = season()
    quiet = replace(habit, demand=NORMAL.demand * 50.0, demand_before=NORMAL.demand * 0.01)
    expected = seasoned(NORMAL, quiet)
    assert (expected.demand > NORMAL.demand * 15).all()


def test_without_the_hour_before_the_hour_itself_counts_by_its_weeks():
    habit = replace(season(change=3.0), demand_before=None, felt_before=None)
    expected = seasoned(NORMAL, habit)
    assert expected.demand == pytest.approx(NORMAL.demand * 3.0**0.8, rel=0.02)


@given(st.floats(0.2, 5.0), st.floats(0.0, 1.0), st.floats(0.0, 8.0))
def test_no_history_or_no_change_expects_what_is(level, part, weeks):
    same = seasoned(NORMAL, season(level=level, weeks=0.0), part)
    assert same.demand == pytest.approx(NORMAL.demand)
    still = seasoned(NORMAL, season(level=min(max(level, 0.4), 2.5), weeks=weeks), part)
    assert still.demand == pytest.approx(NORMAL.demand, rel=1e-6)
