"""One trouble on several resources is one incident: told once, cause first. Pure.

A flood of jobs fills a queue, and its workers fill the database behind it: two resources, two
findings, one cause. An incident that opens while another one fires *follows* it when

* it blames the tenant the other one blames, or
* it blames nobody, began no earlier, and most who suffer in it suffer in the other one as well
  (work that waits for a slow database piles up before it).

Then it becomes part of the other one, which people were told of already: that one lists the
resources reached, and ends when all of them are calm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analyzer.incidents.flags import ACTIVE
from analyzer.model import (
    Incident,
    IncidentId,
    IncidentState,
    Kind,
    Link,
    Transition,
    TransitionType,
)
from collector.model import ResourceId, ResourceKind

WITHIN = timedelta(minutes=10)
"""Most time between the beginnings of two parts of one trouble."""

TIE = timedelta(seconds=30)
"""Beginnings this close cannot be told apart by windows: then the order of the work decides."""

TOGETHER = 0.5
"""Part of the sufferers of what blames nobody that suffers in the cause as well."""

_UPSTREAM = {
    ResourceKind.QUEUE: 0,
    ResourceKind.COMPUTE: 1,
    ResourceKind.CACHE: 2,
    ResourceKind.DATABASE: 3,
}
"""Where work passes first."""

WAKING = (TransitionType.OPENED, TransitionType.REOPENED, TransitionType.FLAPPING)
"""Transitions people are woken by."""

_LOOSE = (Kind.CAPACITY, Kind.DEGRADED)

Kinds = Mapping[ResourceId, ResourceKind]


@dataclass(frozen=True, slots=True)
class Chained:
    """Every incident tracked, and the transitions of this moment, after the links were made."""

    incidents: tuple[Incident, ...]
    moves: tuple[Transition, ...]


def chain(
    incidents: Iterable[Incident], moves: Sequence[Transition], *, kinds: Kinds, at: datetime
) -> Chained:
    """Link what opened at `at` to what it follows, and let go what follows nothing any more."""
    book = _Book({one.id: one for one in incidents}, list(moves), kinds, at)
    for move in moves:
        if move.type is TransitionType.RESOLVED:
            book.hold(move)
    for one in book.sorted():
        if one.part_of is not None and one.state in ACTIVE and not book.follows(one, one.part_of):
            book.release(one)
    for one in book.sorted():
        if book.wakes(one) and one.part_of is None:
            book.join(one)
    for one in book.sorted():
        if one.chain:
            book.keep_up(one)
    return Chained(tuple(book.incidents.values()), tuple(book.moves))


class _Book:
    """The incidents of one moment while they are linked."""

    def __init__(
        self, incidents: dict[IncidentId, Incident], moves: list[Transition], kinds: Kinds,
        at: datetime,
    ) -> None:  # fmt: skip
        self.incidents, self.moves, self._kinds, self._at = incidents, moves, kinds, at

    def sorted(self) -> list[Incident]:
        return sorted(self.incidents.values(), key=lambda one: (one.started_at, one.id))

    def wakes(self, one: Incident) -> bool:
        """People are to be woken for it now."""
        return any(m.incident.id == one.id and m.type in WAKING for m in self.moves)

    def follows(self, one: Incident, head: IncidentId) -> bool:
        cause = self.incidents.get(head)
        return cause is not None and cause.state in ACTIVE and _follows(one, cause)

    def release(self, one: Incident) -> None:
        """It goes on by itself: people hear of it now."""
        said = f"not explained by {one.part_of} any more"
        free = replace(one, part_of=None, seq=one.seq + 1, updated_at=self._at)
        self.moves = [m for m in self.moves if m.incident.id != one.id]
        self.moves.append(Transition(TransitionType.OPENED, self._at, free, said))
        self.incidents[one.id] = free

    def join(self, one: Incident) -> None:
        """Make it part of the incident it follows, if there is one."""
        heads = [
            head
            for head in self.sorted()
            if head.part_of is None and head.state in ACTIVE and head.resource != one.resource
            and not one.chain and _follows(one, head)
            and (not self.wakes(head) or self._order(one) > self._order(head))
        ]  # fmt: skip
        if heads:
            self._put(replace(one, part_of=heads[0].id))
            self._tell(self.incidents[heads[0].id], one)

    def _order(self, one: Incident) -> tuple[bool, int, datetime, str]:
        """Of two that open at one moment the cause is told."""
        depth = _UPSTREAM[self._kinds.get(one.resource, ResourceKind.DATABASE)]
        return one.kind in _LOOSE, depth, one.started_at, one.id

    def _tell(self, head: Incident, one: Incident) -> None:
        linked = replace(head, chain=self._links(head))
        if any(m.incident.id == head.id for m in self.moves):
            self._put(linked)  # it is told at this moment anyway
            return
        linked = replace(linked, seq=head.seq + 1, updated_at=self._at)
        self.incidents[head.id] = linked
        said = f"reached {one.resource}, too: {len(one.finding.victims)} suffer there"
        self.moves.append(Transition(TransitionType.UPDATED, self._at, linked, said))

    def hold(self, over: Transition) -> None:
        """It lasts while a part of it does."""
        head = over.incident
        parts = [one for one in self.incidents.values() if one.part_of == head.id]
        if any(one.state in ACTIVE and _follows(one, head) for one in parts):
            self.moves.remove(over)
            self.incidents[head.id] = replace(
                head, state=IncidentState.FIRING, ended_at=None, seq=head.seq - 1
            )

    def keep_up(self, head: Incident) -> None:
        """The links as they stand now."""
        self._put(replace(head, chain=self._links(head)))

    def _put(self, one: Incident) -> None:
        """Replace it among the incidents and in its transitions of this moment."""
        self.incidents[one.id] = one
        self.moves = [
            replace(m, incident=replace(m.incident, part_of=one.part_of, chain=one.chain))
            if m.incident.id == one.id
            else m
            for m in self.moves
        ]

    def _links(self, head: Incident) -> tuple[Link, ...]:
        known = {link.incident: link for link in head.chain}
        parts = [one for one in self.incidents.values() if one.part_of == head.id]
        known |= {one.id: _link(one) for one in (head, *parts)}
        first = min(link.started_at for link in known.values())
        return tuple(sorted(known.values(), key=lambda link: self._place(link, first)))

    def _place(self, link: Link, first: datetime) -> tuple[bool, bool, int, datetime, str]:
        """Cause first: who is blamed before what only suffers, then by time and way of the work."""
        late = link.started_at - first > TIE
        depth = _UPSTREAM[self._kinds.get(link.resource, ResourceKind.DATABASE)]
        return link.kind in _LOOSE, late, 0 if late else depth, link.started_at, link.incident


def _follows(one: Incident, head: Incident) -> bool:
    if head.kind is not Kind.NOISY_NEIGHBOUR or abs(one.started_at - head.started_at) > WITHIN:
        return False
    blamed = {blame.tenant for blame in head.finding.aggressors}
    if one.kind is Kind.NOISY_NEIGHBOUR:
        return bool(one.finding.aggressors) and one.finding.aggressors[0].tenant in blamed
    if one.kind not in _LOOSE or one.started_at < head.started_at - TIE:
        return False
    there = blamed | {harm.tenant for harm in head.finding.victims}
    here = [harm.tenant for harm in one.finding.victims]
    return len(here) > 1 and sum(name in there for name in here) >= TOGETHER * len(here)


def _link(one: Incident) -> Link:
    return Link(
        one.id, one.resource, one.kind, one.started_at, one.ended_at, len(one.finding.victims)
    )
