"""The timetable. APScheduler is only the heartbeat: what is due the ledgers decide.

A run that was missed is made up at once (no grace time), runs of one job never overlap, and any
job may run twice for the same window. APScheduler plans by the wall clock, so a clock set back by
an hour would silence it for an hour: a watch on the monotonic clock notices and plans anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from analyzer.cycle import Rooms, run_cycle
from analyzer.pulse import Pulse

log = logging.getLogger("partywall.jobs")

Clock = Callable[[], datetime]

WATCH_S = 1.0
"""Seconds between two looks at whether the wall clock was set back."""


def wall_clock() -> datetime:
    """The one clock of the service; everything below is told the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every `every_s` seconds."""

    name: str
    every_s: float
    run: Callable[[datetime], object]


class Timetable:
    """Runs jobs in threads until stopped."""

    def __init__(self, jobs: list[Job], *, clock: Clock = wall_clock) -> None:
        self._clock = clock
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._keep_time, name="clock-watch", daemon=True)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max(len(jobs), 1))},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        for job in jobs:
            self._scheduler.add_job(
                self._run, "interval", [job], id=job.name, seconds=job.every_s,
                next_run_time=wall_clock(),
            )  # fmt: skip

    def start(self) -> None:
        self._scheduler.start()
        self._watch.start()

    def stop(self) -> None:
        """Let what runs finish."""
        self._stopping.set()
        self._scheduler.shutdown(wait=True)
        self._watch.join()

    def _run(self, job: Job) -> None:
        try:
            job.run(self._clock())
        except Exception:
            log.exception("job %s failed", job.name)

    def _keep_time(self) -> None:
        ahead = _wall_ahead_s()
        while not self._stopping.wait(WATCH_S):
            drift, ahead = _wall_ahead_s() - ahead, _wall_ahead_s()
            if drift < -1.0:
                log.warning("the clock was set back by %.0f s: planning anew", -drift)
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=wall_clock())


def _wall_ahead_s() -> float:
    return wall_clock().timestamp() - time.monotonic()


def cycle_job(rooms: Rooms, pulse: Pulse, every_s: float) -> Job:
    """The cycle, with its pulse taken."""

    def run(now: datetime) -> None:
        started = time.perf_counter()
        try:
            cycled = run_cycle(rooms, now=now)
        except Exception as error:
            pulse.failed(error, at=now)
            raise
        pulse.cycled(cycled, at=now, took_s=time.perf_counter() - started)
        for judged in cycled.judged:
            for move in judged.transitions:
                log.info("%s %s: %s", move.incident.id, move.type.value, move.reason)

    return Job("cycle", every_s, run)
