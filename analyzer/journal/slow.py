"""Judges each finished day once for growth that windows of seconds cannot see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analyzer.decisions.decide import DecisionPolicy, decide
from analyzer.detect.days import SlowSettings
from analyzer.detect.slow import slow_burn
from analyzer.incidents.growth import follow
from analyzer.journal import records, transitions
from analyzer.model import PATH_DAYS, Incident, Transition
from analyzer.notify.event import Links
from analyzer.store.database import Store
from analyzer.usage.days import daily
from analyzer.usage.rollup import watermark
from collector.model import ResourceId

LATE = timedelta(hours=1)
"""How long a day waits for stragglers."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What growth is judged by."""

    slow: SlowSettings
    decisions: DecisionPolicy
    links: Links


def judge_days(store: Store, terms: Terms, *, now: datetime) -> list[Transition]:
    """Judge the newest finished day if it was not; answers what changed.

    What changed and the mark of the day are one transaction: a day that could not be written is
    judged again. Days of a downtime that lie before the newest are left out: the newest tells.
    """
    complete = watermark(store)
    if complete is None or not terms.slow.enabled:
        return []
    until = _midnight(complete - LATE)
    judged: datetime | None = store.rows("slow_until")[0][0]
    if judged is not None and judged >= until:
        return []
    open_ = {one.resource: one for one in _of_days(store)}
    moves: list[Transition] = []
    at = until.replace(tzinfo=UTC)
    seen: set[ResourceId] = set()
    for days in daily(store, until=until, days=terms.slow.days):
        seen.add(days.resource)
        finding = slow_burn(days, terms.slow)
        moves += follow(open_.get(days.resource), finding, resource=days.resource, at=at)
    for name in open_.keys() - seen:  # nobody uses it any more
        moves += follow(open_[name], None, resource=name, at=at)
    proposed = decide(
        moves,
        records.open_decisions(store),
        now=now,
        policy=terms.decisions,
        firing=records.open_incidents(store),
    )
    with store.transaction() as tx:
        transitions.record(tx, moves, proposed if moves else [], now=now, links=terms.links)
        tx.execute("slow_clear")
        tx.execute("slow_mark", day=until)
    return moves


def _of_days(store: Store) -> Sequence[Incident]:
    return [one for one in records.open_incidents(store) if one.path == PATH_DAYS]


def _midnight(moment: datetime) -> datetime:
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    return naive.replace(hour=0, minute=0, second=0, microsecond=0)
