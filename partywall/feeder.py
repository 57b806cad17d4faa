"""Sends a simulated platform through the collector's doors: history first, then the present."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pyarrow as pa
import pyarrow.compute as pc

from collector.receivers.simulated import Platform, Surge
from partywall.failures import UNREACHABLE, Failure
from partywall.prometheus import Counters

ARROW = "application/vnd.apache.arrow.stream"
ROWS_A_BATCH = 20_000
ROWS_AT_ONCE = 190_000  # within the limits the demo's configuration sets
LIVE_S = 10

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of history at one window length."""

    begins: datetime
    window_s: int
    windows: int

    @property
    def ends(self) -> datetime:
        return self.begins + timedelta(seconds=self.window_s * self.windows)


def spans(now: datetime) -> list[Span]:
    """History up to `now`: two whole ISO weeks and this one so far at 1 h, two hours at 1 min,
    the last 34 minutes or more at 10 s. They meet without gap or overlap.
    """
    fine = (now - timedelta(minutes=34)).replace(second=0, microsecond=0)
    middle = (fine - timedelta(hours=2)).replace(minute=0)
    monday = now - timedelta(days=now.weekday() + 14)
    coarse = monday.replace(hour=0, minute=0, second=0, microsecond=0)
    hours = int((middle - coarse).total_seconds()) // 3600
    return [
        Span(coarse, 3600, hours),
        Span(middle, 60, int((fine - middle).total_seconds()) // 60),
        Span(fine, LIVE_S, int((now - fine).total_seconds()) // LIVE_S),
    ]


class Feeder:
    """One platform and one conversation with the collector at `collector` (its base URL)."""

    def __init__(self, platform: Platform, collector: str, *, by_remote_write: str = "") -> None:
        self._platform = platform
        self._http = httpx.AsyncClient(base_url=collector, timeout=60, trust_env=False)
        self._by_remote_write = by_remote_write
        self._counters = Counters()
        self.rows = 0

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def backfill(self, history: Sequence[Span]) -> AsyncIterator[float]:
        """Send history; yields the part done, 0..1, after each batch.

        The newest span goes first and as a whole where it fits: what the detector learns from is
        there at once, and everything older lies behind the watermark, so none of it is judged.
        """
        total = sum(span.windows for span in history)
        done = 0
        for number, span in enumerate(reversed(history)):
            for piece in self._pieces(span, ROWS_AT_ONCE if number == 0 else ROWS_A_BATCH):
                table = await asyncio.to_thread(
                    self._platform.history, piece.begins, piece.window_s, piece.windows
                )
                batch = f"history/{piece.window_s}/{piece.begins:%Y%m%dT%H%M%S}"
                await self._send(table.sort_by("ts"), batch)
                done += piece.windows
                yield done / total

    def _pieces(self, span: Span, rows: int) -> Iterator[Span]:
        step = max(1, rows // max(self._platform.rows_a_window, 1))
        for first in range(0, span.windows, step):
            begins = span.begins + timedelta(seconds=first * span.window_s)
            yield Span(begins, span.window_s, min(step, span.windows - first))

    async def live(self, begins: datetime, surges: Sequence[Surge], say: Say) -> None:
        """Send window after window as the clock passes its end, from `begins` on, for ever."""
        window = begins
        while True:
            ends = window + timedelta(seconds=LIVE_S)
            await asyncio.sleep(max(0.0, ends.timestamp() - time.time()))
            table = self._platform.live(window, LIVE_S, list(surges))
            try:
                await self._send_live(table, window, ends)
            except Failure as failure:
                say(f"{failure.what}: {failure.why}")
                return
            window = ends

    async def _send_live(self, table: pa.Table, window: datetime, ends: datetime) -> None:
        wire = pc.equal(table["resource"], self._by_remote_write)
        await self._send(table.filter(pc.invert(wire)), f"live/{window:%Y%m%dT%H%M%S}")
        if self._by_remote_write:
            body = self._counters.request(table.filter(wire), int(ends.timestamp() * 1000))
            headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
            await self._post("/api/v1/write", body, headers)

    async def _send(self, table: pa.Table, batch: str) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        headers = {"Content-Type": ARROW, "Content-Encoding": "gzip", "X-Partywall-Batch": batch}
        body = await asyncio.to_thread(gzip.compress, sink.getvalue(), 1)
        await self._post("/api/v1/usage", body, headers)
        self.rows += table.num_rows

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Send until taken: a 503 or a lost connection is a matter of time, a 400 is our fault."""
        for attempt in range(60):
            try:
                answer = await self._http.post(path, content=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(min(0.25 * 2**attempt, 5))
                continue
            if answer.is_success:
                return
            if answer.status_code not in (429, 502, 503, 504):
                raise Failure(
                    f"the collector refused {path} with {answer.status_code}", answer.text[:300],
                    "this is a fault of the demo: please report it",
                )  # fmt: skip
            await asyncio.sleep(min(float(answer.headers.get("Retry-After") or 1), 10))
        raise Failure(
            "the collector did not take a batch", "60 tries", "see its log", code=UNREACHABLE
        )


def aligned(moment: datetime) -> datetime:
    """The last boundary of a live window not after `moment`."""
    seconds = int(moment.timestamp()) // LIVE_S * LIVE_S
    return datetime.fromtimestamp(seconds, UTC)
