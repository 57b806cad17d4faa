"""The demo: the real service, a simulated platform before it and a webhook receiver behind it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import httpx
from pydantic import TypeAdapter
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from analyzer.api.views.incidents import IncidentDetail, IncidentSummary
from analyzer.api.views.status import Health
from collector.receivers.simulated import Platform, Surge
from partywall import ports
from partywall.demo_config import Places, text
from partywall.failures import UNREACHABLE, Failure
from partywall.feeder import Feeder, Span, aligned, spans
from partywall.output import stderr
from partywall.sink import Received, Sink
from partywall.up import Supervisor, roles

QUIET_S = 30
"""Calm live seconds before the first noisy neighbour."""

LAG = timedelta(seconds=15)
NOISE_S = 240
CALM_S = 360
SURGES = 500
"""Surges planned ahead: more than three days of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for. `minutes` of live time, 0: until stopped."""

    tenants: int = 200
    minutes: float = 0
    data: Path = Path("data/demo")
    keep: bool = False


@dataclass(slots=True)
class Outcome:
    """What the demo has shown so far: `named` once the scripted neighbour was blamed."""

    named: bool = False


async def run(plan: Plan) -> bool:
    """Run the demo; answers whether the noisy neighbour was named.

    Raises Failure when the service does not start.
    """
    prepare(plan)
    outcome = Outcome()
    with (
        Sink(plan.data / "webhooks", heard=_hear) as sink,
        (plan.data / "log.txt").open("a", encoding="utf-8", buffering=1) as log,
    ):
        places = choose_places(sink.port)
        platform = Platform(plan.tenants)
        config = plan.data / "partywall.toml"
        config.write_text(text(platform, places, plan.data), "utf-8")
        supervisor = _supervisor(config, places, log)
        await _together(supervisor, _show(plan, platform, places, supervisor, outcome))
    return outcome.named


def prepare(plan: Plan) -> None:
    """An empty directory of our own, unless the last run's data is to be kept."""
    marker = plan.data / ".partywall-demo"
    if plan.data.exists() and any(plan.data.iterdir()) and not marker.exists():
        raise Failure(
            f"{plan.data} is not a demo's directory", "it holds files this demo did not make",
            "give another --data",
        )  # fmt: skip
    if not plan.keep and plan.data.exists():
        shutil.rmtree(plan.data)
    plan.data.mkdir(parents=True, exist_ok=True)
    marker.touch()


def choose_places(sink_port: int) -> Places:
    """The default ports, or free ones where they are taken (and says so)."""
    chosen = {}
    for role, port in {"dashboard": 8600, "collector": 8601, "analyzer": 8602}.items():
        listen = f"127.0.0.1:{port}"
        if not ports.is_free(listen):
            listen = f"127.0.0.1:{ports.free_port()}"
            print(f"port {port} is taken: the {role} listens on {listen}")
        chosen[role] = listen
    return Places(**chosen, sink_port=sink_port)


def _supervisor(config: Path, places: Places, log: TextIO) -> Supervisor:
    def say(line: str) -> None:
        print(f"partywall | {line}", file=sys.stderr, flush=True)

    def keep(line: str) -> None:
        log.write(line + "\n")

    return Supervisor(roles(str(config), places.urls), say=say, log=keep)


async def _together(supervisor: Supervisor, show: Coroutine[None, None, None]) -> None:
    """Supervisor and show side by side; a signal, the end of the show or a failure ends both."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    service = asyncio.create_task(supervisor.run())
    shown = asyncio.create_task(show)
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({service, shown, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (shown, waiting):
            task.cancel()
        supervisor.stop()
        await service
    if shown.done() and not shown.cancelled():
        shown.result()


async def _show(
    plan: Plan, platform: Platform, places: Places, supervisor: Supervisor, outcome: Outcome
) -> None:
    try:
        await asyncio.wait_for(supervisor.ready(), 90)
    except TimeoutError:
        raise Failure(
            "the service did not start within 90 s", _tail(plan.data / "log.txt"),
            f"see {plan.data / 'log.txt'}", code=UNREACHABLE,
        ) from None  # fmt: skip
    for role, url in places.urls.items():
        print(f"{role:<9} {url}", flush=True)
    feeder = Feeder(platform, places.urls["collector"], by_remote_write="cache:redis-1")
    now = aligned(datetime.now(UTC))
    await _backfill(feeder, spans(now), plan)
    surges: list[Surge] = []
    live = asyncio.create_task(feeder.live(now, surges, print))
    watcher = Watcher(places, plan.data / "spool", surges, outcome)
    try:
        await watcher.caught_up(now)
        surges += schedule(platform, aligned(datetime.now(UTC)) + timedelta(seconds=QUIET_S))
        print(f"live: a noisy neighbour will appear in about {QUIET_S} s", flush=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(plan.minutes * 60 or None):
                await asyncio.gather(live, watcher.watch())
    finally:
        live.cancel()
        with suppress(asyncio.CancelledError):
            await live
        await feeder.close()
        await watcher.close()


def schedule(platform: Platform, begins: datetime) -> list[Surge]:
    """Noise and calm in turn, each time another shard and another middling tenant."""
    shards = [one.id for one in platform.shared if one.shard is not None]
    found = []
    for lap in range(SURGES):
        resource = shards[(lap + 1) % len(shards)]
        tenant = platform.middling(resource, 6 + lap % 5)
        at = begins + timedelta(seconds=lap * (NOISE_S + CALM_S))
        found.append(Surge(tenant, resource, at, at + timedelta(seconds=NOISE_S)))
    return found


async def _backfill(feeder: Feeder, history: Sequence[Span], plan: Plan) -> None:
    if plan.keep and (plan.data / ".backfilled").exists():
        return
    columns = (
        TextColumn("history of {task.fields[tenants]} tenants"), BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[rows]:,} rows"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    console, told_part = stderr(), 0.0
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("history", total=1.0, tenants=plan.tenants, rows=0)
        async for part in feeder.backfill(history):
            bar.update(task, completed=part, rows=feeder.rows)
            if not console.is_terminal and part - told_part >= 0.1:
                told_part = part
                print(f"history: {part:.0%}, {feeder.rows:,} rows", file=sys.stderr, flush=True)
    (plan.data / ".backfilled").touch()


class Watcher:
    """Reads the API as anyone would and says when the noisy neighbour is named."""

    def __init__(
        self, places: Places, spool: Path, surges: Sequence[Surge], outcome: Outcome
    ) -> None:
        self._spool = spool
        self._places = places
        self._surges = surges
        self._outcome = outcome
        self._told: set[str] = set()
        self._http = httpx.AsyncClient(
            base_url=places.urls["analyzer"] + "/api/v1", timeout=10, trust_env=False
        )

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def caught_up(self, until: datetime) -> None:
        """Return when the analyzer has read history up to `until`."""
        columns = (TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=stderr()) as bar:
            task = bar.add_task("the analyzer reads it")
            emptied: datetime | None = None
            while True:
                health = await self._health()
                waiting = len(list(self._spool.glob("*.seg")))
                newest = health.newest_window if health else None
                if waiting < 3:
                    emptied = emptied or datetime.now(UTC)
                # A watermark past that moment was set after a cycle that had all of history.
                if newest and emptied and newest >= max(until, emptied - LAG):
                    return
                bar.update(task, description=f"the analyzer reads it, {waiting} segments to go")
                await asyncio.sleep(1)

    async def _health(self) -> Health | None:
        with suppress(httpx.HTTPError, ValueError):
            return Health.model_validate_json((await self._http.get("/status")).content)
        return None

    async def watch(self) -> None:
        """Tell every firing incident once, for ever."""
        while True:
            with suppress(httpx.HTTPError, ValueError):
                answer = await self._http.get("/incidents", params={"state": "firing"})
                found = TypeAdapter(list[IncidentSummary]).validate_json(answer.content)
                for one in found:
                    if one.id not in self._told:
                        self._told.add(one.id)
                        await self._tell(one.id)
            await asyncio.sleep(2)

    async def _tell(self, incident: str) -> None:
        content = (await self._http.get(f"/incidents/{incident}")).content
        detail = IncidentDetail.model_validate_json(content)
        scripted = next((one for one in self._surges if _is_about(one, detail)), None)
        if scripted is not None:
            self._outcome.named = True
        for line in told(detail, scripted, self._places, time.time()):
            print(line, flush=True)


def _is_about(surge: Surge, detail: IncidentDetail) -> bool:
    """Was this tenant noisy there when the incident began, give or take its windows?"""
    margin = timedelta(seconds=60)
    when = surge.begins - margin <= detail.started_at <= surge.ends + margin
    return when and detail.resource == surge.resource and detail.aggressors == [surge.tenant]


def told(detail: IncidentDetail, scripted: Surge | None, places: Places, now: float) -> list[str]:
    """What the demo prints of an incident."""
    if detail.kind != "noisy_neighbour":
        return [f"{detail.kind} on {detail.resource}: {detail.sentence}"]
    whom = ", ".join(detail.aggressors)
    after = f", {now - scripted.begins.timestamp():.0f} s after it began" if scripted else ""
    lines = [f"noisy neighbour named: {whom} on {detail.resource}{after}"]
    lines.append(f"  {len(detail.harms)} victims, confidence {detail.confidence:.0%}")
    if scripted is None:
        lines.append("  (not the one of the script)")
    for one in detail.decisions:
        limit = f" to {one.limit:.3g} {one.limit_unit}" if one.limit is not None else ""
        lines.append(f"  proposed: {one.action} {one.tenant}{limit}")
    lines.append(f"  {places.urls['dashboard']}/incidents/{detail.id}")
    return lines


def _hear(received: Received) -> None:
    print(f"webhook: {received.line}", flush=True)


def _tail(log: Path, lines: int = 8) -> str:
    with suppress(OSError):
        return "\n".join(log.read_text("utf-8").splitlines()[-lines:])
    return "it wrote no log"
