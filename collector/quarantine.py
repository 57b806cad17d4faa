"""Usage whose tenant nobody could name: kept under `__unknown__`, and shown with examples.

Bounded, for the names are the senders': a few series of each door are enough to see what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EXAMPLES = 20
"""Series shown; of metrics with different names, where there are enough."""

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Example:
    """A series without a tenant: where it came in, and all its labels."""

    door: str
    labels: Mapping[str, str]
    first_s: float


@dataclass(slots=True)
class Quarantine:
    """What came without a tenant since the collector started. Times are Unix seconds, 0 never."""

    series: int = 0
    samples: int = 0
    rows: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    examples: dict[str, Example] = field(default_factory=dict)

    def learnt(self, door: str, labels: Mapping[str, str], *, now_s: float) -> None:
        """A new series without a tenant."""
        self.series += 1
        name = labels.get("__name__", "")
        if name not in self.examples and len(self.examples) < EXAMPLES:
            shown = {key[:_LONGEST]: value[:_LONGEST] for key, value in labels.items()}
            self.examples[name] = Example(door, shown, now_s)
        self._seen(now_s)

    def came(self, samples: int = 0, rows: int = 0, *, now_s: float) -> None:
        """So much of it was taken in."""
        self.samples += samples
        self.rows += rows
        self._seen(now_s)

    def _seen(self, now_s: float) -> None:
        self.first_s = self.first_s or now_s
        self.last_s = max(self.last_s, now_s)
