"""The newest column of a heatmap is a whole step, or everyone would look calm in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from analyzer.api.resources import complete


def at(minute: int, second: int = 0) -> datetime:
    return datetime(2026, 11, 23, 1, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("end", "until", "shown"),
    [
        (at(27, 40), at(27, 20), at(27)),
        (at(27), at(27, 20), at(27)),
        (at(20), at(27, 20), at(20)),
        (at(27, 40), None, at(27)),
    ],
)
def test_only_whole_steps_are_shown(end, until, shown):
    assert complete(end, until, 60) == shown
