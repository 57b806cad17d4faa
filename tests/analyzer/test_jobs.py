"""The timetable keeps running: over failures, over a clock set back, until it is stopped."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import time_machine

from analyzer import jobs
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


def test_a_clock_set_back_stops_no_job(monkeypatch):
    monkeypatch.setattr(jobs, "WATCH_S", 0.02)
    before, after = Counted(3), Counted(3)

    def both(now: datetime) -> None:
        before(now)
        after(now)

    timetable = Timetable([Job("counted", 0.01, both)])
    timetable.start()
    assert before.enough.wait(10)
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):  # noqa: TID251
        after.enough.clear()
        after.times.clear()
        assert after.enough.wait(10)
        timetable.stop()


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
