"""The timetable. APScheduler is only the heartbeat: what is due is decided by the ledgers.

A run that was missed is made up at once (no grace time), runs of one job never overlap, and any
job may run twice for the same window.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from analyzer.cycle import Rooms, run_cycle
from analyzer.pulse import Pulse

log = logging.getLogger("partywall.jobs")

Clock = Callable[[], datetime]


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
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max(len(jobs), 1))},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.add_listener(_say, EVENT_JOB_ERROR)
        for job in jobs:
            self._scheduler.add_job(
                lambda job=job: job.run(clock()),
                "interval",
                id=job.name,
                seconds=job.every_s,
                next_run_time=clock(),
            )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """Let what runs finish."""
        self._scheduler.shutdown(wait=True)


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


def _say(event: JobExecutionEvent) -> None:
    log.error("job %s failed: %s\n%s", event.job_id, event.exception, event.traceback)
