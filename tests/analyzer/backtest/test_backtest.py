"""Recorded usage in, verdicts out; hostile files are refused by column and remedy."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyzer.backtest.replay import Verdict, backtest
from collector.model import LATENCY_BOUNDS, Rejected
from tests.analyzer.detect.worlds import CAST, noisy, world


def rows_of(windows, resource: str) -> pl.DataFrame:
    """The arrays as native usage rows, latency in buckets."""
    tenants, width = windows.count.shape
    latency = np.exp(windows.log_latency)
    counts = np.zeros((tenants * width, len(LATENCY_BOUNDS) + 1), np.int64)
    place = np.searchsorted(LATENCY_BOUNDS, latency.ravel())
    counts[np.arange(place.size), place] = windows.count.ravel().astype(int)
    return pl.DataFrame(
        {
            "ts": np.tile(windows.ts, tenants),
            "window_s": np.full(tenants * width, int(windows.window_s), np.int32),
            "tenant": np.repeat(list(CAST), width),
            "resource": np.full(tenants * width, resource),
            "family": np.full(tenants * width, "query"),
            "arrived": windows.arrived.ravel().astype(np.int64),
            "count": windows.count.ravel().astype(np.int64),
            "errors": windows.errors.ravel().astype(np.int64),
            "busy_s": windows.busy_s.ravel(),
            "latency_sum_s": (latency * windows.count).ravel(),
            "latency_buckets": pl.Series(counts).arr.to_list(),
        }
    )


def recorded(tmp_path: Path, *parts: pl.DataFrame, described: object = None) -> Path:
    pl.concat(parts).write_parquet(tmp_path / "usage.parquet")
    if described is not None:
        (tmp_path / "resources.json").write_text(json.dumps(described))
    return tmp_path


def told(directory: Path) -> list[Verdict]:
    return list(backtest(directory))


NOISY = rows_of(noisy(), "db:shard-1")
CALM = rows_of(world(seed=2), "db:shard-2")


def test_two_shards_in_one_file_one_of_them_noisy(tmp_path: Path):
    shards = {"db:shard-1": {"kind": "database", "capacity": 4}, "db:shard-2": {"capacity": 4}}
    (found,) = told(recorded(tmp_path, NOISY, CALM, described=shards))
    assert (found.resource, found.kind, found.aggressors) == (
        "db:shard-1",
        "noisy_neighbour",
        ("acme",),
    )
    assert set(found.victims) == set(CAST) - {"acme"}
    assert found.action == "throttle"
    assert found.limit is not None
    assert 0 < found.limit < 3.4
    assert (found.detected_at - found.started_at).total_seconds() <= 60


def test_a_line_of_json_has_the_public_fields(tmp_path: Path):
    (found,) = told(recorded(tmp_path, NOISY))
    line = json.loads(found.as_json())
    assert list(line) == [
        "resource", "kind", "aggressors", "victims", "started_at", "detected_at", "ended_at",
        "confidence", "action", "limit",
    ]  # fmt: skip
    assert line["ended_at"] is None
    assert datetime.fromisoformat(line["started_at"]).tzinfo is not None


def test_progress_runs_to_one(tmp_path: Path):
    seen: list[float] = []
    list(backtest(recorded(tmp_path, CALM), progress=seen.append))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    "change",
    [
        NOISY.drop("arrived"),
        NOISY.drop("count"),
        NOISY.drop("busy_s"),
        NOISY.drop("latency_buckets"),
        NOISY.drop("errors", "window_s", "family"),
        NOISY.with_columns(pl.col("ts").dt.replace_time_zone("UTC")),
        NOISY.with_columns(pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
        NOISY.with_columns(pl.col("ts").dt.epoch("s")),
        NOISY.with_columns(latency_bounds=pl.lit(list(LATENCY_BOUNDS), pl.List(pl.Float64))),
        NOISY.sample(fraction=1.0, shuffle=True, seed=3),
        pl.concat([NOISY, NOISY.with_columns(pl.lit("request").alias("family"))]),
    ],
    ids=["no arrived", "no count", "no busy", "no buckets", "few columns", "zoned", "text",
         "unix", "own bounds", "shuffled", "two families"],
)  # fmt: skip
def test_the_same_verdict_from_other_shapes_of_the_file(tmp_path: Path, change: pl.DataFrame):
    found = told(recorded(tmp_path, change))
    assert [v.aggressors for v in found] == [("acme",)]


@pytest.mark.parametrize("column", ["busy_s", "count", "latency_sum_s", "volume"])
def test_numbers_that_are_none_do_no_harm(tmp_path: Path, column: str):
    odd = pl.Series([float("nan"), float("inf"), -5.0])
    frame = NOISY.with_columns(
        pl.when(pl.int_range(pl.len()) % 97 < 3)
        .then(odd.gather([k % 3 for k in range(NOISY.height)]))
        .otherwise(pl.col(column) if column in NOISY.columns else 1.0)
        .alias(column)
    )
    assert [v.aggressors for v in told(recorded(tmp_path, frame))] == [("acme",)]


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (NOISY.drop("ts"), "ts"),
        (NOISY.drop("tenant"), "tenant"),
        (NOISY.drop("resource"), "resource"),
        (NOISY.drop("arrived", "count"), "count"),
        (NOISY.with_columns(pl.lit("many").alias("count")), "count"),
        (NOISY.with_columns(pl.lit("soon").alias("ts")), "ts"),
        (NOISY.with_columns(pl.lit(value=True).alias("ts")), "ts"),
        (NOISY.with_columns(pl.lit(3).alias("latency_buckets")), "latency_buckets"),
        (NOISY.clear(), "usage.parquet"),
    ],
)
def test_a_bad_column_is_named(tmp_path: Path, frame: pl.DataFrame, field: str):
    with pytest.raises(Rejected) as refused:
        told(recorded(tmp_path, frame))
    assert refused.value.field == field


def test_no_file_and_no_parquet_are_named(tmp_path: Path):
    with pytest.raises(Rejected, match="does not exist"):
        told(tmp_path)
    (tmp_path / "usage.parquet").write_text("not parquet")
    with pytest.raises(Rejected, match="not readable Parquet"):
        told(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", '"db"'])
def test_resources_that_are_no_object_are_named(tmp_path: Path, text: str):
    directory = recorded(tmp_path, CALM)
    (directory / "resources.json").write_text(text)
    with pytest.raises(Rejected) as refused:
        told(directory)
    assert refused.value.field == "resources.json"


@pytest.mark.parametrize("capacity", [None, "four", -1, 0, float("nan"), 2.0, 8.0])
def test_a_missing_or_wrong_capacity_is_borne(tmp_path: Path, capacity: object):
    described = {"db:shard-1": {"kind": "unheard of", "capacity": capacity}, "db:x": 3}
    found = told(recorded(tmp_path, NOISY, described=described))
    assert [v.aggressors for v in found] == [("acme",)]


def test_a_contracted_floor_bounds_the_limit(tmp_path: Path):
    directory = recorded(tmp_path, NOISY)
    (directory / "tenants.json").write_text('{"acme": {"floor": 3.0}}')
    (found,) = told(directory)
    assert found.limit == 3.0
