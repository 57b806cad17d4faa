"""The product on one page: drain, roll up, judge, decide, record. Runs every few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from analyzer.ingest import Drained, Ingest
from analyzer.journal.judgement import Judge, Judged
from analyzer.store.database import Store
from analyzer.usage import baseline, questions, rollup
from analyzer.usage.rollup import RetentionSettings


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a cycle works with; built once by `app`."""

    store: Store
    ingest: Ingest
    judge: Judge
    spool: Path
    retention: RetentionSettings


@dataclass(frozen=True, slots=True)
class Cycled:
    """What one cycle did. `until` is the end of the newest complete window, None without data."""

    drained: Drained
    until: datetime | None
    judged: tuple[Judged, ...]

    @property
    def changed(self) -> bool:
        """Whether anything a page shows may look different now."""
        moved = any(judged.transitions or judged.decisions for judged in self.judged)
        return bool(self.drained.rows) or moved


def run_cycle(rooms: Rooms, *, now: datetime) -> Cycled:
    """Drain the spool, roll usage up, judge each new window, write what changed.

    1. `ingest.drain`: segments become usage rows, exactly once.
    2. `rollup.roll_up`: 10 s to 1 min, 1 h and 1 day, only what the new rows touched.
    3. `baseline.refresh`, `questions.learn_expected`: each finished hour teaches what is usual.
    4. `judge.judge`: detect, advance incidents, decide, record, one transaction a window.

    Twice-safe: a crash at any line is repaired by the next run. Deliveries and reports have
    timetables of their own (`jobs`), so that a slow receiver never delays a verdict.
    """
    with rooms.store.alone:
        return _run(rooms, now)


def _run(rooms: Rooms, now: datetime) -> Cycled:
    drained = rooms.ingest.drain(rooms.spool, now=now)
    rooms.judge.wrote(drained.oldest)
    rollup.roll_up(rooms.store, now=now, settings=rooms.retention)
    until = rollup.watermark(rooms.store)
    if until is not None:
        baseline.refresh(rooms.store, until=until)
        questions.learn_expected(rooms.store, until=until)
    judged = tuple(rooms.judge.judge(until, now=now)) if until is not None else ()
    return Cycled(drained, until, judged)
