"""A calendar month in the account's zone: budgets are set per month, and bills come so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from analyzer.cost.weeks import Week, local_midnight, parse_week

_ID = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One calendar month."""

    year: int
    number: int
    zone: str = "UTC"

    @property
    def id(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def start(self) -> datetime:
        """The first instant, in UTC."""
        return local_midnight(date(self.year, self.number, 1), self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it, in UTC."""
        year, month = divmod(self.year * 12 + self.number, 12)
        return local_midnight(date(year, month + 1, 1), self.zone)

    @property
    def hours(self) -> int:
        return int((self.end - self.start) / timedelta(hours=1))


def month_of(instant: datetime, zone: str) -> Month:
    """The month that contains an aware instant."""
    local = instant.astimezone(ZoneInfo(zone))
    return Month(local.year, local.month, zone)


def parse_period(text: str, zone: str) -> Week | Month:
    """`2026-W43` as a week, `2026-10` as a month. Raises Rejected(INVALID_FIELD) on others."""
    match = _ID.fullmatch(text)
    return Month(int(match[1]), int(match[2]), zone) if match else parse_week(text, zone)
