"""The road in one process: a simulated platform, the collector's door, the analyzer's cycle.

Time is data time: the clock stands wherever the last window ended, so an hour takes seconds.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.app import Analyzer
from analyzer.config import AnalyzerSettings, ResourceSettings
from analyzer.cycle import Cycled, run_cycle
from collector.app import build
from collector.config import CollectorSettings, LimitSettings, SpoolSettings
from collector.receivers.simulated import Platform, Surge, resources

WINDOW = timedelta(seconds=10)


@dataclass
class Clock:
    """Stands still until told."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Road:
    """Everything between a platform and the store, driven window by window."""

    directory: Path
    begins: datetime
    platform: Platform
    settings: AnalyzerSettings
    surges: list[Surge] = field(default_factory=list)
    finished: int = 0  # operations sent so far

    def __post_init__(self) -> None:
        self.clock = Clock(self.begins)
        self.analyzer = Analyzer.open(self.settings, clock=self.clock)

    @classmethod
    def lay(cls, directory: Path, *, tenants: int = 24, shards: int = 2, **more: object) -> Road:
        """A platform of `shards` databases, at yesterday's noon."""
        shared = resources(shards)[:shards]
        # The collector refuses what is older than two weeks by the real clock.
        today = datetime.now(UTC)  # noqa: TID251
        begins = today.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
        settings = AnalyzerSettings(
            data=directory,
            resources=tuple(ResourceSettings(s.id, s.kind, s.cores) for s in shared),
            **more,  # type: ignore[arg-type]
        )
        return cls(directory, begins, Platform(tenants, shared=shared), settings)

    def history(self, minutes: int = 45) -> None:
        """Calm windows up to now, in one batch."""
        windows = minutes * 6
        table = self.platform.history(self.begins, 10, windows)
        self.begins += windows * WINDOW
        self.send(table)
        self.cycle()

    def live(self, windows: int) -> list[Cycled]:
        """Windows one by one, a cycle each."""
        done = []
        for _ in range(windows):
            self.send(self.platform.live(self.begins, 10, self.surges))
            self.begins += WINDOW
            done.append(self.cycle())
        return done

    def cycle(self) -> Cycled:
        """The cycle, once the newest window is complete."""
        grace = timedelta(seconds=self.settings.retention.grace_s)
        self.clock.now = self.begins + grace + timedelta(seconds=1)
        return run_cycle(self.analyzer.rooms, now=self.clock.now)

    def send(self, table: pa.Table) -> None:
        """Through the collector's real door; it is closed after, so that the segment seals."""
        self.finished += pc.sum(table["count"]).as_py()
        body = io.BytesIO()
        with pa.ipc.new_stream(body, table.schema) as stream:
            stream.write_table(table)
        asyncio.run(self._post(body.getvalue()))

    async def _post(self, body: bytes) -> None:
        spool = SpoolSettings(directory=self.settings.spool_directory)
        limits = LimitSettings(samples_per_s=1e9, burst=1e9)
        app = build(CollectorSettings(data=self.directory, spool=spool, limits=limits))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
            answer = await client.post(
                "/api/v1/usage",
                content=body,
                headers={"Content-Type": "application/vnd.apache.arrow.stream"},
            )
        app.close()
        assert answer.status_code < 300, answer.text

    def close(self) -> None:
        self.analyzer.close()
