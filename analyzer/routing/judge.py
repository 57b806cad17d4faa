"""Who is told of one event: a choice with its reason for every endpoint. Pure.

For each endpoint the first of these that holds decides:

1. It is switched off, or did not ask for such events.
2. It was told that the incident is on: it hears the end, whatever mutes the rest.
3. No route leads to it.
4. It is over, and its beginning was kept from it.
5. Silenced, under maintenance, or explained by another incident.
6. The incident flaps and it knows; or too many open at once: a digest will tell.
7. It is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from analyzer.routing.matchers import Labels
from analyzer.routing.rules import Policy, Route, named
from analyzer.routing.standing import Kept, Standing

STORM_WINDOW = timedelta(minutes=5)

OPENINGS = ("incident.opened", "incident.reopened")
CLOSINGS = ("incident.resolved", "incident.acknowledged")
FLAPPED = ("incident.flapping", "incident.reopened", "incident.updated", "incident.resolved")


class Reason(StrEnum):
    """Why an endpoint is told, or why not. The word stands in the delivery log."""

    ROUTED = "routed"
    DEFAULT = "default"
    TOLD_BEFORE = "told_before"
    FALLBACK = "fallback"
    ESCALATED = "escalated"
    REMINDED = "reminded"
    DIRECT = "direct"
    DISABLED = "disabled"
    UNWANTED = "unwanted"
    NOT_ROUTED = "not_routed"
    UNTOLD = "untold"
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    INHIBITED = "inhibited"
    FLAPPING = "flapping"
    STORM = "storm"


SENDS = frozenset(
    {
        Reason.ROUTED,
        Reason.DEFAULT,
        Reason.TOLD_BEFORE,
        Reason.FALLBACK,
        Reason.ESCALATED,
        Reason.REMINDED,
        Reason.DIRECT,
    }
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """An endpoint as far as routing cares. `feeds`: it keeps states of its own (an Alertmanager),
    so nothing is gathered for it; `failing`: for so long that its fallback is told."""

    id: str
    name: str
    events: tuple[str, ...] = ()
    enabled: bool = True
    feeds: bool = False
    failing: bool = False

    def wants(self, event: str) -> bool:
        """Whether it asked for events of this type; who named none wants all."""
        return not self.events or any(fnmatchcase(event, each) for each in self.events)


@dataclass(frozen=True, slots=True)
class Source:
    """An incident that fires, and may explain another."""

    incident: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Notice:
    """The event to be judged."""

    type: str
    labels: Labels = field(default_factory=dict)
    incident: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is done about one endpoint, and why; `detail` are words for people."""

    endpoint: str
    reason: Reason
    detail: str = ""

    @property
    def sends(self) -> bool:
        return self.reason in SENDS


def route(
    notice: Notice,
    policy: Policy,
    recipients: Sequence[Recipient],
    *,
    now: datetime,
    standings: Mapping[str, Standing] | None = None,
    openings: Mapping[str, int] | None = None,
    firing: Sequence[Source] = (),
) -> tuple[Choice, ...]:
    """A choice for each recipient. `standings` and `openings` (within the storm's window, before
    this one) are by endpoint; `firing` are the incidents that may explain this one."""
    taken = policy.routes_of(notice.labels)
    reached = _reached(taken, policy.default, recipients)
    hushed = muted(notice, policy, firing, now=now)
    choices = []
    for each in recipients:
        stands = (standings or {}).get(each.id, Standing())
        opened = (openings or {}).get(each.id, 0)
        choices.append(_choice(notice, each, reached.get(each.id), hushed, stands, opened))
    return tuple(choices) if hushed else _with_fallbacks(tuple(choices), reached, recipients)


@dataclass(frozen=True, slots=True)
class _Way:
    """The route that leads to an endpoint, and as what."""

    route: Route
    reason: Reason


def _reached(
    taken: Sequence[Route], default: Route, recipients: Sequence[Recipient]
) -> dict[str, _Way]:
    """By endpoint. Routes that name only endpoints nobody has fall back to the default one: a
    misspelt name must not swallow a page."""
    why = Reason.DEFAULT if tuple(taken) == (default,) else Reason.ROUTED
    found: dict[str, _Way] = {}
    for each in recipients:
        way = next((r for r in taken if r.reaches(each.name)), None)
        if way is not None:
            found[each.id] = _Way(way, why)
    meant = any(r.to for r in taken)
    if found or not meant:
        return found
    return {e.id: _Way(default, Reason.DEFAULT) for e in recipients if default.reaches(e.name)}


def _choice(
    notice: Notice,
    to: Recipient,
    way: _Way | None,
    hushed: tuple[Reason, str] | None,
    stands: Standing,
    opened: int,
) -> Choice:
    if not to.enabled:
        return Choice(to.id, Reason.DISABLED, "the endpoint is switched off")
    if not to.wants(notice.type):
        return Choice(to.id, Reason.UNWANTED, "the endpoint did not ask for such events")
    flaps = stands.flapping and notice.type in FLAPPED and not to.feeds
    if stands.told and notice.type in CLOSINGS and not flaps:
        known = way.reason if way and hushed is None else Reason.TOLD_BEFORE
        return Choice(to.id, known, way.route.name if way else "it heard the beginning")
    if way is None:
        return Choice(to.id, Reason.NOT_ROUTED, "no route leads there")
    if notice.type == "incident.resolved" and stands.kept and not stands.told:
        return Choice(to.id, Reason.UNTOLD, f"the beginning was {_words(stands.kept)}")
    if hushed is not None:
        return Choice(to.id, *hushed)
    if flaps:
        return Choice(to.id, Reason.FLAPPING, "a digest tells once an hour while it flaps")
    if _storms(notice, to, way.route, stands, opened):
        return Choice(to.id, Reason.STORM, "many open at once, a digest tells of all")
    return Choice(to.id, way.reason, way.route.name)


def _storms(notice: Notice, to: Recipient, way: Route, stands: Standing, opened: int) -> bool:
    """Too many openings; and what follows a gathered opening is gathered with it."""
    if to.feeds or not way.storm_openings:
        return False
    if notice.type in OPENINGS:
        return opened >= way.storm_openings
    return stands.kept is Kept.STORM and not stands.told and bool(notice.incident)


def muted(
    notice: Notice, policy: Policy, firing: Sequence[Source], *, now: datetime
) -> tuple[Reason, str] | None:
    """Why nobody is to be told now, and by whose wish; None when people may be."""
    for silence in policy.silences:
        if silence.covers(notice.labels, now):
            words = f"{silence.id} by {silence.author}: {silence.reason}"
            return Reason.SILENCED, words
    for window in policy.maintenances:
        if window.covers(notice.labels, now):
            return Reason.MAINTENANCE, window.name
    if not notice.type.startswith("incident.") or notice.type == "incident.resolved":
        return None
    rules = policy.inhibiting(notice.labels)
    for source in firing if rules else ():
        if source.incident == notice.incident:
            continue
        if any(each.explains(source.labels, notice.labels) for each in rules):
            return Reason.INHIBITED, f"explained by {source.incident}"
    return None


def _with_fallbacks(
    choices: tuple[Choice, ...], reached: Mapping[str, _Way], recipients: Sequence[Recipient]
) -> tuple[Choice, ...]:
    """Where an endpoint cannot be told, its route's fallback is."""
    people = {each.id: each for each in recipients}
    stand_ins: dict[str, str] = {}
    for choice in choices:
        way, to = reached.get(choice.endpoint), people[choice.endpoint]
        lost = choice.reason is Reason.DISABLED or (choice.sends and to.failing)
        if lost and way is not None and way.route.fallback:
            for other in recipients:
                if other.enabled and other.id != to.id and named(other.name, (way.route.fallback,)):
                    stand_ins.setdefault(other.id, to.name)
    return tuple(
        Choice(each.endpoint, Reason.FALLBACK, f"in place of {stand_ins[each.endpoint]}")
        if each.reason is Reason.NOT_ROUTED and each.endpoint in stand_ins
        else each
        for each in choices
    )


def _words(kept: Kept) -> str:
    return {
        Kept.SILENCED: "silenced",
        Kept.MAINTENANCE: "under maintenance",
        Kept.INHIBITED: "explained by another incident",
        Kept.STORM: "told in a digest",
        Kept.FLAPPING: "told in a digest",
    }[kept]
