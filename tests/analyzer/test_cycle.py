"""The main job in data time: from usage at the door to a named neighbour, told once, then over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.journal import records
from analyzer.model import Action, IncidentState, Kind
from analyzer.notify.settings import EndpointSettings
from analyzer.usage import questions
from collector.model import ResourceId
from collector.receivers.simulated import Surge
from tests.analyzer.road import WINDOW, Road

SHARD = ResourceId("db:shard-1")


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    sink = EndpointSettings("sink", "http://127.0.0.1:9/hook")
    laid = Road.lay(tmp_path, endpoints=(sink,))
    laid.history()
    yield laid
    laid.close()


def test_a_quiet_hour_is_silence(road):
    road.live(60)
    assert records.incidents(road.analyzer.store) == []


def test_a_noisy_neighbour_is_named_told_and_over(road):
    noisy = road.platform.middling(SHARD, 4)
    begins = road.begins + 6 * WINDOW
    road.surges.append(Surge(noisy, SHARD, begins, begins + 24 * WINDOW))
    road.live(6 + 24)
    (found,) = records.incidents(road.analyzer.store)
    assert found.kind is Kind.NOISY_NEIGHBOUR
    assert [blame.tenant for blame in found.finding.aggressors] == [noisy]
    assert noisy not in {harm.tenant for harm in found.finding.victims}
    assert found.detected_at is not None
    assert (found.detected_at - begins).total_seconds() <= 60
    (decision,) = records.decisions(road.analyzer.store)
    assert (decision.action, decision.tenant) == (Action.THROTTLE, noisy)
    road.live(40)
    (after,) = records.incidents(road.analyzer.store)
    assert after.state is IncidentState.RESOLVED
    told = [entry.what for entry in records.timeline(road.analyzer.store, found.id)]
    assert told.count("opened") == 1, told
    assert told.count("resolved") == 1, told


def test_totals_in_the_store_are_totals_sent(road):
    road.live(12)
    start = road.begins.replace(hour=12, minute=0)
    found = questions.series(road.analyzer.store, start=start, end=road.begins, step_s=10)
    stored = sum(float(one.points["requests_per_s"].sum()) * 10 for one in found)
    assert round(stored) == road.finished
