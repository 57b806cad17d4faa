"""Scenarios as text: load a world, run it through the real judgement, compare the verdicts.

    resource db:main 4 cores                  the shared resource (`, capacity unknown` hides it;
                                              `, in order` serves it as workers do a queue;
                                              `, misses cost` makes it a cache in front of work)
    run 50m seed 1                            how long; the seed of the arrivals
    tenant acme 8/s of 60ms                   usual rate and cost (` from 35m`: new since then)
    from 35m to 42m acme sends x6             a change (`, on 2m off 2m` makes it come and go)
    from 35m to 42m everyone costs x2         `sends`: the rate, `costs`: cost of an operation
    from 35m to 42m acme climbs x6            the rate, evenly from usual to six times
    from 35m to 42m acme moves x80            rows, bytes or keys of an operation
    from 35m to 42m acme holds locks for 4    seconds of every ten; half of the others wait
    from 35m to 42m resource runs at 0.4      the resource itself loses power
    expect noisy_neighbour by acme hurting globex initech within 60s resolved
    expect nothing

The `expect` lines are complete: an incident nobody expected fails the scenario. The world is an
event-level queue (`bench.detect.queueing`), not the detector's own model of one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path

import numpy as np

from analyzer.detect import ResourceWindows
from analyzer.model import Incident, Kind
from bench.detect.judged import judge_all
from bench.detect.observe import observe
from bench.detect.queueing import Server
from bench.detect.worlds import NOBODY, Locks, Shape, World, run
from collector.model import ResourceId, TenantId

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_CHANGE = re.compile(
    r"from (\S+) to (\S+) (\S+) (sends x|climbs x|costs x|moves x|holds locks for |runs at )"
    r"([\d.]+)(?:, on (\S+) off (\S+))?$"
)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of trouble; `on` and `off` in seconds (0: all the time)."""

    begin: float
    end: float
    who: str
    what: str
    factor: float
    on: float
    off: float

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """The factor at each second."""
        active = (seconds >= self.begin) & (seconds < self.end)
        if self.what == "climbs":
            way = (seconds - self.begin) / (self.end - self.begin)
            return np.where(active, 1.0 + (self.factor - 1.0) * way, 1.0)
        if self.on:
            active &= (seconds - self.begin) % (self.on + self.off) < self.on
        return np.where(active, self.factor, 1.0)


@dataclass(frozen=True, slots=True)
class Expected:
    """One incident: everything the text does not say is not checked."""

    kind: Kind
    by: frozenset[str]
    hurting: frozenset[str]
    within: float | None
    resolved: bool


@dataclass(slots=True)
class Scenario:
    """A parsed file."""

    resource: str = "db:main"
    cores: float = 4.0
    capacity_known: bool = True
    in_order: bool = False
    misses: bool = False
    seconds: int = 3000
    seed: int = 1
    tenants: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)


def parse(text: str) -> Scenario:
    """Raises ValueError naming the line it does not understand."""
    scenario = Scenario()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        if line:
            try:
                _line(scenario, line)
            except (ValueError, AttributeError, KeyError, IndexError) as error:
                raise ValueError(f"line {number}: {line!r} is no step of a scenario") from error
    return scenario


def _line(scenario: Scenario, line: str) -> None:
    word, rest = line.split(" ", 1)
    if word == "resource":
        name, cores = re.fullmatch(r"(\S+) ([\d.]+) cores.*", rest).groups()  # type: ignore[union-attr]
        scenario.resource, scenario.cores = name, float(cores)
        scenario.capacity_known = "capacity unknown" not in rest
        scenario.in_order, scenario.misses = "in order" in rest, "misses cost" in rest
    elif word == "run":
        length, seed = re.fullmatch(r"(\S+) seed (\d+)", rest).groups()  # type: ignore[union-attr]
        scenario.seconds, scenario.seed = int(_seconds(length)), int(seed)
    elif word == "tenant":
        found = re.fullmatch(r"(\S+) ([\d.]+)/s of ([\d.]+)ms(?: from (\S+))?", rest)
        name, rate, cost, since = found.groups()  # type: ignore[union-attr]
        scenario.tenants[name] = (float(rate), float(cost) / 1000, _seconds(since or "0s"))
    elif word == "from":
        begin, end, who, what, factor, on, off = _CHANGE.fullmatch(line).groups()  # type: ignore[union-attr]
        scenario.changes.append(
            Change(
                _seconds(begin), _seconds(end), who, what.split()[0], float(factor),
                _seconds(on or "0s"), _seconds(off or "0s"),
            )
        )  # fmt: skip
    elif word == "expect":
        if rest != "nothing":
            scenario.expected.append(_expected(rest.split()))
    else:
        raise ValueError(line)


def _seconds(text: str) -> float:
    return float(text[:-1]) * _UNITS[text[-1]]


def _expected(words: list[str]) -> Expected:
    found: dict[str, set[str]] = {"by": set(), "hurting": set(), "within": set()}
    kind, key = Kind(words[0]), ""
    for word in words[1:]:
        if word in found or word == "resolved":
            key = word
        else:
            found[key].add(word)
    within = _seconds(min(found["within"])) if found["within"] else None
    return Expected(
        kind, frozenset(found["by"]), frozenset(found["hurting"]), within, "resolved" in words
    )


def world_of(scenario: Scenario) -> World:
    """Every operation of the scenario, in time order."""
    rng = np.random.default_rng(scenario.seed)
    seconds = np.arange(scenario.seconds + 1)
    speed = np.ones(seconds.size)
    for change in scenario.changes:
        if change.what == "runs":
            speed *= change.at(seconds)
    who, at, size, volume = [], [], [], []
    for k, (name, (rate, cost, since)) in enumerate(scenario.tenants.items()):
        rates, costs = np.where(seconds >= since, rate, 0.0), np.full(seconds.size, cost)
        moves = np.ones(seconds.size)
        for change in scenario.changes:
            if change.who in (name, "everyone"):
                rates *= change.at(seconds) if change.what in ("sends", "climbs") else 1.0
                costs *= change.at(seconds) if change.what == "costs" else 1.0
                moves *= change.at(seconds) if change.what == "moves" else 1.0
        begun = np.repeat(seconds, rng.poisson(rates)) + 0.0
        begun += rng.uniform(0, 1, begun.size)
        who.append(np.full(begun.size, k))
        at.append(begun)
        size.append(costs[begun.astype(int)] * rng.gamma(4.0, 0.25, begun.size))
        volume.append(moves[begun.astype(int)])
    order = np.argsort(np.concatenate(at), kind="stable")
    operations = [np.concatenate(part)[order] for part in (who, at, size, volume)]
    count = order.size
    return World(
        family="scenario",
        seed=scenario.seed,
        shape=Shape(tenants=len(scenario.tenants), seconds=scenario.seconds),
        server=Server(scenario.cores, speed, "fifo" if scenario.in_order else "ps"),
        who=operations[0],
        at=operations[1],
        size=operations[2],
        excess=np.zeros(count, bool),
        volume=operations[3],
        script=(),
        begin=0.0,
        end=0.0,
        kind="",
        coin=rng.uniform(size=count),
        locks=_locks(scenario, operations[0], operations[1], rng),
        misses=scenario.misses,
    )


def _locks(
    scenario: Scenario, who: np.ndarray, at: np.ndarray, rng: np.random.Generator
) -> Locks | None:
    """Half of the operations that come while somebody else holds the lock wait until it is free."""
    held = [c for c in scenario.changes if c.what == "holds"]
    if not held:
        return None
    wait, holder = np.zeros(at.size), np.full(at.size, NOBODY)
    for change in held:
        k = list(scenario.tenants).index(change.who)
        within = (at >= change.begin) & (at < change.end) & (who != k)
        struck = within & (at % 10 < change.factor) & (rng.uniform(size=at.size) < 0.5)
        wait, holder = np.where(struck, change.factor - at % 10, wait), np.where(struck, k, holder)
    return Locks(wait, holder, wait > 0)


def windows_of(scenario: Scenario) -> ResourceWindows:
    """What the collector would have counted."""
    world = world_of(scenario)
    seen = observe(world, run(world))
    return replace(
        seen,
        resource=ResourceId(scenario.resource),
        tenants=tuple(TenantId(t) for t in scenario.tenants),
        capacity=scenario.cores if scenario.capacity_known else None,
    )


def differences(scenario: Scenario) -> list[str]:
    """What the judgement says other than expected; empty when it agrees."""
    windows = windows_of(scenario)
    left = judge_all(windows).incidents
    found = []
    for expected in scenario.expected:
        match = next((i for i in left if i.kind is expected.kind), None)
        if match is None:
            found.append(f"expected {expected.kind}, got {[str(i.kind) for i in left]}")
            continue
        left.remove(match)
        found += _compare(scenario, windows, expected, match)
    found += [f"unexpected: {_told(i)}" for i in left]
    return found


def _compare(
    scenario: Scenario, windows: ResourceWindows, expected: Expected, incident: Incident
) -> list[str]:
    finding = incident.finding
    by = {str(b.tenant) for b in finding.aggressors}
    hurt = {str(v.tenant) for v in finding.victims}
    found = []
    if by != expected.by:
        found.append(f"expected {expected.kind} by {sorted(expected.by)}, got {_told(incident)}")
    if not expected.hurting <= hurt:
        found.append(f"expected {sorted(expected.hurting)} hurt, got {sorted(hurt)}")
    if expected.within is not None:
        begin = min(change.begin for change in scenario.changes)
        first = windows.ts[0].astype("datetime64[us]").item().replace(tzinfo=UTC)
        seen = incident.detected_at or incident.updated_at
        late = (seen - first).total_seconds() - begin
        if not 0 <= late <= expected.within:
            found.append(f"expected it within {expected.within:.0f} s, it took {late:.0f} s")
    if expected.resolved and incident.ended_at is None:
        found.append(f"expected {expected.kind} to be resolved, it is {incident.state}")
    return found


def _told(incident: Incident) -> str:
    checks = "; ".join(f"{c.passed}: {c.detail}" for c in incident.finding.checks)
    by = [str(b.tenant) for b in incident.finding.aggressors]
    return f"{incident.kind} by {by} from {incident.started_at:%H:%M:%S} ({checks})"


def scenarios() -> list[Path]:
    """All scenario files, by name."""
    return sorted(Path(__file__).parent.glob("*.txt"))
