"""Times at the edge of the store: aware UTC in Python, plain UTC in DuckDB."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def stored(at: datetime) -> datetime: ...
@overload
def stored(at: None) -> None: ...
def stored(at: datetime | None) -> datetime | None:
    """As DuckDB keeps it. A naive time would be a guess, so it is an error."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at.astimezone(UTC).replace(tzinfo=None)


@overload
def aware(at: datetime) -> datetime: ...
@overload
def aware(at: None) -> None: ...
def aware(at: datetime | None) -> datetime | None:
    """As Python passes it around."""
    return None if at is None else at.replace(tzinfo=UTC)
