"""Digests: one message for a storm of openings, one an hour for an incident that flaps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from analyzer.notify.addressing import Desk, directly
from analyzer.notify.clock import aware, stored
from analyzer.notify.event import Entropy, Event, Links, cut, event_id
from analyzer.notify.outbox import post
from analyzer.routing.digest import Digest, Flap, Gathered, flapping_due, storm_due
from analyzer.routing.judge import Reason
from analyzer.store.reader import Transaction

LOOK_BACK = timedelta(days=1)
SHOWN = 20


def gather(
    tx: Transaction, at: Desk, *, now: datetime, links: Links, entropy: Entropy
) -> tuple[int, int]:
    """Post what is due. Returns the digests and the last words released after a flapping."""
    enabled = {each.id for each in at.endpoints if each.state != "disabled"}
    post_digest = _Pen(tx, now, links, entropy)
    digests = sum(_storm(post_digest, to, kept) for to, kept in _kept(tx, now) if to in enabled)
    released = 0
    for lane, to, last, changes, since, newest in tx.rows("routing_flapping"):
        if to not in enabled:
            continue
        due = flapping_due(
            kept_since=aware(since), newest=aware(newest),
            last_digest=post_digest.last_at(_flap_lane(lane, to)), now=now,
        )  # fmt: skip
        if due is Flap.RELEASE:
            released += tx.execute(
                "routing_release", id=last, now=stored(now), reason=Reason.ROUTED.value
            )
        elif due is Flap.DIGEST:
            digests += post_digest.flaps(lane, to, changes)
    return digests, released


def _kept(tx: Transaction, now: datetime) -> list[tuple[str, list[Gathered]]]:
    found: dict[str, list[Gathered]] = defaultdict(list)
    for endpoint, *row in tx.rows("routing_gathered", since=stored(now - LOOK_BACK)):
        delivery, incident, resource, severity, at, told, over = row
        found[endpoint].append(
            Gathered(delivery, incident, resource, severity, aware(at), told, over)
        )
    return sorted(found.items())


def _storm(pen: _Pen, to: str, kept: Sequence[Gathered]) -> int:
    lane = f"digest:{to}"
    due = storm_due(kept, pen.last(lane), now=pen.now)
    if due is Digest.OPENED:
        return pen.opened(lane, to, kept)
    return pen.over(lane, to, kept) if due is Digest.OVER else 0


class _Pen:
    """Writes digests."""

    def __init__(self, tx: Transaction, now: datetime, links: Links, entropy: Entropy) -> None:
        self._tx, self.now, self._links, self._entropy = tx, now, links, entropy

    def last(self, lane: str) -> tuple[str, datetime] | None:
        row = self._tx.row("routing_last_digest", lane=lane)
        return (row[0], aware(row[1])) if row else None

    def last_at(self, lane: str) -> datetime | None:
        last = self.last(lane)
        return last[1] if last else None

    def opened(self, lane: str, to: str, kept: Sequence[Gathered]) -> int:
        on = [each for each in kept if not each.over or not each.told]
        pages = sum(each.severity == "page" for each in on)
        words = f"{len(on)} more incidents opened ({pages} to page); gathered into this digest."
        made = self._tell(Digest.OPENED, lane, to, f"{words} {_places(on)}", on)
        fresh = [each.delivery for each in kept if not each.told]
        self._tx.execute("routing_told_in", ids=fresh, words=f"told in {made}")
        return 1

    def over(self, lane: str, to: str, kept: Sequence[Gathered]) -> int:
        self._tell(Digest.OVER, lane, to, f"All {len(kept)} gathered incidents are over.", kept)
        return 1

    def flaps(self, incident: str, to: str, changes: int) -> int:
        words = f"{incident} still flaps: {changes} changes were kept back since the notice."
        self._tell(Digest.FLAPPING, _flap_lane(incident, to), to, words, ())
        return 1

    def _tell(self, kind: Digest, lane: str, to: str, words: str, which: Sequence[Gathered]) -> str:
        event = Event(
            id=event_id(self.now, self._entropy), type=kind.value, lane=lane, seq=0, at=self.now,
            created_at=self.now, summary=cut(words, 1000), url=f"{self._links.base}/incidents",
            facts=tuple((each.incident, f"{each.resource}, {each.severity}")
                        for each in which[:SHOWN]),
            links=self._links,
        )  # fmt: skip
        return post(self._tx, event, choices=directly([to]), entropy=self._entropy).id


def _flap_lane(incident: str, to: str) -> str:
    return f"flapping:{incident}:{to}"


def _places(gathered: Sequence[Gathered]) -> str:
    places = sorted({each.resource for each in gathered})
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return f"On {', '.join(places[:5])}{more}."
