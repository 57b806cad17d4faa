"""A narrowed query says what the whole one says, whatever part of the range is empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product

import pytest

from analyzer.store.narrowing import SPANS, narrowed
from analyzer.store.reader import queries
from tests.analyzer.usage.test_rollup import AT, Usage

SPANNING = sorted(name for name, text in queries().items() if SPANS in text)
DAY = 86_400


@pytest.fixture(scope="module")
def usage() -> Iterator[Usage]:
    """Three days of two tenants, rolled up to every grain."""
    made = Usage()
    rows = [
        {"at": at, "tenant": tenant, "count": 1 + at % 7, "busy_us": at, "waiting": 2.0, "b03": 1}
        for at in range(0, 3 * DAY, 1800)
        for tenant in ("acme", "globex")
    ]
    made.put(*rows)
    made.roll()
    made.store._connection.execute(
        "INSERT INTO expected BY NAME "
        "SELECT 'acme' AS tenant, 'db:shard-1' AS resource, 'query' AS family, 0.1 AS busy"
    )
    yield made
    made.store.close()


def asked(name: str, lengths: tuple[int, ...]) -> dict[str, object]:
    """Parameters of a range of days, hours, minutes and tens, each so many seconds long."""
    start = AT.replace(tzinfo=None)
    edges = [start + timedelta(seconds=sum(lengths[:k])) for k in range(5)]
    known: dict[str, object] = dict(
        zip(("since", "days", "hours", "minutes", "until"), edges, strict=True)
    )
    known |= {
        "step": 300,
        "seconds": 3600.0,
        "resource": "db:shard-1",
        "tenant": "acme",
        "family": None,
    }
    text = queries()[name]
    rest = {"top": 10, "limit": 10, "width": 300}
    return {key: value for key, value in (known | rest).items() if f"${key}" in text}


@pytest.mark.parametrize("name", SPANNING)
def test_it_says_the_same_with_and_without_empty_grains(usage: Usage, name: str) -> None:
    said = 0
    for parts in product((0, 1), repeat=4):
        lengths = tuple(p * s for p, s in zip(parts, (DAY, 7200, 1800, 1800), strict=True))
        params = asked(name, lengths)
        with usage.store.reader() as reader:
            short = reader.rows(name, **params)
            reader._show(name)  # the whole one reads the files as well
            whole = reader._cursor.execute(queries()[name], params).fetchall()
        assert sorted(short, key=repr) == sorted(whole, key=repr)
        said += len(short)
    assert said, "nothing was asked"


def test_only_grains_with_something_in_them_are_scanned() -> None:
    params = asked("usage_series", (0, 0, 3600, 0))
    text, named = narrowed(queries()["usage_series"], params)
    assert "FROM hot_1m " in text
    assert not any(grain in text for grain in ("_1d", "_1h", "_10s"))
    assert {"hours", "minutes"} <= set(named)
    assert not {"since", "days", "until"} & set(named)


def test_files_are_read_where_the_range_reaches_into_them() -> None:
    params = asked("usage_series", (0, 0, 3600, 0))
    begin = params["hours"]
    assert isinstance(begin, datetime)
    query = queries()["usage_series"]

    def views(newest: dict[str, datetime]) -> list[str]:
        text, _ = narrowed(query, params, newest)
        return re.findall(r"(?:usage|hot)_1[0msdh]+", text)

    assert views({}) == ["hot_1m"]
    assert views({"1m": begin - timedelta(minutes=1), "10s": begin}) == ["hot_1m"]
    assert views({"1m": begin}) == ["usage_1m"]
    days = asked("usage_series", (DAY, 0, 0, 0))
    assert "FROM usage_1d " in narrowed(query, days, {})[0]  # days never move into files


def test_an_empty_range_is_an_empty_answer(usage: Usage) -> None:
    assert usage.store.rows("usage_series", **asked("usage_series", (0, 0, 0, 0))) == []


def test_other_queries_are_left_alone() -> None:
    params = {"resource": "db:1"}
    assert narrowed("SELECT 1", params) == ("SELECT 1", params)
