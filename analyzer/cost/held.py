"""Answers that take seconds to make: kept, and served while a newer one is made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class Held(Generic[T]):
    """One answer that ages. The timetable renews it when its time is up (`refresh`); a reader makes
    one only when there is none, or when it was not renewed for twice its time. For any threads.
    """

    def __init__(self, make: Callable[[datetime], T], hold: Callable[[T], timedelta]) -> None:
        self._make = make
        self._hold = hold
        self._making = threading.Lock()
        self._kept: tuple[datetime, T] | None = None

    def get(self, now: datetime) -> T:
        """The answer; somebody else's making is waited for only when there is none at all."""
        return self._young(now, 2)

    def refresh(self, now: datetime) -> T:
        """The answer, made anew when its time is up."""
        return self._young(now, 1)

    def _young(self, now: datetime, times: int) -> T:
        kept = self._kept
        if kept is not None and self._good(kept, now, times):
            return kept[1]
        if not self._making.acquire(blocking=kept is None):
            assert kept is not None
            return kept[1]
        try:
            kept = self._kept
            if kept is None or not self._good(kept, now, times):
                kept = self._kept = (now, self._make(now))
            return kept[1]
        finally:
            self._making.release()

    def _good(self, kept: tuple[datetime, T], now: datetime, times: int) -> bool:
        made, answer = kept
        return made <= now < made + times * self._hold(answer)
