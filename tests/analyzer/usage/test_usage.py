"""Questions about usage, asked of a small platform whose answers are known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from analyzer.registry import Resource, upsert_resource
from analyzer.usage import questions, rollup
from analyzer.usage.spans import spans
from collector.model import ResourceId, ResourceKind, TenantId
from tests.analyzer.usage.test_rollup import AT, DAY, KEEP, Usage

SHARD = ResourceId("db:shard-1")
HOUR = 3600


def row(at: int, tenant: str, busy: float, **more) -> dict[str, Any]:
    """A window in which the tenant used `busy` cores."""
    whole = {"count": 20, "arrived": 20, "errors": 1, "busy_us": int(busy * 1e7), "b03": 20}
    return {"at": at, "tenant": tenant, **whole, **more}


def learn(made: Usage) -> None:
    until = rollup.watermark(made.store)
    assert until is not None
    questions.learn_expected(made.store, until=until)


@pytest.fixture
def platform() -> Iterator[Usage]:
    """acme quiet, globex ten times as loud for the last five minutes of two hours."""
    made = Usage()
    rows = []
    for at in range(0, 2 * HOUR, 20):
        rows.append(row(at, "acme", 0.1))
        rows.append(row(at, "globex", 2.0 if at >= 2 * HOUR - 300 else 0.2))
    made.put(*rows, row(2 * HOUR + 10, "initech", 0.0, count=0, b03=0, arrived=0, errors=0))
    made.roll()
    learn(made)
    upsert_resource(made.store, Resource(SHARD, ResourceKind.DATABASE, AT, 4.0))
    yield made
    made.store.close()


def after(seconds: float):
    return AT + timedelta(seconds=seconds)


def test_a_series_is_rates_quantiles_and_what_is_expected(platform) -> None:
    asked = {"start": AT, "end": after(HOUR), "tenant": TenantId("acme")}
    (one,) = questions.series(platform.store, step_s=60, **asked)
    assert (one.resource, one.family.value, one.step_s, one.points.height) == (
        SHARD,
        "query",
        60,
        60,
    )
    point = one.points.row(0, named=True)
    assert point["requests_per_s"] == pytest.approx(1.0)
    assert point["busy"] == pytest.approx(0.05)  # half of the windows had usage
    assert point["expected"] == pytest.approx(0.05)
    assert point["error_ratio"] == pytest.approx(0.05)
    assert 2**-9 < point["p95_s"] <= 2**-8.5
    assert point["waiting"] is None


def test_what_waited_adds_up_over_tenants_and_is_null_where_nobody_said(platform) -> None:
    platform.put(
        row(2 * HOUR + 20, "acme", 0.1, waiting=4.0),
        row(2 * HOUR + 20, "globex", 0.1, waiting=2.0),
        row(2 * HOUR + 30, "acme", 0.1, waiting=3.0),
        row(2 * HOUR + 40, "acme", 0.1),
    )
    asked = {"start": after(2 * HOUR + 20), "end": after(2 * HOUR + 50), "resource": SHARD}
    (one,) = questions.series(platform.store, step_s=10, **asked)
    assert one.points["waiting"].to_list() == [6.0, 3.0, None]


@pytest.mark.parametrize("step_s", [10, 60, 300, HOUR])
def test_one_tenant_is_answered_as_where_it_is_alone(platform, step_s: int) -> None:
    mine = [row(at, "acme", 0.1 + at / HOUR, waiting=float(at % 7)) for at in range(0, 600, 30)]
    mine += [row(at, "acme", 0.3, family="request", b09=at) for at in range(0, HOUR, 40)]
    mine += [{"at": 700, "window_s": 60, "tenant": "acme", "arrived": 3, "waiting": 2.0}]
    alone = Usage()
    alone.put(*mine, *[row(at, "acme", 0.1) for at in range(0, 2 * HOUR, 20)])
    alone.roll()
    platform.put(*mine, row(5, "globex", 0.3, family="request", waiting=100.0))
    platform.roll()
    asked = {"start": AT, "end": after(2 * HOUR + 20), "step_s": step_s}
    there = questions.series(alone.store, **asked)  # every tenant, and there is one
    here = questions.series(platform.store, **asked, tenant=TenantId("acme"))
    assert [one.family for one in here] == [one.family for one in there] == ["query", "request"]
    for one, other in zip(here, there, strict=True):
        assert_frame_equal(one.points.drop("expected"), other.points.drop("expected"))
    assert here[0].points["waiting"].count()
    alone.store.close()


def test_rows_of_few_windows_add_up_as_sums_do(platform, monkeypatch) -> None:
    platform.put(row(2 * HOUR + 20, "acme", 0.1, b09=40), row(2 * HOUR + 20, "acme", 0.1, b11=2))
    platform.put(row(2 * HOUR + 20, "globex", 0.1, family="request", b07=5))
    asked = {"at": after(2 * HOUR + 30), "span_s": 30, "sort": "tenant"}
    few = questions.tenants(platform.store, **asked).frame
    monkeypatch.setattr(questions, "_FEW_WINDOWS", 0)
    assert_frame_equal(few, questions.tenants(platform.store, **asked).frame)
    assert few["p95_s"].count() == 2


def test_a_span_counts_its_windows(platform) -> None:
    def windows(start: float, end: float, step_s: int) -> int:
        return spans(platform.store, after(start), after(end), step_s).windows

    assert windows(0, HOUR, HOUR) == 1
    assert windows(0, HOUR, 60) == 60
    assert windows(0, 2 * HOUR + 10, HOUR) == 3  # two hours, and ten seconds of the next


def test_steps_do_not_change_the_sums(platform) -> None:
    asked = {"start": AT, "end": after(2 * HOUR), "resource": SHARD}
    totals = []
    for step_s in (10, 60, 300, HOUR):
        (one,) = questions.series(platform.store, step_s=step_s, **asked)
        totals.append(one.points["requests_per_s"].sum() * step_s)
    assert totals == pytest.approx([2 * 20 * 360] * 4)


def test_a_range_up_to_now_includes_what_is_not_rolled_up_yet(platform) -> None:
    asked = {"start": AT, "end": after(3 * HOUR), "step_s": HOUR}
    platform.put(row(2 * HOUR + 300, "acme", 0.1))
    (one,) = questions.series(platform.store, **asked)
    assert one.points.height == 3
    assert one.points["requests_per_s"][2] == pytest.approx(20 / HOUR)


def test_where_ten_seconds_are_gone_minutes_answer(platform) -> None:
    platform.put({"at": 4 * DAY, "count": 1})
    platform.roll()
    learn(platform)
    platform.retain(4 * DAY, KEEP)
    span = spans(platform.store, AT, after(HOUR), 10)
    (one,) = questions.series(platform.store, start=AT, end=after(HOUR), step_s=10, resource=SHARD)
    assert (span.step_s, one.step_s, one.points.height) == (60, 60, 60)


def test_the_tenants_table_ranks_by_noise(platform) -> None:
    found = questions.tenants(platform.store, at=after(2 * HOUR), span_s=120)
    rows = {r["tenant"]: r for r in found.frame.iter_rows(named=True)}
    assert (found.total, next(iter(rows))) == (2, "globex")
    assert rows["globex"]["noise"] == pytest.approx(10.0)
    assert rows["acme"]["noise"] == pytest.approx(1.0)
    assert rows["globex"]["share"] == pytest.approx(2.0 / 2.1)
    assert rows["globex"]["resource"] == SHARD
    assert rows["acme"]["p95_s"] == pytest.approx(2**-9 * (1 + (2**0.5 - 1) * 0.95))


def test_tenants_are_searched_sorted_and_paged(platform) -> None:
    at = after(2 * HOUR)
    assert questions.tenants(platform.store, at=at, search="CM").frame["tenant"].to_list() == [
        "acme"
    ]
    page = questions.tenants(
        platform.store, at=at, sort="tenant", descending=False, limit=1, offset=1
    )
    assert (page.frame["tenant"].to_list(), page.total) == (["globex"], 2)
    with pytest.raises(ValueError, match="'colour' is no column"):
        questions.tenants(platform.store, at=at, sort="colour")


def test_what_arrived_and_was_not_finished_counts_as_load(platform) -> None:
    platform.put(row(2 * HOUR + 120, "hooli", 1.0, arrived=60, count=20))
    found = questions.tenants(platform.store, at=after(2 * HOUR + 130), span_s=10).frame
    assert found["load"].to_list() == pytest.approx([3.0])


def test_the_heatmap_shows_the_movers_first(platform) -> None:
    heat = questions.heatmap(platform.store, start=after(HOUR), end=after(2 * HOUR), limit=1)
    assert (heat.tenants, heat.of, heat.values.shape) == (["globex"], 2, (1, 60))
    assert heat.values[0, 10] == pytest.approx(0.0)
    assert heat.values[0, -1] == pytest.approx(np.log2(10))
    assert heat.clock[0] == after(HOUR)


def test_a_heatmap_of_nothing_is_empty(platform) -> None:
    heat = questions.heatmap(
        platform.store, start=after(30 * DAY), end=after(31 * DAY), step_s=HOUR
    )
    assert (heat.tenants, heat.values.shape) == ([], (0, 24))


def test_shares_add_up_to_one_with_the_rest_in_one_line(platform) -> None:
    asked = {"start": after(HOUR), "end": after(2 * HOUR)}
    shares = questions.shares(platform.store, SHARD, top=1, **asked)
    assert shares["tenant"].to_list() == ["globex", questions.OTHER]
    assert shares["share"].sum() == pytest.approx(1.0)


def test_utilisation_is_busy_over_capacity(platform) -> None:
    asked = {"start": after(2 * HOUR - 60), "end": after(2 * HOUR)}
    (found,) = questions.utilisation(platform.store, **asked).iter_rows(named=True)
    assert found["busy"] == pytest.approx(1.05)
    assert found["utilisation"] == pytest.approx(1.05 / 4)


def test_questions_before_any_data_have_empty_answers() -> None:
    empty = Usage()
    asked = {"start": AT, "end": after(HOUR)}
    assert questions.series(empty.store, **asked) == []
    assert questions.tenants(empty.store, at=AT).total == 0
    assert questions.heatmap(empty.store, **asked).tenants == []
    assert questions.shares(empty.store, SHARD, **asked).is_empty()
    assert questions.utilisation(empty.store, **asked).is_empty()
    empty.store.close()


def test_an_hourly_row_fills_its_hour_at_its_own_rate(platform: Usage) -> None:
    early = -6 * HOUR
    platform.put({"at": early, "window_s": 3600, "tenant": "globex", "busy_us": 3600 * 10**6})
    platform.roll()
    heat = questions.heatmap(platform.store, start=after(early), end=after(early + HOUR), limit=1)
    (line,) = heat.values.tolist()
    assert len(line) == 60
    assert len(set(line)) == 1
