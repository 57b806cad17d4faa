"""Times as people and Grafana write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from analyzer.api.times import parse_range, parse_time
from collector.model import Rejected

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("now", NOW),
        ("now-6h", NOW - timedelta(hours=6)),
        ("now+30s", NOW + timedelta(seconds=30)),
        ("2026-11-22T04:00:00+01:00", NOW),
        ("2026-11-22T03:00:00Z", NOW),
        ("1795316400000", datetime(2026, 11, 22, 3, 0, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_written(text, means):
    assert parse_time(text, now=NOW, field="from") == means


@pytest.mark.parametrize(
    "text", ["", "yesterday", "now-", "now-6y", "2026-11-22T03:00:00", "9" * 40, "now-999999w"]
)
def test_an_unreadable_time_names_its_field_and_the_remedy(text):
    with pytest.raises(Rejected, match="now-6h") as caught:
        parse_time(text, now=NOW, field="from")
    assert caught.value.field == "from"


@pytest.mark.parametrize(("start", "end"), [("now", "now-1h"), ("now", "now"), ("now-500d", "now")])
def test_an_empty_or_endless_range_is_refused(start, end):
    with pytest.raises(Rejected):
        parse_range(start, end, now=NOW, default=timedelta(hours=1))


def test_without_a_start_the_default_length_counts_back_from_the_end():
    since, until = parse_range(None, "now-1h", now=NOW, default=timedelta(hours=6))
    assert (until - since, until) == (timedelta(hours=6), NOW - timedelta(hours=1))
