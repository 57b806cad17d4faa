"""Rows move into Parquet and nobody notices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyzer.store import reader as reader_module
from analyzer.store.database import Store
from analyzer.upkeep import compaction
from analyzer.upkeep.compaction import CompactionSettings, compact, sweep
from analyzer.usage import rollup
from analyzer.usage.rollup import RetentionSettings
from tests.analyzer.ingest.door import _ask
from tests.analyzer.upkeep.dying import killed_at
from tests.analyzer.usage.test_rollup import AT, DAY, Usage

HOUR = 3600
SOON = CompactionSettings(ten_seconds_h=1, minutes_d=1, hours_d=1)
GRAINS = ("10s", "1m", "1h", "1d")


def squeeze(usage: Usage, seconds: float = 40 * DAY) -> compaction.Compacted:
    return compact(usage.store, now=AT + timedelta(seconds=seconds), settings=SOON)


def sums(store: Store, grain: str) -> list[tuple[Any, ...]]:
    """What a grain says, a line per window and tenant; windows corrected to nothing left out."""
    text = (
        f'SELECT ts, window_s, tenant, sum("count"), sum(busy_us), sum(b03), sum(waiting) '  # noqa: S608
        f'FROM usage_{grain} GROUP BY ALL HAVING sum("count") > 0 ORDER BY ALL'
    )
    return _ask(store, text)


def files(usage: Usage) -> list[str]:
    return [row[0] for row in _ask(usage.store, "SELECT grain FROM cold_files ORDER BY grain")]


@pytest.fixture
def usage():
    made = Usage()
    made.put(
        *[
            {"at": day * DAY + 600 * k, "count": k + day + 1, "b03": k, "waiting": 0.5 * k,
             "busy_us": 7 * k, "tenant": f"t{k % 3}"}
            for day in (0, 1, 2, 12)
            for k in range(30)
        ]
    )  # fmt: skip
    made.roll()
    yield made
    made.store.close()


def test_answers_are_the_same_before_and_after(usage) -> None:
    before = {grain: sums(usage.store, grain) for grain in GRAINS}
    moved = squeeze(usage)
    assert moved.files == len(files(usage)) > 8
    assert set(files(usage)) == {"10s", "1m", "1h"}
    assert _ask(usage.store, "SELECT count(*) FROM hot_10s")[0][0] < 20
    assert {grain: sums(usage.store, grain) for grain in GRAINS} == before
    assert squeeze(usage) == compaction.Compacted()


def test_a_file_is_sorted_and_delta_coded(usage) -> None:
    squeeze(usage)
    name = _ask(usage.store, "SELECT file FROM cold_files WHERE grain = '1h' LIMIT 1")[0][0]
    path = usage.store.cold.directory / name
    table = pq.read_table(path)
    keys = list(zip(table["resource"].to_pylist(), table["tenant"].to_pylist(),
                    table["ts"].to_pylist(), strict=True))  # fmt: skip
    assert keys == sorted(keys)
    column = pq.ParquetFile(path).metadata.row_group(0).column(table.schema.names.index("busy_us"))
    assert ("DELTA_BINARY_PACKED" in column.encodings, column.compression) == (True, "ZSTD")


def test_what_the_watermark_has_not_passed_stays_hot(usage) -> None:
    usage.put({"at": 41 * DAY, "count": 1})
    squeeze(usage, 41 * DAY)
    assert _ask(usage.store, "SELECT max(high) FROM cold_files")[0][0].day < 18


def test_late_rows_of_a_moved_window_roll_up_to_the_right_sums(usage) -> None:
    squeeze(usage)
    usage.put({"at": 600, "count": 1000, "tenant": "t1"}, {"at": 600, "count": 5, "tenant": "new"})
    usage.roll()
    usage.put({"at": 610, "count": 100, "tenant": "t1"})
    usage.roll()
    first = AT.replace(tzinfo=None)
    for grain, ts in (("1m", first + timedelta(minutes=10)), ("1h", first), ("1d", first)):
        found = {(row[0], row[2]): row[3] for row in sums(usage.store, grain)}
        was = {"1m": 2, "1h": 2 + 5, "1d": sum(k + 1 for k in range(30) if k % 3 == 1)}[grain]
        assert (found[ts, "t1"], found[ts, "new"]) == (was + 1100, 5), grain


def test_small_files_of_a_unit_are_merged(usage) -> None:
    squeeze(usage)
    before = len(files(usage))
    for late in range(4):
        usage.put({"at": 600, "count": 1, "tenant": f"late-{late}"})
        usage.roll()
        squeeze(usage)
    names = "SELECT count(*) FROM cold_files WHERE unit = (SELECT min(unit) FROM cold_files)"
    assert _ask(usage.store, names + " AND grain = '10s'")[0][0] < compaction.MERGE_AT
    assert len(files(usage)) < before + 3 * 3
    assert [row[3] for row in sums(usage.store, "1m") if str(row[2]).startswith("late")] == [1] * 4


def test_retention_gives_up_whole_files_and_adds_what_comes_later(usage) -> None:
    squeeze(usage)
    keep = RetentionSettings(ten_seconds_h=26, minutes_d=2)
    usage.retain(13 * DAY, keep)
    assert _ask(usage.store, "SELECT min(ts) FROM usage_10s")[0][0].day == 17
    day = sums(usage.store, "1d")[0]
    usage.put({"at": 0, "count": 3, "tenant": day[2]})
    usage.roll(keep=keep)
    assert sums(usage.store, "1d")[0][3] == day[3] + 3


def test_a_query_that_met_a_change_of_files_is_asked_again(usage) -> None:
    """A reader that was shown the files before the move must not miss the rows that moved."""
    with usage.store.reader() as reader:
        low, high = (AT.replace(tzinfo=None) + timedelta(days=k) for k in (0, 30))
        before = reader.rows("cold_sums", table="usage_10s", low=low, high=high)
        squeeze(usage)
        assert reader.rows("cold_sums", table="usage_10s", low=low, high=high) == before


@pytest.mark.parametrize("before", [True, False], ids=["before it runs", "while it runs"])
def test_rows_that_move_behind_a_question_of_hot_rows_alone_are_not_missed(
    usage, monkeypatch, before: bool
) -> None:
    """It was narrowed to hot rows while there was no file; then all of them moved into one."""
    start = AT.replace(tzinfo=None)
    edges = dict.fromkeys(("since", "days", "hours"), start)
    asked: dict[str, Any] = {
        **edges, "minutes": start + timedelta(days=30), "until": start + timedelta(days=30),
        "step": 60, "resource": None, "family": None,
    }  # fmt: skip
    expected = sorted(usage.store.rows("usage_series", **asked), key=repr)
    texts: list[str] = []

    def sly(cursor: Any, text: str, params: Any) -> Any:
        if not texts and "hot_1m" in text and "time_bucket" in text:
            texts.append(text)
            if before:
                squeeze(usage)
                return run(cursor, text, params)
            answer = run(cursor, text, params)
            squeeze(usage)
            return answer
        if "time_bucket" in text:
            texts.append(text)
        return run(cursor, text, params)

    run = reader_module._run
    monkeypatch.setattr(reader_module, "_run", sly)
    assert sorted(usage.store.rows("usage_series", **asked), key=repr) == expected
    assert "FROM usage_1m" not in texts[0]
    assert "FROM usage_1m" in texts[-1]  # asked again, with the files


def test_sql_reaches_no_other_files(usage, tmp_path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for sql in (
        f"FROM read_csv('{secret}')",
        f"ATTACH '{tmp_path}/other.duckdb'",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        "SET enable_external_access = true",
    ):
        with pytest.raises(Exception, match=r"Permission|Cannot|disabled"):
            usage.store._connection.execute(sql)


def test_files_nobody_names_go_after_a_day(usage) -> None:
    squeeze(usage)
    orphan = usage.store.cold.directory / "10s-20200101T000000-0123456789abcdef.parquet"
    orphan.write_bytes(b"half a file")
    now = datetime.now(UTC)  # noqa: TID251
    assert sweep(usage.store, now=now) == 0
    assert sweep(usage.store, now=now + timedelta(days=2)) == 1
    assert not orphan.exists()
    assert sums(usage.store, "10s")


@pytest.mark.parametrize("every", [171, pytest.param(17, marks=pytest.mark.soak)])
def test_killed_at_any_line_nothing_is_lost_or_doubled(tmp_path, every) -> None:
    path = tmp_path / "partywall.duckdb"
    store = Store.open(path, threads=1)
    usage = Usage(store)
    usage.put(*[{"at": 600 * k, "count": 1, "b03": k} for k in range(12)], {"at": DAY, "count": 1})
    usage.roll()
    before = {grain: sums(store, grain) for grain in GRAINS}
    store.close()
    died = 0
    line = 0

    def work(store: Store) -> None:
        compact(store, now=AT + timedelta(days=40), settings=SOON)

    while killed_at(line, path, work, "compaction.py", "database.py", "reader.py"):
        died += 1
        line += every
        store = Store.open(path, threads=1)
        assert {grain: sums(store, grain) for grain in GRAINS} == before, line
        store.close()
    assert died > 3


lates = st.lists(
    st.lists(
        st.fixed_dictionaries(
            {
                "at": st.integers(0, 2 * 24 * 2).map(lambda k: 1800 * k),
                "count": st.integers(1, 100),
                "waiting": st.sampled_from([None, 1.0, 2.5]),
                "tenant": st.sampled_from(["acme", "globex"]),
                "window_s": st.sampled_from([10, 10, 60]),
            }
        ),
        min_size=1,
        max_size=6,
    ),
    min_size=2,
    max_size=3,
)


LATE = [{"at": 0, "count": 3, "waiting": 1.0}, {"at": DAY, "count": 5, "waiting": None}]


@settings(max_examples=1, deadline=None)
@given(batches=lates)
@example(batches=[LATE, LATE])
def test_however_late_and_moved_the_grains_say_what_a_recount_says(batches) -> None:
    recount(batches)


@pytest.mark.soak
@settings(max_examples=100, deadline=None)
@given(batches=lates)
def test_however_late_and_moved_many_times(batches) -> None:
    recount(batches)


def recount(batches: list[list[dict[str, Any]]]) -> None:
    """The store that compacts after every batch against one that gets all rows at once."""
    moving, naive = Usage(), Usage()
    for usage in (moving, naive):
        usage.put({"at": 14 * DAY, "count": 1})
    for batch in batches:
        moving.put(*batch)
        moving.roll()
        squeeze(moving)
    naive.put(*[row for batch in batches for row in batch])
    naive.roll()
    for grain in GRAINS:
        found, told = sums(moving.store, grain), sums(naive.store, grain)
        assert [row[:6] for row in found] == [row[:6] for row in told], grain
        assert [row[6] for row in found] == pytest.approx([row[6] for row in told]), grain
    for usage in (moving, naive):
        usage.store.close()


BAD = [CompactionSettings(ten_seconds_h=0), CompactionSettings(hours_d=-1)]


@pytest.mark.parametrize("settings", BAD)
def test_settings_that_cannot_be_name_their_key(settings) -> None:
    assert "compaction." in settings.problems()[0]
    assert CompactionSettings().problems() == []
    assert rollup.RetentionSettings().problems() == []
