"""What the store holds is written down so that a backtest tells what the service told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from analyzer.backtest.replay import backtest
from analyzer.journal import records
from analyzer.store.database import Store
from analyzer.upkeep.record import record
from collector.model import ResourceId
from collector.receivers.simulated import Surge
from tests.analyzer.road import WINDOW, Road

SHARD = ResourceId("db:shard-1")
LONG = timedelta(days=30)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """A noisy neighbour named and gone again."""
    laid = Road.lay(tmp_path_factory.mktemp("road"), tenants=12, shards=1, endpoints=())
    laid.history(35)
    noisy = laid.platform.middling(SHARD, 4)
    begins = laid.begins + 3 * WINDOW
    laid.surges.append(Surge(noisy, SHARD, begins, begins + 24 * WINDOW))
    laid.live(45)
    yield laid
    laid.close()


def test_a_recording_tells_what_the_service_told(road: Road, tmp_path: Path) -> None:
    (known,) = records.incidents(road.analyzer.store)
    done = record(
        road.analyzer.store, tmp_path / "kept", since=road.begins - LONG, until=road.begins + LONG
    )
    (told,) = backtest(done.directory)
    assert told.resource == known.resource
    assert told.aggressors == tuple(blame.tenant for blame in known.finding.aggressors)
    assert set(told.victims) == {harm.tenant for harm in known.finding.victims}
    assert known.detected_at is not None
    assert abs(told.detected_at - known.detected_at) <= WINDOW


def test_only_the_hours_asked_for_are_written(road: Road, tmp_path: Path) -> None:
    until = road.begins - 20 * WINDOW
    done = record(
        road.analyzer.store, tmp_path / "part", since=until - timedelta(minutes=5), until=until
    )
    frame = pl.read_parquet(done.directory / "usage.parquet")
    assert frame.height == done.rows > 0
    assert frame["ts"].min() == done.since.replace(tzinfo=None)
    assert frame["ts"].max() < until.replace(tzinfo=None)  # type: ignore[operator]
    described = json.loads((done.directory / "resources.json").read_text())
    assert described[SHARD]["capacity"] > 0


def test_nothing_is_overwritten_and_an_empty_time_is_said(road: Road, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep me")
    span = {"since": road.begins - LONG, "until": road.begins + LONG}
    with pytest.raises(FileExistsError):
        record(road.analyzer.store, tmp_path, **span)
    before = {"since": road.begins - 2 * LONG, "until": road.begins - LONG}
    with pytest.raises(LookupError, match="fine usage is held from"):
        record(road.analyzer.store, tmp_path / "new", **before)
    empty = Store.open(None)
    with pytest.raises(LookupError):
        record(empty, tmp_path / "new", **span)
    empty.close()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
