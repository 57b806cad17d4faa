"""The slow and obvious engine: plain loops over hours, tenants and prices. For tests only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor

from analyzer.cost.policies import Policy
from analyzer.cost.settings import CostSettings, Price
from analyzer.cost.weeks import Week
from collector.model import UNKNOWN_TENANT
from tests.analyzer.cost.house import Hour

HOUR_US = 3_600_000_000
US = timedelta(microseconds=1)
IDLE = ""


def hand_out(total: int, weights: dict[str, int]) -> dict[str, int]:
    whole = sum(weights.values())
    if not whole:
        return {}
    exact = {t: Fraction(abs(total) * w, whole) for t, w in weights.items()}
    got = {t: int(part) for t, part in exact.items()}
    order = sorted(weights, key=lambda t: (got[t] - exact[t], -weights[t], t))
    for t in order[: abs(total) - sum(got.values())]:
        got[t] += 1
    return {t: part if total > 0 else -part for t, part in got.items()}


Cells = dict[tuple[str, str], tuple[int, int, int, int]]
Lines = dict[str, tuple[int, int, int]]
Sums = dict[tuple[str, str], list[int]]
DIRECT, IDLED, SHARED, CREDITED = range(4)


@dataclass(frozen=True)
class Due:
    """Something to be paid for a time. `credit`: all of it is told in the column of credits."""

    resource: str
    kind: str
    driver: str
    idle: str
    start: datetime
    end: datetime
    quanta: int
    over: tuple[str, ...] = ()
    credit: bool = False


@dataclass(frozen=True)
class Billed:
    """What bills say of a week: at which scale, and when they speak for a resource."""

    dues: Sequence[Due] = ()
    scale: int = 0
    covered: Mapping[str, Sequence[tuple[datetime, datetime]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Home:
    """Where a tenant stood, in hours from the Monday of the week."""

    tenant: str
    resource: str
    since: int
    until: int
    isolation: str = "shared"


@dataclass(frozen=True)
class Moves:
    """Who was there when: `lives` in hours (all week, where nothing is said), `homes`, and what
    contracts grant wherever a tenant stands.
    """

    lives: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    homes: Sequence[Home] = ()
    floors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """All a split looks at but the price: of one interval, in which `here` is told by resource."""

    settings: CostSettings
    plans: Mapping[str, str]
    seconds: Mapping[str, int]
    here: Mapping[str, int] = field(default_factory=dict)


def reference(
    hours: Sequence[Hour],
    capacity: dict[str, float],
    week: Week,
    settings: CostSettings,
    plans: dict[str, str] | None = None,
    billed: Billed | None = None,
    moves: Moves | None = None,
) -> tuple[Cells, Lines]:
    """Of hourly prices and bills: (tenant, resource) -> (direct, idle share, shared: fees and share
    of the nameless, credit), and resource -> (bill, idle, unattributed).
    """
    moves = moves or Moves()
    billed = billed or Billed()
    scale = max(settings.scale, billed.scale)
    dues = [*_prices(settings, week, scale, billed.covered)]
    dues += [replace(d, quanta=d.quanta * 10 ** (scale - billed.scale)) for d in billed.dues]
    cells: Sums = defaultdict(lambda: [0, 0, 0, 0])
    lines: Lines = {}
    seconds = dict(_seconds(hours, week, plans or {}, moves))
    world = World(settings, plans or {}, seconds)
    on: dict[str, list[Hour]] = defaultdict(list)
    for h in hours:
        on[h.resource].append(h)
    for due in dues:
        if not due.over and due.kind not in ("credit", "unmatched"):
            seen = hours if due.kind == "fixed" else on[due.resource]
            mine = [h for h in seen if due.start <= week.start + timedelta(hours=h.at) < due.end]
            if due.kind == "fixed":
                everybody = _everybody(due.driver, mine, seconds)
                _fee(due, everybody, replace(world, here=seconds), cells, lines)
            else:
                homes = [home for home in moves.homes if home.resource == due.resource]
                room = capacity.get(due.resource)
                promised = dict(_promised(due, week, homes, room, moves.floors))
                at_home = dict(_at_home(due, week, homes))
                here = replace(world, here=at_home)
                _resource(due, mine, room, promised, here, cells, lines)
    _fees_over([due for due in dues if due.over], cells, lines)
    _credits_of_all([due for due in dues if due.kind == "credit"], settings, cells, lines)
    for due in dues:
        if due.kind == "unmatched":
            _enter(due, SHARED, {}, 0, due.quanta, cells, lines)
    return {key: (d, i, n, c) for key, (d, i, n, c) in cells.items() if d or i or n or c}, lines


def _seconds(
    hours: Sequence[Hour], week: Week, plans: Mapping[str, str], moves: Moves
) -> Iterator[tuple[str, int]]:
    """How long each tenant was there; who used something before it was registered was there."""
    length = (week.end - week.start) // timedelta(hours=1)
    for t in plans:
        born, gone = moves.lives.get(t, (0, length))
        born = min([born, *(h.at for h in hours if h.tenant == t)])
        yield t, max(0, min(gone, length) - max(born, 0)) * 3600


def _promised(
    due: Due, week: Week, homes: Sequence[Home], capacity: float | None, floors: Mapping[str, float]
) -> Iterator[tuple[tuple[int, str], int]]:
    """What each hour grants each tenant: the whole database of its own, or its floor."""
    for home in homes:
        for at in range(home.since, home.until):
            moment = week.start + timedelta(hours=at)
            room = capacity if home.isolation == "database" else floors.get(home.tenant, 0)
            if capacity and room and due.start <= moment < due.end:
                yield (at, home.tenant), round(room * HOUR_US)


def _at_home(due: Due, week: Week, homes: Sequence[Home]) -> Iterator[tuple[str, int]]:
    for home in homes:
        a, b = (week.start + timedelta(hours=at) for at in (home.since, home.until))
        if max(a, due.start) < min(b, due.end):
            yield home.tenant, (min(b, due.end) - max(a, due.start)) // timedelta(seconds=1)


def _prices(
    settings: CostSettings,
    week: Week,
    scale: int,
    covered: Mapping[str, Sequence[tuple[datetime, datetime]]],
) -> Iterator[Due]:
    """What hourly prices cost, but for the times in which a bill speaks for their resource."""
    for price in settings.prices:
        marks = {week.start, week.end}
        spans = covered.get(price.resource, ())
        marks |= {moment for span in spans for moment in span if week.start < moment < week.end}
        start = None
        for moment in sorted(marks):
            taken = any(a <= moment < b for a, b in spans) or moment == week.end
            if start is not None and taken:
                quanta = _cost(price, week, start, moment, scale)
                idle = price.idle or settings.idle
                yield Due(price.resource, price.kind, price.driver, idle, start, moment, quanta,
                          price.over)  # fmt: skip
                start = None
            elif start is None and not taken:
                start = moment


def _cost(price: Price, week: Week, a: datetime, b: datetime, scale: int) -> int:
    to_a, to_b = (Fraction((moment - week.start) // US, HOUR_US) for moment in (a, b))
    rate = Fraction(price.amount) * 10**scale
    return half_up(rate * to_b) - half_up(rate * to_a)


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def _resource(
    due: Due,
    hours: Sequence[Hour],
    capacity: float | None,
    promised: Mapping[tuple[int, str], int],
    world: World,
    cells: Sums,
    lines: Lines,
) -> None:
    """What somebody used of a resource, what nobody did, and what nobody has a name for."""
    name = due.resource
    weights = dict(_weights(hours, name, capacity, due.kind, promised))
    counts = _counts(hours, name)
    if not sum(weights.values()) and (counts or due.kind == "usage"):
        weights = counts
    elif due.kind == "capacity" and capacity:
        room = int(capacity * HOUR_US) * ((due.end - due.start) // timedelta(seconds=1)) // 3600
        weights[IDLE] = max(0, room - sum(weights.values()))
    shares = hand_out(due.quanta, weights)
    idle = shares.pop(IDLE, 0)
    nameless = shares.pop(UNKNOWN_TENANT, 0)
    if not sum(weights.values()):
        idle, nameless = (due.quanta, 0) if due.kind == "capacity" else (0, due.quanta)
    mine = [h for h in hours if h.resource == name and h.tenant != UNKNOWN_TENANT]
    length = (due.end - due.start) // timedelta(seconds=1)
    users = {h.tenant for h in mine} | {t for _, t in promised}
    world = replace(world, here=dict.fromkeys(users, length) | dict(world.here))
    again = _policy(due.idle, idle, shares, mine, world)
    more = _policy(world.settings.system, nameless, shares, mine, world)
    for column, part in ((DIRECT, shares), (IDLED, again), (SHARED, more)):
        _enter(due, column, part, 0, 0, cells, lines)
    left = idle - sum(again.values()), nameless - sum(more.values())
    _enter(due, DIRECT, {}, *left, cells, lines)


def _everybody(driver: str, hours: Sequence[Hour], seconds: Mapping[str, int]) -> dict[str, int]:
    """Who shares a fee: all by their time, or by what they used of everything."""
    if not driver:
        return dict(seconds)
    used: dict[str, int] = defaultdict(int)
    for h in hours:
        used[h.tenant] += (h.busy_us if driver == "busy" else h.count) or 0
    return {t: amount for t, amount in used.items() if amount}


def _fee(
    due: Due,
    weights: dict[str, int],
    world: World,
    cells: Sums,
    lines: Lines,
) -> None:
    shares = hand_out(due.quanta, weights)
    nameless = shares.pop(UNKNOWN_TENANT, 0) if sum(weights.values()) else due.quanta
    more = _policy(world.settings.system, nameless, shares, (), world)
    for part in (shares, more):
        _enter(due, SHARED, part, 0, 0, cells, lines)
    _enter(due, SHARED, {}, 0, nameless - sum(more.values()), cells, lines)


def _fees_over(fees: list[Due], cells: Sums, lines: Lines) -> None:
    """Fees over other resources, those first that no waiting fee is over."""
    while fees:
        waiting = {due.resource for due in fees}
        late = {due.resource for due in fees if waiting & set(due.over)}
        ready = next(due.resource for due in fees if due.resource not in late)
        for due in [due for due in fees if due.resource == ready]:
            fees.remove(due)
            _by_what_is_paid(due, set(due.over), cells, lines)


def _credits_of_all(
    credits_: Sequence[Due], settings: CostSettings, cells: Sums, lines: Lines
) -> None:
    """Credits that name no resource: by what everybody pays before any of them."""
    before = {key: list(parts) for key, parts in cells.items()}
    resources = {name for _, name in before} if settings.credits == "proportional" else set()
    for due in credits_:
        _by_what_is_paid(due, resources, cells, lines, before)


def _by_what_is_paid(
    due: Due, over: set[str], cells: Sums, lines: Lines, seen: Sums | None = None
) -> None:
    paid: dict[str, int] = defaultdict(int)
    for (t, r), parts in (cells if seen is None else seen).items():
        paid[t] += sum(parts) if r in over else 0
    shares = hand_out(due.quanta, {t: amount for t, amount in paid.items() if amount > 0})
    _enter(due, SHARED, shares, 0, due.quanta - sum(shares.values()), cells, lines)


def _enter(
    due: Due,
    column: int,
    shares: dict[str, int],
    idle: int,
    unattributed: int,
    cells: Sums,
    lines: Lines,
) -> None:
    for t, share in shares.items():
        cells[t, due.resource][CREDITED if due.credit else column] += share
    was = lines.get(due.resource, (0, 0, 0))
    bill = sum(shares.values()) + idle + unattributed
    lines[due.resource] = (was[0] + bill, was[1] + idle, was[2] + unattributed)


def _policy(
    name: str,
    amount: int,
    direct: dict[str, int],
    mine: Sequence[Hour],
    world: World,
) -> dict[str, int]:
    """What one pot left over is shared out to."""
    policy = next((p for p in world.settings.policies if p.name == name), Policy(name, name))
    paid = {t: abs(share) for t, share in direct.items()}
    if policy.how == "proportional":
        return hand_out(amount, paid)
    if policy.how == "capped":
        most = int(abs(sum(paid.values())) * Fraction(policy.cap_percent) / 100)
        return hand_out(max(-most, min(most, amount)), paid)
    if policy.how == "weighted":
        weight = {part.plan: Fraction(part.weight) for part in policy.parts}
        return hand_out(
            amount,
            {t: int(a * weight.get(world.plans.get(t, ""), 1) * 10**6) for t, a in paid.items()},
        )
    if policy.how == "by_driver":
        used: dict[str, int] = defaultdict(int)
        for h in mine:
            used[h.tenant] += (h.busy_us if policy.driver == "busy" else h.count) or 0
        return hand_out(amount, {t: u for t, u in used.items() if u})
    if policy.how == "fixed":
        parts = {p.tenant: int(p.weight) for p in policy.parts if world.seconds.get(p.tenant)}
        given = hand_out(amount, {**parts, IDLE: 100 - sum(parts.values())})
        given.pop(IDLE)
        return given
    if policy.how == "even":
        return hand_out(amount, dict(world.here))
    return {}


def _counts(hours: Sequence[Hour], resource: str) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for h in hours:
        if h.resource == resource and h.count:
            found[h.tenant] += h.count
    return dict(found)


def _weights(
    hours: Sequence[Hour],
    resource: str,
    capacity: float | None,
    kind: str,
    promised: Mapping[tuple[int, str], int],
) -> dict[str, int]:
    by_hour: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for h in hours:
        if h.resource == resource:
            by_hour[h.at][h.tenant] += h.busy_us or 0
    if kind == "capacity":
        for (at, t), room in promised.items():
            by_hour[at][t] = max(room, by_hour[at][t])
    weights: dict[str, int] = defaultdict(int)
    for used in by_hour.values():
        whole = sum(used.values())
        room = int(capacity * HOUR_US) if capacity and kind == "capacity" else whole
        for t, busy in used.items():
            weights[t] += busy * room // whole if whole > room else busy
    return weights
