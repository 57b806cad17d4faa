"""Times as people and Grafana write them: RFC 3339, Unix milliseconds, `now`, `now-6h`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from collector.model import Rejected, Rejection

_RELATIVE = re.compile(r"now(?:([+-])(\d{1,6})([smhdw]))?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_time(text: str, *, now: datetime, field: str) -> datetime:
    """The instant `text` means at `now`, aware UTC. Raises Rejected naming `field`."""
    relative = _RELATIVE.fullmatch(text)
    try:
        if relative:
            sign, amount, unit = relative.groups()
            if sign is None:
                return now
            return now + (1 if sign == "+" else -1) * timedelta(**{_UNITS[unit]: int(amount)})
        if text.isascii() and text.isdigit():
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as broken:
        raise _unreadable(text, field) from broken
    if parsed.tzinfo is None:
        raise _unreadable(text, field)
    return parsed.astimezone(UTC)


def parse_range(
    start: str | None, end: str | None, *, now: datetime, default: timedelta
) -> tuple[datetime, datetime]:
    """Half-open range [from, to). Raises Rejected when it is empty or longer than 400 days."""
    until = parse_time(end, now=now, field="to") if end else now
    since = parse_time(start, now=now, field="from") if start else until - default
    if not timedelta(0) < until - since <= timedelta(days=400):
        raise Rejected(
            Rejection.INVALID_FIELD,
            "the range must be longer than nothing and at most 400 days: from < to",
            field="from",
        )
    return since, until


def _unreadable(text: str, field: str) -> Rejected:
    return Rejected(
        Rejection.INVALID_FIELD,
        f"{text[:60]!r} is not a time: write 2026-11-22T03:00:00Z, Unix milliseconds or now-6h",
        field=field,
    )
