"""Each window is judged once, whatever happens in between: crashes, restarts, downtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from analyzer.app import Analyzer
from analyzer.cycle import run_cycle
from analyzer.journal import judgement, records, transitions
from analyzer.model import DecisionState, IncidentState
from analyzer.notify.settings import EndpointSettings
from analyzer.store.reader import Transaction
from collector.model import ResourceId
from collector.receivers.simulated import Surge
from tests.analyzer.road import WINDOW, Road

SHARD = ResourceId("db:shard-1")
PAGER = EndpointSettings(
    "pager", "http://127.0.0.1:9/enqueue", format="pagerduty", routing_key="k" * 32
)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    laid = Road.lay(tmp_path, tenants=12, shards=1, endpoints=(PAGER,))
    laid.history(35)
    yield laid
    laid.close()


def restart(road: Road) -> None:
    road.analyzer.close()
    road.analyzer = Analyzer.open(road.settings, clock=road.clock)


def surge(road: Road, windows: int, after: int = 6) -> None:
    noisy = road.platform.middling(SHARD, 4)
    begins = road.begins + after * WINDOW
    road.surges.append(Surge(noisy, SHARD, begins, begins + windows * WINDOW))


def unwatched(road: Road, windows: int) -> None:
    """Usage arrives while the analyzer is down."""
    ends = [road.begins + k * WINDOW for k in range(windows)]
    road.send(pa.concat_tables(road.platform.live(at, 10, road.surges) for at in ends))
    road.begins += windows * WINDOW


def types(road: Road) -> list[str]:
    found = records.incidents(road.analyzer.store)
    told = [e.what for i in found for e in records.timeline(road.analyzer.store, i.id)]
    return [what for what in told if what in ("opened", "resolved", "reopened")]


def test_windows_of_a_downtime_are_judged_in_order_once_it_is_back(road):
    road.live(3)
    surge(road, 24, after=3)
    road.analyzer.close()
    unwatched(road, 45)
    road.analyzer = Analyzer.open(road.settings, clock=road.clock)
    moments = [judged.at for judged in road.cycle().judged]
    assert len(moments) == 45
    assert moments == sorted(set(moments))
    assert types(road) == ["opened", "resolved"]


def test_a_restart_judges_no_window_twice_and_leaves_none_out(road):
    moments = []
    for _ in range(3):
        moments += [judged.at for cycled in road.live(3) for judged in cycled.judged]
        restart(road)
        assert road.cycle().judged == ()
    assert moments == [moments[0] + k * WINDOW for k in range(9)]


def test_what_could_not_be_written_is_judged_again(road, monkeypatch):
    surge(road, 30, after=1)
    road.live(2)
    kept = transitions.keep

    def disk_full(tx: Transaction, incidents: object) -> None:
        raise OSError("disk full")

    for _ in range(3):
        monkeypatch.setattr(transitions, "keep", disk_full)
        with pytest.raises(OSError, match="disk full"):
            road.live(1)
        monkeypatch.setattr(transitions, "keep", kept)
        road.cycle()
    road.live(2)
    assert types(road) == ["opened"]


def test_a_long_downtime_is_caught_up_by_parts_and_only_its_end(road, monkeypatch):
    monkeypatch.setattr(judgement, "AT_ONCE", 8)
    monkeypatch.setattr(judgement, "CATCH_UP", 20 * WINDOW)
    road.live(1)
    unwatched(road, 40)
    parts = [[judged.at for judged in road.cycle().judged] for _ in range(4)]
    assert [len(part) for part in parts] == [8, 8, 4, 0]
    moments = [at for part in parts for at in part]
    assert moments == [moments[0] + k * WINDOW for k in range(20)]


def test_decisions_lapse_by_the_clock_when_no_usage_comes_any_more(road):
    surge(road, 30, after=1)
    road.live(8)
    (made,) = records.decisions(road.analyzer.store)
    assert made.state is DecisionState.PROPOSED
    run_cycle(road.analyzer.rooms, now=made.expires_at - WINDOW)
    (still,) = records.decisions(road.analyzer.store)
    assert still.state is DecisionState.PROPOSED
    run_cycle(road.analyzer.rooms, now=made.expires_at + WINDOW)
    (over,) = records.decisions(road.analyzer.store)
    assert over.state is DecisionState.EXPIRED


def test_a_resource_that_falls_silent_alone_is_not_taken_for_calm(tmp_path):
    road = Road.lay(tmp_path, tenants=24, shards=2)
    road.history()
    surge(road, windows=20)
    road.live(18)
    (found,) = records.incidents(road.analyzer.store)
    assert found.state is IncidentState.FIRING
    for _ in range(12):
        table = road.platform.live(road.begins, 10)
        others = pc.not_equal(table["resource"], found.resource)
        road.send(table.filter(others))
        road.begins += WINDOW
        road.cycle()
    (after,) = records.incidents(road.analyzer.store)
    road.close()
    assert after.state is IncidentState.FIRING
