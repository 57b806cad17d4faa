"""The timetable: a thread a job, which is only its heartbeat. What is due the ledgers decide.

The pauses are measured by the monotonic clock, so that a wall clock set back stops nothing. A run
that took too long is followed by the next at once, runs of one job never overlap, and any job may
run twice for the same window.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

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
        self._clock = clock
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(job,), name=f"job-{job.name}", daemon=True)
            for job in jobs
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let what runs finish."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, job: Job) -> None:
        while not self._stopping.is_set():
            due = time.monotonic() + job.every_s
            try:
                job.run(self._clock())
            except Exception:
                log.exception("job %s failed", job.name)
            self._stopping.wait(max(due - time.monotonic(), 0.0))


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
