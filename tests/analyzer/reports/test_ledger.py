"""The period ledger: what is due is written once, caught up, restated, made final."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analyzer.cost.bills.read import read_bill
from analyzer.cost.bills.rules import BillRule
from analyzer.cost.bills.shelf import put
from analyzer.cost.ledger import stored
from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.reports import build_report, close_weeks
from analyzer.store.database import Store
from collector.model import Rejected, TenantId
from tests.analyzer.cost import house
from tests.analyzer.cost.bills.paper import focus, row
from tests.analyzer.cost.house import MONDAY, WEEK, Hour, add

SHARD = "db:shard-1"
TERMS = CostSettings(
    zone="Europe/Berlin",
    prices=(Price(SHARD, "0.48"), Price("support", per_month="100", kind="fixed")),
    plans=(Plan("pro", "49"),),
    idle="proportional",
)
AFTER = datetime(2026, 11, 23, 6, tzinfo=UTC)  # the Monday after WEEK


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(None)
    house.resource(store, SHARD, 1)
    house.tenant(store, "acme", plan="pro")
    yield store
    store.close()


def use(store: Store, weeks_ago: int = 0) -> None:
    monday = MONDAY - timedelta(weeks=weeks_ago)
    add(store, [Hour(at, "acme", SHARD, 10**9) for at in (1, 30, 100)], monday)
    add(store, [Hour(at, "globex", SHARD, 2 * 10**9) for at in (1, 60)], monday)


def close(store: Store, directory: Path, now: datetime = AFTER) -> list[tuple[str, int, str]]:
    house.complete_until(store, now)
    reports = close_weeks(store, now=now, settings=TERMS, directory=directory)
    return [(report.week, report.version, report.status) for report in reports]


def test_a_week_that_ended_is_written_once(store, tmp_path):
    use(store)
    assert close(store, tmp_path) == [("2026-W47", 1, "provisional")]
    assert close(store, tmp_path) == []
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*"))
    assert files == ["2026-W47/v1/2026-W47.csv", "2026-W47/v1/2026-W47.html"]


def test_a_week_still_running_is_left_alone(store, tmp_path):
    use(store)
    assert close(store, tmp_path, WEEK.end - timedelta(hours=2)) == []


def test_a_week_whose_data_is_not_complete_waits(store, tmp_path):
    use(store)
    house.complete_until(store, WEEK.end - timedelta(hours=3))
    assert close_weeks(store, now=AFTER, settings=TERMS, directory=tmp_path) == []


def test_four_missed_weeks_are_caught_up_oldest_first(store, tmp_path):
    for weeks_ago in (3, 2, 1, 0):
        use(store, weeks_ago)
    assert [week for week, _, _ in close(store, tmp_path)] == [
        "2026-W44",
        "2026-W45",
        "2026-W46",
        "2026-W47",
    ]


def test_a_long_outage_is_caught_up_in_turns(store, tmp_path):
    for weeks_ago in range(11):
        use(store, weeks_ago)
    assert [len(close(store, tmp_path)) for _ in range(3)] == [8, 3, 0]


def test_a_week_without_data_has_no_report(store, tmp_path):
    use(store, weeks_ago=2)
    use(store)
    assert [week for week, _, _ in close(store, tmp_path)] == ["2026-W45", "2026-W47"]


def test_late_data_restates_the_week_and_says_whom_it_changed(store, tmp_path):
    use(store)
    close(store, tmp_path)
    first = tmp_path / "2026-W47/v1/2026-W47.csv"
    kept = first.read_bytes()
    add(store, [Hour(5, "acme", SHARD, 10**9)])
    later = AFTER + timedelta(hours=2)
    house.complete_until(store, later)
    (report,) = close_weeks(store, now=later, settings=TERMS, directory=tmp_path)
    assert (report.version, report.delta, report.changed) == (2, "0.0000", ("acme", "globex"))
    assert first.read_bytes() == kept
    assert "Supersedes version 1" in (tmp_path / "2026-W47/v2/2026-W47.html").read_text()
    assert close(store, tmp_path, later + timedelta(hours=2)) == []


def test_a_restated_week_keeps_the_prices_it_was_made_with(store, tmp_path):
    use(store)
    close(store, tmp_path)
    add(store, [Hour(5, "acme", SHARD, 10**9)])
    dearer = CostSettings(prices=(Price(SHARD, "9.99"),))
    later = AFTER + timedelta(hours=2)
    (report,) = close_weeks(store, now=later, settings=dearer, directory=tmp_path)
    assert report.delta == "0.0000"


def test_a_week_becomes_final_and_stays_so(store, tmp_path):
    use(store)
    close(store, tmp_path)
    ripe = WEEK.end + timedelta(days=8)
    assert close(store, tmp_path, ripe) == [("2026-W47", 2, "final")]
    assert close(store, tmp_path, ripe + timedelta(hours=2)) == []


def test_a_crash_between_the_files_and_the_ledger_is_repeated_without_harm(store, tmp_path):
    use(store)
    close(store, tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()}
    house.sql(store, "DELETE FROM statements")
    assert close(store, tmp_path) == [("2026-W47", 1, "provisional")]
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()} == before


def test_a_disk_that_refuses_leaves_the_ledger_open(store, tmp_path, caplog):
    use(store)
    blocked = tmp_path / "reports"
    blocked.write_text("a file where the directory should be")
    assert close(store, blocked) == []
    assert "2026-W47" in caplog.text
    blocked.unlink()
    assert close(store, blocked) == [("2026-W47", 1, "provisional")]


def test_every_stored_statement_sums_to_its_bill_and_compares_with_the_week_before(store, tmp_path):
    for weeks_ago in (1, 0):
        use(store, weeks_ago)
    add(store, [Hour(9, "acme", SHARD, 10**9)])
    close(store, tmp_path)
    with store.reader() as reader:
        both = [stored(reader, week) for week in ("2026-W46", "2026-W47")]
    for known in both:
        assert known is not None
        s = known.statement
        assert s.bill == s.allocated + s.idle + s.unattributed == sum(t.total for t in s.tenants)
    assert both[0] is not None
    assert both[1] is not None
    costs = {line.tenant: line.total for line in both[0].statement.tenants}
    assert {line.tenant: line.before for line in both[1].statement.tenants} == costs


def test_without_prices_there_is_nothing_to_report(store, tmp_path):
    use(store)
    house.complete_until(store, AFTER)
    assert close_weeks(store, now=AFTER, settings=CostSettings(), directory=tmp_path) == []


def test_the_command_line_gets_an_estimate_of_a_running_week(store, tmp_path):
    use(store)
    now = WEEK.start + timedelta(days=3)
    (path,) = build_report(store, "2026-W47", None, ["html"], tmp_path, settings=TERMS, now=now)
    assert "estimate" in path.read_text().split("</p>")[0]


def test_each_view_of_a_week_has_a_file_of_its_own(store, tmp_path):
    use(store)
    paths = [
        path
        for view in ("", "finance", "sre", "exec")
        for path in build_report(
            store, "2026-W47", None, ["html"], tmp_path, settings=TERMS, now=AFTER, view=view
        )
    ]
    assert [path.name for path in paths] == [
        "2026-W47.html", "2026-W47.html", "2026-W47-sre.html", "2026-W47-exec.html",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("week", "tenant", "format_", "field"),
    [
        ("2026-W60", None, "html", "week"),
        ("2030-W01", None, "html", "week"),
        ("2026-W47", "nobody", "html", "tenant"),
        ("2026-W47", None, "doc", "format"),
        ("2026-W47", None, "../html", "format"),
    ],
)
def test_a_report_nobody_can_make_is_refused_by_field(
    store, tmp_path, week, tenant, format_, field
):
    use(store)
    with pytest.raises(Rejected) as refused:
        build_report(
            store,
            week,
            TenantId(tenant) if tenant else None,
            [format_],
            tmp_path,
            settings=TERMS,
            now=AFTER,
        )
    assert refused.value.field == field


def test_a_bill_that_comes_late_restates_the_week_and_the_same_again_does_not(store, tmp_path):
    use(store)
    close(store, tmp_path)
    ripe = WEEK.end + timedelta(days=8)
    rules = (BillRule(SHARD, resource_id="db-1"),)
    terms = replace(TERMS, bill_rules=rules)

    def step(now: datetime) -> list[tuple[int, str, str | None]]:
        house.complete_until(store, now)
        found = close_weeks(store, now=now, settings=terms, directory=tmp_path)
        return [(report.version, report.status, report.delta) for report in found]

    assert step(ripe) == []  # it waits for its bill
    month = ("2026-11-01", "2026-12-01")
    put(store, read_bill(focus(row("720", currency="USD", charge=month))), name="n", now=ripe)
    assert step(ripe + timedelta(hours=2)) == [(2, "final", "87.3600")]
    assert step(ripe + timedelta(hours=4)) == []
    put(store, read_bill(focus(row("730", charge=month))), name="n", now=ripe)
    late = ripe + timedelta(days=90)
    ((version, status, delta),) = step(late)
    assert (version, status) == (3, "restated")
    assert delta == "2.3333"
    assert step(late + timedelta(hours=2)) == []
    with store.reader() as reader:
        rows = reader.rows("adjustment_list", week=None, resource=SHARD, limit=9)
    assert [(r[1], r[5]) for r in rows][-1] == (2, "168.0000")


def test_a_week_whose_usage_is_gone_keeps_its_statement(store, tmp_path):
    use(store)
    close(store, tmp_path)
    house.sql(store, "DELETE FROM hot_1h")
    assert close(store, tmp_path, AFTER + timedelta(days=8)) == []
