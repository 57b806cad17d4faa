"""When a digest is due: of many openings at once, and of an incident that flaps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from analyzer.routing.judge import STORM_WINDOW
from analyzer.routing.standing import CALM

GATHER = timedelta(seconds=30)
"""How long openings are gathered before the first digest: most of a storm is in by then."""

EVERY = timedelta(hours=1)


class Digest(StrEnum):
    """What is due for one endpoint; the word is the event's type."""

    OPENED = "digest.opened"
    OVER = "digest.over"
    FLAPPING = "digest.flapping"


@dataclass(frozen=True, slots=True)
class Gathered:
    """An opening kept for a digest. `told`: a digest named it already; `over`: it has ended."""

    delivery: str
    incident: str
    resource: str
    severity: str
    at: datetime
    told: bool
    over: bool


def storm_due(
    gathered: Sequence[Gathered], last: tuple[str, datetime] | None, *, now: datetime
) -> Digest | None:
    """`last` is the type and time of the endpoint's newest storm digest."""
    fresh = [each for each in gathered if not each.told]
    if fresh:
        waited = now - min(each.at for each in fresh) >= GATHER
        rested = last is None or last[0] == Digest.OVER or now - last[1] >= STORM_WINDOW
        return Digest.OPENED if waited and rested else None
    if last is None or last[0] == Digest.OVER or not gathered:
        return None
    return Digest.OVER if all(each.over for each in gathered) else None


class Flap(StrEnum):
    """What is due for an endpoint that an incident flaps at."""

    DIGEST = "digest"
    RELEASE = "release"


def flapping_due(
    *, kept_since: datetime, newest: datetime, last_digest: datetime | None, now: datetime
) -> Flap | None:
    """Calm for an hour: the last word is released. Else a digest an hour, while there is news:
    `kept_since` is the first change kept back since the last digest, `newest` the last change."""
    if now - newest >= CALM:
        return Flap.RELEASE
    since = last_digest or kept_since
    return Flap.DIGEST if now - since >= EVERY and newest > since else None
