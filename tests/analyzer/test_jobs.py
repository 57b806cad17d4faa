"""The timetable keeps running: over failures, over a clock set back, until it is stopped."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from analyzer.jobs import Job, Timetable

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Counted:
    """A job that says when it has run `wanted` times."""

    def __init__(self, wanted: int, *, fails: bool = False) -> None:
        self.times: list[datetime] = []
        self.enough = threading.Event()
        self._wanted, self._fails = wanted, fails

    def __call__(self, now: datetime) -> None:
        self.times.append(now)
        if len(self.times) >= self._wanted:
            self.enough.set()
        if self._fails:
            raise OSError("disk full")


def run(job: Counted, clock) -> None:
    timetable = Timetable([Job("counted", 0.01, job)], clock=clock)
    timetable.start()
    assert job.enough.wait(10)
    timetable.stop()


def test_a_job_that_fails_runs_again_and_says_so(caplog):
    job = Counted(3, fails=True)
    run(job, lambda: NOON)
    assert "disk full" in caplog.text
    assert "job counted failed" in caplog.text


def test_a_clock_set_back_stops_no_job():
    job = Counted(6)
    run(job, lambda: NOON - timedelta(hours=1) if len(job.times) > 2 else NOON)
    assert job.times[0] - job.times[-1] == timedelta(hours=1)


def test_stopping_lets_what_runs_finish_and_starts_nothing_after():
    begun, finished = threading.Event(), threading.Event()

    def slow(_: datetime) -> None:
        begun.set()
        threading.Event().wait(0.2)
        finished.set()

    timetable = Timetable([Job("slow", 0.01, slow)], clock=lambda: NOON)
    timetable.start()
    assert begun.wait(10)
    timetable.stop()
    assert finished.is_set()
    finished.clear()
    assert not finished.wait(0.1)
