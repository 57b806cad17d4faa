"""A token bucket: how many messages an address takes a second, with a small burst."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BURST = 5.0


class Pace:
    """Holds `BURST` at most; `a_second` come back every second."""

    def __init__(self, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second, self._clock = a_second, clock
        self._lock = threading.Lock()
        self._tokens, self._at = BURST, clock()

    def left(self) -> int:
        """How many may be sent now."""
        with self._lock:
            self._refill()
            return int(self._tokens)

    def take(self, count: int) -> None:
        """So many are being sent."""
        with self._lock:
            self._refill()
            self._tokens -= count

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._at) * self._a_second)
        self._at = now
