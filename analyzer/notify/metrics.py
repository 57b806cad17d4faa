"""The outbox in numbers, for `/metrics` and the global bar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from analyzer.notify.clock import aware
from analyzer.store.database import Store


@dataclass(frozen=True, slots=True)
class OutboxNumbers:
    """`dead` are the deliveries in the log that were given up."""

    depth: int
    oldest_s: float
    dead: int


def outbox_numbers(store: Store, *, now: datetime) -> OutboxNumbers:
    """`depth` waiting or on their way, the oldest since `oldest_s` seconds (0.0: none)."""
    depth, oldest, dead = store.rows("notify_depth")[0]
    return OutboxNumbers(
        depth=depth,
        oldest_s=max((now - aware(oldest)).total_seconds(), 0.0) if oldest else 0.0,
        dead=dead,
    )
