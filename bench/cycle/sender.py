"""The platform of the cycle's bench and the collector's door before it, in a process of its own."""

from __future__ import annotations

import asyncio
import io
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pyarrow as pa

from collector.app import build
from collector.config import CollectorSettings, LimitSettings, SpoolSettings
from collector.receivers.simulated import Platform, Shared, Surge, resources

PER_SHARD = 200
CHUNK = 90_000  # rows a request


def shards(tenants: int) -> list[Shared]:
    """A database for every 200 tenants."""
    count = max(tenants // PER_SHARD, 1)
    return resources(count)[:count]


class Sender:
    """The platform and the collector's door; in a process of its own, so that the analyzer's
    memory is the analyzer's."""

    def __init__(self, directory: Path, tenants: int) -> None:
        self.shared = shards(tenants)
        self.platform = Platform(tenants, shared=self.shared)
        self.directory = directory

    def history(self, begins: datetime, width_s: int, windows: int) -> None:
        """Calm windows, a hundred thousand rows at a time."""
        each = max(CHUNK // self.platform.rows_a_window, 1)
        for first in range(0, windows, each):
            at = begins + timedelta(seconds=width_s * first)
            self.send(self.platform.history(at, width_s, min(each, windows - first)))

    def live(self, begins: datetime, surge_from: datetime) -> None:
        """One window; from a moment on a middling tenant of the first shard is a nuisance."""
        resource = self.shared[0].id
        noisy = self.platform.middling(resource, 20)
        surge = Surge(noisy, resource, surge_from, surge_from + timedelta(hours=1), to=1.1)
        self.send(self.platform.live(begins, 10, [surge]))

    def send(self, table: pa.Table) -> None:
        asyncio.run(self._post(table))

    async def _post(self, table: pa.Table) -> None:
        spool = SpoolSettings(directory=self.directory / "spool")
        limits = LimitSettings(
            samples_per_s=1e9, burst=1e9, body_bytes=1 << 28, decoded_bytes=1 << 28,
        )  # fmt: skip
        app = build(CollectorSettings(data=self.directory, spool=spool, limits=limits))
        transport = httpx.ASGITransport(app=app)
        headers = {"Content-Type": "application/vnd.apache.arrow.stream"}
        async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
            for at in range(0, table.num_rows, CHUNK):
                body, part = io.BytesIO(), table.slice(at, CHUNK)
                with pa.ipc.new_stream(body, part.schema) as stream:
                    stream.write_table(part)
                answer = await client.post(
                    "/api/v1/usage", content=body.getvalue(), headers=headers
                )
                assert answer.status_code < 300, answer.text
        app.close()


_senders: list[Sender] = []


def begin(directory: Path, tenants: int) -> None:
    _senders.append(Sender(directory, tenants))


def history(begins: datetime, width_s: int, windows: int) -> None:
    _senders[0].history(begins, width_s, windows)


def live(begins: datetime, surge_from: datetime) -> None:
    _senders[0].live(begins, surge_from)
