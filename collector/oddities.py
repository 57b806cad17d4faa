"""What senders do that is legal and cannot be meant, kept to be told: counted, logged once, shown.

Bounded: a sender must not fill our memory with its mistakes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

ODD_BOUNDS = "bounds-unit-mismatch"
"""Histogram bounds made for another unit than the metric's."""

MOST = 200
"""Different oddities kept; what comes after them is only counted."""


@dataclass(slots=True)
class Oddity:
    """One mistake of one metric. Times are Unix seconds."""

    kind: str
    metric: str
    detail: str
    first_s: float
    last_s: float
    points: int = 0


class Oddities:
    """All of them since the collector started. `counted` is told the kind of each point."""

    def __init__(self, counted: Callable[[str], None] = lambda _: None) -> None:
        self._found: dict[tuple[str, str], Oddity] = {}
        self._counted = counted

    def note(self, kind: str, metric: str, detail: str, *, now_s: float) -> None:
        """One more point of a metric."""
        self._counted(kind)
        odd = self._found.get((kind, metric))
        if odd is None:
            if len(self._found) >= MOST:
                return
            log.warning("%s: %s: %s", kind, metric, detail)
            odd = self._found[kind, metric] = Oddity(kind, metric, detail, now_s, now_s)
        odd.points += 1
        odd.last_s = now_s

    def all(self) -> list[Oddity]:
        """Every one, the most frequent first."""
        return sorted(self._found.values(), key=lambda odd: -odd.points)
