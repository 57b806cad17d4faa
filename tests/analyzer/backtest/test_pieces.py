"""A recording is read piece by piece where that is safe, and says the same as when read whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyzer.backtest.pieces import plan
from analyzer.backtest.recorded import NUMBERS, read_recording
from tests.analyzer.backtest.test_backtest import NOISY, told

SORTED = NOISY.sort("ts", maintain_order=True)
CHECKED = (*NUMBERS, "window_s")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.backtest.pieces.ENOUGH", 150)


def put(tmp_path: Path, frame: pl.DataFrame, group: int = 64) -> Path:
    frame.write_parquet(tmp_path / "usage.parquet", row_group_size=group)
    return tmp_path / "usage.parquet"


def test_row_groups_in_the_order_of_time_are_read_some_at_a_time(tmp_path, narrow):
    path = put(tmp_path, SORTED)
    pieces = plan(path, CHECKED)
    assert [number for piece in pieces for number in piece] == list(range(19))
    assert {len(piece) for piece in pieces} == {1, 3}


@pytest.mark.parametrize("group", [64, 7, 1])
def test_pieces_tell_what_the_whole_tells(tmp_path, narrow, monkeypatch, group):
    path = put(tmp_path, SORTED, group)
    pieces = read_recording(tmp_path)
    assert len(plan(path, CHECKED)) > 5
    by_pieces = told(tmp_path)
    chunks = list(pieces.chunks(600))
    monkeypatch.setattr("analyzer.backtest.pieces.ENOUGH", 10**9)
    whole = read_recording(tmp_path)
    assert (whole.start, whole.end) == (pieces.start, pieces.end)
    for (at, some), (then, every) in zip(chunks, whole.chunks(600), strict=True):
        assert at == then
        assert some.equals(every)
    assert by_pieces == told(tmp_path)
    assert [v.aggressors for v in by_pieces] == [("acme",)]


@pytest.mark.parametrize(
    "frame",
    [
        NOISY,  # tenant by tenant: row groups lie over each other in time
        SORTED.with_columns(pl.col("ts").dt.to_string("iso:strict") + "Z"),
        SORTED.with_columns(pl.col("busy_s").cast(pl.String)),  # any of them may be no number
    ],
)
def test_what_is_not_sure_is_read_whole(tmp_path, narrow, frame):
    path = put(tmp_path, frame)
    (piece,) = plan(path, CHECKED)
    assert list(piece) == list(range(19))
    assert [v.aggressors for v in told(tmp_path)] == [("acme",)]


def test_a_silent_stretch_between_pieces_is_walked_through(tmp_path, narrow):
    late = SORTED.with_columns(pl.col("ts") + pl.duration(hours=3))
    put(tmp_path, pl.concat([SORTED, late]))
    heights = [rows.height for _, rows in read_recording(tmp_path).chunks(600)]
    assert sum(heights) == 2 * SORTED.height
    assert heights.count(0) >= 12
    assert np.array_equal(np.flatnonzero(heights)[:4], [0, 1, 2, 3])
