"""ISO weeks in the account's zone: 168 hours, or 167 or 169 when the clocks change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from collector.model import Rejected, Rejection

_ID = re.compile(r"([0-9]{4})-W([0-9]{2})")


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """One ISO week. Monday 00:00 that the clocks skip begins at the first instant that exists."""

    year: int
    number: int
    zone: str = "UTC"

    @property
    def id(self) -> str:
        return f"{self.year:04d}-W{self.number:02d}"

    @property
    def start(self) -> datetime:
        """The first instant, in UTC."""
        return local_midnight(date.fromisocalendar(self.year, self.number, 1), self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it, in UTC."""
        return self.next().start

    @property
    def hours(self) -> int:
        return int((self.end - self.start) / timedelta(hours=1))

    def next(self) -> Week:
        return self._moved(7)

    def previous(self) -> Week:
        return self._moved(-7)

    def _moved(self, days: int) -> Week:
        monday = date.fromisocalendar(self.year, self.number, 1) + timedelta(days=days)
        year, number, _ = monday.isocalendar()
        return Week(year, number, self.zone)


def week_of(instant: datetime, zone: str) -> Week:
    """The week that contains an aware instant."""
    year, number, _ = instant.astimezone(ZoneInfo(zone)).isocalendar()
    week = Week(year, number, zone)
    if instant < week.start:  # clocks that go back over midnight
        return week.previous()
    return week.next() if instant >= week.end else week


def parse_week(text: str, zone: str) -> Week:
    """`2026-W43` as a week. Raises Rejected(INVALID_FIELD) on anything else."""
    week = _week(text, zone)
    if week is not None:
        return week
    raise Rejected(
        Rejection.INVALID_FIELD,
        f"week: {text[:20]!r} is not an ISO week, write it like 2026-W43",
        field="week",
    )


def _week(text: str, zone: str) -> Week | None:
    match = _ID.fullmatch(text)
    if not match:
        return None
    week = Week(int(match[1]), int(match[2]), zone)
    try:
        complete = week.start < week.end
    except (ValueError, OverflowError):
        return None
    return week if complete else None


def local_midnight(day: date, zone: str) -> datetime:
    """The first instant of a day in a zone, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
