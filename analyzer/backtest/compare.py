"""Two ways of judging the same recording, held side by side: what both told, and what one alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from analyzer.backtest.replay import Verdict

_ENDLESS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`both` are pairs (by the first settings, by the second), in order of their beginning."""

    both: tuple[tuple[Verdict, Verdict], ...]
    first: tuple[Verdict, ...]
    second: tuple[Verdict, ...]

    @property
    def sooner_s(self) -> float | None:
        """Median seconds by which the second settings told sooner; None without a pair."""
        gains = sorted((a.detected_at - b.detected_at).total_seconds() for a, b in self.both)
        if not gains:
            return None
        middle = len(gains) // 2
        return gains[middle] if len(gains) % 2 else (gains[middle - 1] + gains[middle]) / 2


def compare(first: Sequence[Verdict], second: Sequence[Verdict]) -> Comparison:
    """Pair the incidents of two runs over one recording.

    Two are the same when they are of one resource and kind, blame the same tenant first and
    overlap in time; each has one partner at most, the one it shares the most time with.
    """
    shared = [
        (_together(a, b), i, j)
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if _same(a, b)
    ]
    partner: dict[int, int] = {}
    for _, i, j in sorted(shared, key=lambda one: (-one[0], one[1], one[2])):
        if i not in partner and j not in partner.values():
            partner[i] = j
    pairs = [(first[i], second[j]) for i, j in partner.items()]
    return Comparison(
        tuple(sorted(pairs, key=lambda pair: _begin(pair[0]))),
        tuple(v for i, v in enumerate(first) if i not in partner),
        tuple(v for j, v in enumerate(second) if j not in partner.values()),
    )


def _same(a: Verdict, b: Verdict) -> bool:
    whom = (a.resource, a.kind, a.aggressors[:1])
    return whom == (b.resource, b.kind, b.aggressors[:1]) and _together(a, b) >= 0


def _together(a: Verdict, b: Verdict) -> float:
    """Seconds both last; negative when one ends before the other begins."""
    begins = max(a.started_at, b.started_at)
    return (min(a.ended_at or _ENDLESS, b.ended_at or _ENDLESS) - begins).total_seconds()


def _begin(verdict: Verdict) -> tuple[datetime, str]:
    return verdict.started_at, verdict.resource
