"""Rules people make: routes, inhibitions, silences, maintenance windows. Times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from analyzer.routing.matchers import Labels, matched, matcher_problems, parse

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SOURCE_LABELS = ("incident", "kind", "severity", "resource", "tenant")
"""What is known of an incident that explains another."""


@dataclass(frozen=True, slots=True)
class Step:
    """A `[[route.step]]`: who is told when nobody acknowledged for `after_s` seconds."""

    after_s: float
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """A `[[route]]`: events that fit all of `match` go to the endpoints whose names fit `to` (an
    empty list: deliberately nobody). The first route that fits ends the search unless it
    `continues`. What still fires and nobody acknowledged is repeated every `repeat_s` seconds (0:
    never); after `storm_openings` openings within 5 minutes an endpoint gets one digest (0: never);
    `fallback` is the endpoint told when one of `to` fails for 15 minutes.
    """

    name: str
    match: tuple[str, ...] = ()
    to: tuple[str, ...] = ("*",)
    continues: bool = False
    repeat_s: float = 14_400.0
    storm_openings: int = 10
    fallback: str = ""
    steps: tuple[Step, ...] = ()

    def reaches(self, endpoint: str) -> bool:
        return named(endpoint, self.to)

    def problems(self) -> list[str]:
        """Everything wrong with it, as `key: what, remedy`."""
        where = f"route {self.name!r}"
        found = [] if self.name.strip() else ["route.name: missing, give the route a name"]
        found += matcher_problems(self.match, f"{where}.match")
        if self.repeat_s and self.repeat_s < 60:
            found.append(f"{where}.repeat_s: below a minute, use 60 or more, or 0 for never")
        if self.storm_openings < 0:
            found.append(f"{where}.storm_openings: must not be negative, 0 turns digests off")
        for step in self.steps:
            if step.after_s <= 0:
                found.append(f"{where}.step.after_s: must be positive, say how long to wait")
            if not step.to:
                found.append(f"{where}.step.to: names nobody, list the endpoints to tell")
        return found


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """`[routing]`: the default route, for what no `[[route]]` wants. See `[[route]]` for the keys.

    `default_inhibition`: what else is seen on a resource is not told while a noisy neighbour there
    explains it.
    """

    to: tuple[str, ...] = ("*",)
    repeat_s: float = 14_400.0
    storm_openings: int = 10
    fallback: str = ""
    default_inhibition: bool = True

    @property
    def route(self) -> Route:
        return Route(
            "default",
            to=self.to,
            repeat_s=self.repeat_s,
            storm_openings=self.storm_openings,
            fallback=self.fallback,
        )

    def problems(self) -> list[str]:
        """Everything wrong with it, as `key: what, remedy`."""
        return [line.replace("route 'default'", "routing") for line in self.route.problems()]


@dataclass(frozen=True, slots=True)
class Inhibition:
    """An `[[inhibit]]`: while an incident fits `source`, incidents that fit `target` and have the
    same `equal` labels are written down but not told. What fits both sides explains nothing."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    equal: tuple[str, ...] = ("resource",)

    def problems(self) -> list[str]:
        """Everything wrong with it, as `key: what, remedy`."""
        found = matcher_problems(self.source, "inhibit.source")
        found += matcher_problems(self.target, "inhibit.target")
        if not self.source or not self.target:
            found.append("inhibit: needs source and target, write matchers for both")
        known = ", ".join(SOURCE_LABELS)
        found += [
            f"inhibit.equal: {label!r} is not known of both, choose from {known}"
            for label in self.equal
            if label not in SOURCE_LABELS
        ]
        return found

    def explains(self, source: Labels, target: Labels) -> bool:
        if not (matched(self.source, source) and matched(self.target, target)):
            return False
        if matched(self.source, target) and matched(self.target, source):
            return False
        return all(set(source.get(n, ())) & set(target.get(n, ())) for n in self.equal)


EXPLAINED = Inhibition(
    ("kind = noisy_neighbour",), ("kind = self_inflicted|capacity|degraded",), ("resource",)
)
"""What a noisy neighbour does to a resource need not be told a second time."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of what fits `match` from `starts_at` until `ends_at`, as `author` wishes."""

    id: str
    match: tuple[str, ...]
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime

    def covers(self, labels: Labels, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at and matched(self.match, labels)

    def problems(self) -> list[str]:
        """Everything wrong with it, as `key: what, remedy`."""
        found = matcher_problems(self.match, "match")
        if not self.match:
            found.append("match: would silence everything, write for example resource = db:shard-3")
        if not self.author.strip():
            found.append("author: missing, say who silences")
        if not self.reason.strip():
            found.append("reason: missing, say why")
        if self.ends_at <= self.starts_at:
            found.append("ends_at: is not after its start, choose a later end")
        return found


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A `[[maintenance]]`: planned work, told to nobody. Once: `starts_at` and `ends_at`. Every
    week: `days` (mon ... sun), `at` (`22:00`, by the clocks of `zone`) and `minutes`.
    """

    name: str
    match: tuple[str, ...]
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    days: tuple[str, ...] = ()
    at: str = ""
    minutes: int = 60
    zone: str = "UTC"
    author: str = ""
    reason: str = ""

    def covers(self, labels: Labels, now: datetime) -> bool:
        return self.open(now) and matched(self.match, labels)

    def open(self, now: datetime) -> bool:
        """Whether the window is open at `now`."""
        if self.days:
            return any(start <= now < end for start, end in self._around(now))
        start, end = _aware(self.starts_at), _aware(self.ends_at)
        return start is not None and end is not None and start <= now < end

    def next(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The window that is open or opens next, or None when none will any more."""
        if not self.days:
            start, end = _aware(self.starts_at), _aware(self.ends_at)
            return (start, end) if start and end and end > now else None
        return next(((s, e) for s, e in self._around(now) if e > now), None)

    def _around(self, now: datetime) -> list[tuple[datetime, datetime]]:
        """Windows from a week ago until a week ahead. A wall time that a clock change skips or
        repeats is read as its first meaning; the length is counted in real minutes."""
        zone = ZoneInfo(self.zone)
        hour, minute = (int(part) for part in self.at.split(":"))
        today = now.astimezone(zone).date()
        found = []
        for ahead in range(-8, 9):
            day = today + timedelta(days=ahead)
            if DAYS[day.weekday()] in self.days:
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                start = local.astimezone(UTC)
                found.append((start, start + timedelta(minutes=self.minutes)))
        return found

    def problems(self) -> list[str]:
        """Everything wrong with it, as `key: what, remedy`."""
        where = f"maintenance {self.name!r}"
        found = [] if self.name.strip() else ["maintenance.name: missing, give the window a name"]
        found += matcher_problems(self.match, f"{where}.match")
        if not self.match:
            found.append(f"{where}.match: would mute everything, write resource = * if you mean it")
        return found + (self._weekly_problems(where) if self.days else self._once_problems(where))

    def _weekly_problems(self, where: str) -> list[str]:
        found = [
            f"{where}.days: {day!r} is no day, choose from {', '.join(DAYS)}"
            for day in self.days
            if day not in DAYS
        ]
        if not _is_clock(self.at):
            found.append(f"{where}.at: {self.at!r} is no time of day, write for example 22:00")
        if not 0 < self.minutes <= 7 * 24 * 60:
            found.append(f"{where}.minutes: must be positive and at most a week, say how long")
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            found.append(f"{where}.zone: {self.zone!r} is unknown, write for example Europe/Berlin")
        return found

    def _once_problems(self, where: str) -> list[str]:
        start, end = _aware(self.starts_at), _aware(self.ends_at)
        if start is None or end is None:
            return [f"{where}: needs starts_at and ends_at, or days and at for every week"]
        return [] if end > start else [f"{where}.ends_at: is not after starts_at, choose a later"]


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules that hold."""

    default: Route = Route("default")
    routes: tuple[Route, ...] = ()
    inhibitions: tuple[Inhibition, ...] = (EXPLAINED,)
    silences: tuple[Silence, ...] = ()
    maintenances: tuple[Maintenance, ...] = ()

    def inhibiting(self, labels: Labels) -> tuple[Inhibition, ...]:
        """The inhibitions that have this as their target."""
        return tuple(each for each in self.inhibitions if matched(each.target, labels))

    def routes_of(self, labels: Labels) -> tuple[Route, ...]:
        """The routes an event takes: those that fit until one does not continue, else the
        default one."""
        found = []
        for one in self.routes:
            if matched(one.match, labels):
                found.append(one)
                if not one.continues:
                    break
        return tuple(found) or (self.default,)


def leads_to_pages(way: Route) -> bool:
    """Whether an incident that opens to page somebody may take this route."""
    known = {"event": ("incident.opened",), "severity": ("page",)}
    return all(
        matcher.holds(known) for text in way.match if (matcher := parse(text)).label in known
    )


def named(endpoint: str, patterns: tuple[str, ...]) -> bool:
    """Whether the endpoint's name fits one of the patterns."""
    return any(fnmatchcase(endpoint, each.replace("[", "[[]")) for each in patterns)


def _aware(at: datetime | None) -> datetime | None:
    """A time of a TOML file without an offset means UTC."""
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def _is_clock(text: str) -> bool:
    hour, _, minute = text.partition(":")
    digits = hour.isascii() and hour.isdigit() and minute.isascii() and minute.isdigit()
    return digits and len(minute) == 2 and int(hour) < 24 and int(minute) < 60
