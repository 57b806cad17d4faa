"""Which rule took which metric, for the series known now; and what nothing took.

One line for each (metric, outcome, rule), whatever its series are: a platform has some hundred
metrics and a million series. Bounded: metrics beyond the room share one line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from collector.model import Rejected, Series

MOST_METRICS = 2_000
FURTHER = "(further metrics)"
_LONGEST = 200
_NOWHERE = -1


class Outcome(StrEnum):
    """What became of a series."""

    REFUSED = "refused"
    IGNORED = "ignored"
    TAKEN = "taken"


@dataclass(slots=True)
class Mapped:
    """One line. `rule` is empty where nothing took it; the example is its first series.

    `low` and `high` are the smallest and the largest finite bucket bound in seconds (0: none).
    """

    metric: str
    outcome: Outcome
    rule: str = ""
    family: str = ""
    columns: tuple[str, ...] = ()
    kind: str = ""
    tenant: str = ""
    resource: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    series: int = 0
    seen_s: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @property
    def note(self) -> str:
        """What is odd about it: bounds that can only be meant in milliseconds."""
        if self.low >= 1 and self.high >= 1000:
            return (
                f"buckets from {self.low:g} s to {self.high:g} s: are these milliseconds? "
                "quantiles mean nothing; give bounds in seconds, or a rule with scale = 0.001"
            )
        return ""


class MappingBook:
    """The lines of one `SeriesBook`; its slots say which line a series is counted in."""

    def __init__(self) -> None:
        self._lines: list[Mapped] = []
        self._number: dict[tuple[str, Outcome, str], int] = {}
        self._line_of = np.full(1024, _NOWHERE, np.int32)

    def taken(
        self, slot: int, rule: str, labels: Mapping[str, str], made: Sequence[Series]
    ) -> None:
        """A series that feeds something: `made` is what its samples become."""
        first = made[0]
        line = self._line(slot, labels, Outcome.TAKEN, rule)
        if not line.family:
            line.family, line.kind = first.family.value, first.kind.value
            line.tenant, line.resource = first.tenant, first.resource
            line.columns = tuple(one.column.value for one in made)
        if first.bound is not None and 0 < first.bound < math.inf:
            line.low = min(line.low or first.bound, first.bound)
            line.high = max(line.high, first.bound)

    def ignored(self, slot: int, labels: Mapping[str, str]) -> None:
        """A series no meter names."""
        self._line(slot, labels, Outcome.IGNORED, "")

    def refused(self, slot: int, labels: Mapping[str, str], why: Rejected) -> None:
        """A series that may not be taken."""
        line = self._line(slot, labels, Outcome.REFUSED, why.reason.value)
        line.rule = ""
        line.why = line.why or f"{why.reason.value}: {why.detail}"[:_LONGEST]

    def forget(self, slot: int) -> None:
        """The series of a slot is known no more."""
        if slot < len(self._line_of) and (number := int(self._line_of[slot])) != _NOWHERE:
            self._lines[number].series -= 1
            self._line_of[slot] = _NOWHERE

    def lines(self, seen_s: npt.NDArray[np.float64]) -> list[Mapped]:
        """Lines with live series: what was refused first, then what nothing took, then the rest.

        `seen_s` is per slot when it was last read.
        """
        upto = min(len(self._line_of), len(seen_s))
        number = self._line_of[:upto]
        known = number != _NOWHERE
        last = np.zeros(len(self._lines))
        np.maximum.at(last, number[known], seen_s[:upto][known])
        for line, at in zip(self._lines, last.tolist(), strict=True):
            line.seen_s = at
        order = list(Outcome)
        live = [line for line in self._lines if line.series]
        return sorted(live, key=lambda one: (order.index(one.outcome), -one.series, one.metric))

    def _line(self, slot: int, labels: Mapping[str, str], outcome: Outcome, rule: str) -> Mapped:
        metric = labels.get("__name__", "")[:_LONGEST]
        key = (metric, outcome, rule)
        if key not in self._number and len(self._lines) >= MOST_METRICS:
            key, labels = (FURTHER, outcome, ""), {}
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = len(self._lines)
            shown = {name[:_LONGEST]: text[:_LONGEST] for name, text in [*labels.items()][:40]}
            self._lines.append(Mapped(key[0], outcome, key[2], labels=shown))
        if slot >= len(self._line_of):
            more = np.full(max(slot + 1, len(self._line_of)), _NOWHERE, np.int32)
            self._line_of = np.concatenate([self._line_of, more])
        self._line_of[slot] = number
        line = self._lines[number]
        line.series += 1
        return line
