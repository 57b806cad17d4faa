"""The outbox in numbers, for `/metrics` and the global bar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from analyzer.notify.clock import aware
from analyzer.store import Store


@dataclass(frozen=True, slots=True)
class OutboxNumbers:
    """`results` counts the deliveries in the log by (endpoint name, state)."""

    depth: int
    oldest_s: float
    dead: int
    results: dict[tuple[str, str], int]


def outbox_numbers(store: Store, *, now: datetime) -> OutboxNumbers:
    """`depth` waiting or on their way, the oldest since `oldest_s` seconds (0.0: none)."""
    depth, oldest = store.rows("notify_depth")[0]
    rows = store.rows("notify_results")
    results: dict[tuple[str, str], int] = {}
    for _, name, state, count in rows:
        results[name, state] = results.get((name, state), 0) + count
    return OutboxNumbers(
        depth=depth,
        oldest_s=max((now - aware(oldest)).total_seconds(), 0.0) if oldest else 0.0,
        dead=sum(count for (_, state), count in results.items() if state == "dead"),
        results=results,
    )
