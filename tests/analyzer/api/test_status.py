"""The longest calm is time that was judged and in which nothing fired."""

from __future__ import annotations

import pytest

from analyzer.api.status import longest_calm
from tests.analyzer.journal.cast import at


@pytest.mark.parametrize(
    ("fired", "minutes"),
    [
        ([], 60),
        ([(10, 20)], 40),
        ([(10, None)], 10),
        ([(0, None)], 0),
        ([(10, 50), (20, 30)], 10),
        ([(5, 10), (40, 45)], 30),
        ([(10, 90)], 10),
    ],
)
def test_the_longest_calm_lies_between_what_fired(fired, minutes):
    spans = [(at(start), None if end is None else at(end)) for start, end in fired]
    assert longest_calm(spans, since=at(0), until=at(60)) == minutes * 60


@pytest.mark.parametrize(("since", "until"), [(None, at(0)), (at(0), None), (at(1), at(1))])
def test_without_judged_time_no_calm_is_claimed(since, until):
    assert longest_calm([], since=since, until=until) is None
