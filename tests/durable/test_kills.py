"""SIGKILL again and again: what was acknowledged is there, and it is there once."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from analyzer.usage.windows import bucket_middles
from collector.config import SpoolSettings
from collector.spool import Spool
from tests.collector.rooms import readings, usage_rows
from tests.durable.lanes import Lane, lanes
from tests.durable.serving import Serving


@dataclass(frozen=True, slots=True)
class Harvest:
    """`found`: what the store holds of each tenant; `promised`: what its sender was promised."""

    samples: int
    found: dict[str, int]
    promised: dict[str, int]
    missing: int

    @property
    def lost(self) -> int:
        return sum(max(n - self.found.get(t, 0), 0) for t, n in self.promised.items())

    @property
    def doubled(self) -> int:
        return sum(max(self.found.get(t, 0) - n, 0) for t, n in self.promised.items())


def endure(
    directory: Path, *, lives: int, how: signal.Signals, broken: str = "", seed: int = 1
) -> Harvest:
    """A collector of several lives, each ended by a signal at a random moment under full load.

    Bodies that were not acknowledged are sent again. A broken collector is not started again:
    nobody makes good what it has promised.
    """
    base_ms = (time.time_ns() // 1_000_000 // 10_000 - 36_000) * 10_000
    chance = random.Random(seed)
    # A broken one must die while it owes something, however slow the machine is.
    serving = Serving(directory, broken=broken, idle_s=30)
    sending, over = lanes(base_ms), threading.Event()
    serving.start()
    threads = [
        threading.Thread(target=one.send, args=(serving.port, over), daemon=True) for one in sending
    ]
    for one in threads:
        one.start()
    for life in range(lives):
        time.sleep(0.3 + chance.random() * 0.5)
        if broken:
            _until(lambda: any(one.acknowledged for one in sending))
        promised = [one.acknowledged for one in sending]
        if broken:
            serving.end(how)
            return harvest(directory, sending, promised)
        serving.end(how)
        assert life or all(promised), "every door was used"
        serving.start()
    over.set()
    for one in threads:
        one.join(60)
    serving.end()
    return harvest(directory, sending, [one.acknowledged for one in sending])


def _until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.02)
    raise TimeoutError


def harvest(directory: Path, sending: list[Lane], acknowledged: list[int]) -> Harvest:
    """Compare what the spool and the store hold with what was acknowledged."""
    Spool(SpoolSettings(directory=directory / "spool")).close()  # seals what a killed one left
    promised = {}
    for lane, bodies in zip(sending, acknowledged, strict=True):
        lane.acknowledged = bodies
        promised.update(lane.expected)
    missing = _missing(directory, sending)
    return Harvest(
        sum(one.samples for one in sending), stored(directory, sending), promised, missing
    )


def _missing(directory: Path, sending: list[Lane]) -> int:
    """Acknowledged readings of each lane's first tenant that no segment holds."""
    held = {(str(series.tenant), at) for series, at, _ in readings(directory)}
    held |= {(str(r["tenant"]), _ms(r["ts"])) for r in usage_rows(directory)}
    return sum(
        (lane.tenant(0), at) not in held
        for lane in sending
        for k in range(lane.acknowledged)
        for at in lane.times(k)
    )


def _ms(ts: object) -> int:
    assert isinstance(ts, datetime)
    return round(ts.replace(tzinfo=UTC).timestamp() * 1000)


def stored(directory: Path, sending: list[Lane]) -> dict[str, int]:
    """Operations of each tenant after the analyzer has drained the spool."""
    base = datetime.fromtimestamp(sending[0].base_ms / 1000, UTC)
    store = Store.open(None)
    try:
        Ingest(store).drain(directory / "spool", now=base + timedelta(hours=200))
        since = base.replace(tzinfo=None) - timedelta(hours=1)
        until = since + timedelta(hours=200)
        rows = store.frame("recent_usage", since=since, until=until, middles=bucket_middles({}))
    finally:
        store.close()
    found: Counter[str] = Counter()
    for tenant, count in rows.select("tenant", "count").iter_rows():
        found[tenant] += int(count or 0)
    return dict(found)


def test_nothing_is_lost_or_doubled_over_four_deaths(tmp_path):
    after = endure(tmp_path, lives=4, how=signal.SIGKILL)

    assert after.samples > 1000
    assert (after.missing, after.lost, after.doubled) == (0, 0, 0)


def test_the_graceful_control_keeps_everything(tmp_path):
    after = endure(tmp_path, lives=1, how=signal.SIGTERM)

    assert (after.missing, after.lost, after.doubled) == (0, 0, 0)


def test_the_harness_catches_a_collector_that_answers_before_it_writes(tmp_path):
    after = endure(tmp_path, lives=1, how=signal.SIGKILL, broken="early")

    assert after.missing > 0
    assert after.lost > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_nothing_is_lost_or_doubled_over_two_hundred_deaths(tmp_path):
    began = time.monotonic()
    after = endure(tmp_path, lives=200, how=signal.SIGKILL, seed=7)

    print(f"{after.samples} acknowledged, {after.lost} lost, {after.doubled} doubled, "
          f"{after.missing} missing in the spool, {time.monotonic() - began:.0f} s")  # fmt: skip
    assert after.samples >= 1_000_000
    assert (after.missing, after.lost, after.doubled) == (0, 0, 0)
