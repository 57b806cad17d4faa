"""What rules would have told of the incidents on record (`POST /api/v1/routes/backtest`). Pure."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from analyzer.routing.judge import (
    OPENINGS,
    STORM_WINDOW,
    Choice,
    Notice,
    Reason,
    Recipient,
    Source,
    route,
)
from analyzer.routing.matchers import Labels
from analyzer.routing.rules import Policy


@dataclass(frozen=True, slots=True)
class Happened:
    """An opening (or reopening) on record, with what the finding said at its strongest."""

    incident: str
    type: str
    at: datetime
    ended_at: datetime | None
    labels: Labels
    confidence: float
    stretch: float
    victims: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What an incident must reach to be counted; 0 asks nothing."""

    min_confidence: float = 0.0
    min_stretch: float = 0.0
    min_victims: int = 0

    def reached(self, one: Happened) -> bool:
        return (
            one.confidence >= self.min_confidence
            and one.stretch >= self.min_stretch
            and one.victims >= self.min_victims
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """An opening and what would have become of it."""

    happened: Happened
    choices: tuple[Choice, ...]

    @property
    def told(self) -> tuple[str, ...]:
        return tuple(each.endpoint for each in self.choices if each.sends)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`below`: how many openings did not reach the thresholds."""

    judged: tuple[Judged, ...]
    below: int

    def told_by(self, endpoint: str) -> int:
        return sum(endpoint in each.told for each in self.judged)

    def skipped_by(self, endpoint: str) -> dict[Reason, int]:
        found: Counter[Reason] = Counter()
        for each in self.judged:
            found.update(c.reason for c in each.choices if c.endpoint == endpoint and not c.sends)
        return dict(found)

    def fired(self, name: str = "") -> int:
        """Openings somebody would have been told of (by the route `name`, if one is given)."""
        return sum(
            any(c.sends and (not name or (c.reason, c.detail) == (Reason.ROUTED, name))
                for c in each.choices)
            for each in self.judged
        )  # fmt: skip


def rehearse(
    history: Sequence[Happened],
    policy: Policy,
    recipients: Sequence[Recipient],
    thresholds: Thresholds | None = None,
) -> Rehearsal:
    """Judge each opening, oldest first, at its own time: with what fired then, and with the storms
    there would have been."""
    asked = thresholds or Thresholds()
    recent: dict[str, deque[datetime]] = defaultdict(deque)
    on: list[Happened] = []
    judged = []
    below = 0
    for one in sorted(history, key=lambda each: each.at):
        on = [each for each in on if each.ended_at is None or each.ended_at > one.at]
        if not asked.reached(one):
            below += 1
            continue
        notice = Notice(one.type, {**one.labels, "event": (one.type,)}, one.incident)
        choices = route(
            notice,
            policy,
            recipients,
            now=one.at,
            openings={key: _within(times, one.at) for key, times in recent.items()},
            firing=[Source(each.incident, each.labels) for each in on],
        )
        _note(recent, choices, one)
        on.append(one)
        judged.append(Judged(one, choices))
    return Rehearsal(tuple(judged), below)


def _within(times: deque[datetime], at: datetime) -> int:
    while times and at - times[0] >= STORM_WINDOW:
        times.popleft()
    return len(times)


def _note(recent: dict[str, deque[datetime]], choices: Sequence[Choice], one: Happened) -> None:
    if one.type in OPENINGS:
        for each in choices:
            if each.sends or each.reason is Reason.STORM:
                recent[each.endpoint].append(one.at)
