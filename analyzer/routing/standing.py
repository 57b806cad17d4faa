"""Where one endpoint stands with one incident: what it heard, what was kept from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CALM = timedelta(hours=1)
"""A flapping incident that does not change for so long has stopped flapping."""


class Kept(StrEnum):
    """Why something was kept from an endpoint that would have been told."""

    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    INHIBITED = "inhibited"
    STORM = "storm"
    FLAPPING = "flapping"


MUTED = frozenset({Kept.SILENCED, Kept.MAINTENANCE, Kept.INHIBITED})


@dataclass(frozen=True, slots=True)
class Past:
    """One earlier delivery of the incident's own events to the endpoint."""

    type: str
    at: datetime
    sent: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """`told`: it heard that the incident is on and not yet that it is over; `kept`: why it did not
    hear the latest of it; `flapping`: it got the notice, and calm has not returned."""

    told: bool = False
    kept: Kept | None = None
    flapping: bool = False


def standing(past: Iterable[Past], *, now: datetime) -> Standing:
    """`past` in the order of the lane."""
    told, flapping, last = False, False, None
    kept: Kept | None = None
    for each in past:
        if last is not None and each.at - last >= CALM:
            flapping = False
        last = each.at
        if not each.sent:
            kept = _kept(each.reason) or kept
            continue
        kept = None
        told = each.type != "incident.resolved"
        flapping = (flapping or each.type == "incident.flapping") and told
    if last is not None and now - last >= CALM:
        flapping = False
    return Standing(told, kept, flapping)


def _kept(reason: str) -> Kept | None:
    return next((each for each in Kept if each.value == reason), None)
