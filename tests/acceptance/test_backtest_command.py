"""`partywall backtest` on recorded usage of 200 tenants over 6 hours."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.model import ResourceId
from collector.receivers.simulated import Platform, Surge

BEGINS = datetime(2026, 11, 17, 8, tzinfo=UTC)
HOURS = 6
SHARD = ResourceId("db:shard-2")


def record(directory: Path) -> Surge:
    """Six hours of a platform with one noisy neighbour in the fifth."""
    platform = Platform(200)
    at = BEGINS + timedelta(hours=4, minutes=10)
    surge = Surge(platform.middling(SHARD, 9), SHARD, at, at + timedelta(minutes=5))
    calm = platform.history(BEGINS, 10, 4 * 360)
    rest = [
        platform.live(BEGINS + timedelta(hours=4, seconds=10 * k), 10, [surge])
        for k in range((HOURS - 4) * 360)
    ]
    directory.mkdir()
    pq.write_table(pa.concat_tables([calm, *rest]).sort_by("ts"), directory / "usage.parquet")
    kinds = {one.id: {"kind": one.kind.value, "capacity": one.cores} for one in platform.shared}
    (directory / "resources.json").write_text(json.dumps(kinds))
    return surge


@pytest.mark.acceptance
@pytest.mark.timeout(400)
def test_a_backtest_prints_the_incidents_of_six_hours(tmp_path: Path) -> None:
    surge = record(tmp_path / "recorded")
    output = tmp_path / "incidents.jsonl"
    command = [sys.executable, "-m", "partywall", "backtest", str(tmp_path / "recorded")]
    done = subprocess.run(
        [*command, "--output", str(output)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in output.read_text().splitlines()]
    blamed = [one for one in found if one["kind"] == "noisy_neighbour"]
    assert [(one["resource"], one["aggressors"]) for one in blamed] == [(SHARD, [surge.tenant])]
    assert len(blamed[0]["victims"]) > 20
    assert datetime.fromisoformat(blamed[0]["detected_at"]) < surge.begins + timedelta(minutes=2)
    assert blamed[0]["action"] == "throttle"
    assert blamed[0]["limit"] > 0
