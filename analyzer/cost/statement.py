"""The weekly statement: one object that every page, file and message shows.

Amounts are whole quanta, 10^-scale of the currency. In JSON they are decimal strings with every
decimal written, so that nothing is rounded on the way and the tables add up as shown.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from analyzer.cost.settings import CostSettings

WARN_BELOW = 0.95
ESTIMATE_BELOW = 0.80


@dataclass(frozen=True, slots=True)
class Part:
    """What one tenant pays for one resource. `used` is what its share was measured by: microseconds
    of the resource, operations or volume (0 in statements that did not keep it). `credit` is its
    share of credits and refunds; `own_idle` the part of `direct` it had reserved and did not use.
    """

    resource: str
    direct: int
    idle: int
    shared: int
    used: int = 0
    credit: int = 0
    own_idle: int = 0

    @property
    def total(self) -> int:
        return self.direct + self.idle + self.shared + self.credit


@dataclass(frozen=True, slots=True)
class Why:
    """The six sum to the change of the cost since the week before as it was first told, exactly.

    `moves`: what placements changed; `policy`: other rules for idle cost; `restatement`: what the
    week before itself became, after it was told.
    """

    price: int
    usage: int
    neighbours: int
    policy: int = 0
    moves: int = 0
    restatement: int = 0


@dataclass(frozen=True, slots=True)
class TenantLine:
    """What one tenant costs and brings in. `before` is its cost of the week before
    (0: it was not there; None: that week is not known), `operations` what it did in the week, of
    the statement's `counted` kind.
    """

    tenant: str
    name: str
    plan: str
    parts: tuple[Part, ...]
    revenue: int | None
    before: int | None = None
    operations: int = 0
    why: Why | None = None

    @property
    def direct(self) -> int:
        return sum([part.direct for part in self.parts])

    @property
    def idle(self) -> int:
        return sum([part.idle for part in self.parts])

    @property
    def shared(self) -> int:
        return sum([part.shared for part in self.parts])

    @property
    def credit(self) -> int:
        return sum([part.credit for part in self.parts])

    @property
    def own_idle(self) -> int:
        """Of `direct`: reserved and not used."""
        return sum([part.own_idle for part in self.parts])

    @property
    def total(self) -> int:
        return sum([p.direct + p.idle + p.shared + p.credit for p in self.parts])

    @property
    def margin(self) -> int | None:
        """Revenue less cost; None for a tenant that pays nothing, or whose plan has no price."""
        return self.revenue - self.total if self.revenue else None

    @property
    def change(self) -> float | None:
        """Against the week before, as a ratio: 0.5 is half more."""
        return self.total / self.before - 1 if self.before else None


@dataclass(frozen=True, slots=True)
class ResourceLine:
    """bill == allocated + idle + unattributed, exactly. `coverage`: part of use with a name.

    `billed` is the part of the bill that a provider's bill says, `estimate` what the price sheet
    said of that part (None: no bill covers the resource, all of it is an estimate by price).
    """

    resource: str
    kind: str
    bill: int
    allocated: int
    idle: int
    unattributed: int
    coverage: float | None
    billed: int = 0
    estimate: int | None = None

    @property
    def adjustment(self) -> int | None:
        """What the provider's bill changed against the price sheet."""
        return None if self.estimate is None else self.billed - self.estimate


@dataclass(frozen=True, slots=True)
class Statement:
    """One week. `measured_hours` of `hours` have usage; `terms` are the prices it was made with;
    `counted` is the kind of operation that unit costs are told of: request, queue, query or cache.
    """

    week: str
    start: datetime
    end: datetime
    hours: int
    measured_hours: int
    status: str
    scale: int
    terms: CostSettings
    tenants: tuple[TenantLine, ...]
    resources: tuple[ResourceLine, ...]
    notes: tuple[str, ...] = field(default=())
    counted: str = ""

    @property
    def bill(self) -> int:
        return sum(line.bill for line in self.resources)

    @property
    def allocated(self) -> int:
        return sum(line.total for line in self.tenants)

    @property
    def idle(self) -> int:
        return sum(line.idle for line in self.resources)

    @property
    def unattributed(self) -> int:
        return sum(line.unattributed for line in self.resources)

    @property
    def reconciled(self) -> float | None:
        """Part of the bill that is known from a provider's bill, not estimated from prices."""
        billed = sum(abs(line.billed) for line in self.resources)
        priced = sum(abs(line.bill - line.billed) for line in self.resources)
        return billed / (billed + priced) if billed + priced else None

    @property
    def coverage(self) -> float | None:
        """Part of the used cost that has a tenant's name."""
        named = sum(abs(line.allocated) for line in self.resources)
        nameless = sum(abs(line.unattributed) for line in self.resources)
        return named / (named + nameless) if named + nameless else None

    def per_thousand(self, quanta: int, operations: int) -> str | None:
        """Cost of 1,000 operations, two decimals finer than the currency; None without any."""
        if operations <= 0:
            return None
        decimals = self.terms.precision + 2
        whole, part = 10 ** max(0, decimals - self.scale), 10 ** max(0, self.scale - decimals)
        over, under = 2 * quanta * 1000 * whole + part * operations, 2 * part * operations
        return money(over // under, decimals)

    def money(self, quanta: int) -> str:
        """An amount with all its decimals: 806400 at scale 4 is 80.6400."""
        return money(quanta, self.scale)


_STATEMENT = TypeAdapter(Statement)


def money(quanta: int, scale: int) -> str:
    """Whole quanta as a decimal string without exponent."""
    if not scale:
        return str(quanta)
    if not quanta:
        return _zero(scale)
    digits = str(abs(quanta)).zfill(scale + 1)
    return f"{'-' if quanta < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


@cache
def _zero(scale: int) -> str:
    """Most columns of most lines."""
    return f"0.{'0' * scale}"


def to_json(statement: Statement) -> str:
    """Canonical: sorted keys, no spaces, amounts as decimal strings, times in RFC 3339."""
    scale = statement.scale
    plain = {
        name: _written(getattr(statement, name), scale, inside=name == "resources")
        for name, _ in _plan(Statement)
        if name != "tenants"
    }
    texts = {name: _text(value) for name, value in plain.items()}
    # Line by line: the plain form of all of them at once is many times their text.
    lines = [_text(_written(line, scale, inside=True)) for line in statement.tenants]
    texts["tenants"] = f"[{','.join(lines)}]"
    return f"{{{','.join([f'{_text(name)}:{texts[name]}' for name in sorted(texts)])}}}"


_text = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), default=lambda value: _plain(value)
).encode


def from_json(text: str) -> Statement:
    """The statement `to_json` wrote. Raises pydantic.ValidationError on another shape."""
    plain = json.loads(text)
    lines, scale = plain.pop("tenants", None), int(plain["scale"])
    try:
        tenants = tuple([_line_read(line) for line in lines])
    except (AttributeError, KeyError, TypeError, ValueError):  # said in pydantic's words
        return _STATEMENT.validate_python(_read({**plain, "tenants": lines}, scale))
    rest = _read({**plain, "tenants": []}, scale)
    return replace(_STATEMENT.validate_python(rest), tenants=tenants)


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


_AMOUNTS = frozenset((
    "direct", "idle", "shared", "revenue", "before", "bill", "allocated", "unattributed",
    "price", "usage", "neighbours", "policy", "moves", "restatement",
    "credit", "own_idle", "billed", "estimate",
))  # fmt: skip


@cache
def _plan(kind: type) -> tuple[tuple[str, bool], ...]:
    """Fields of a part of a statement, and whether each is an amount."""
    return tuple((f.name, f.name in _AMOUNTS) for f in fields(kind))


def _written(value: object, scale: int, *, inside: bool = False) -> object:
    if isinstance(value, Part) and inside:
        return _written_part(value, scale)
    if isinstance(value, list | tuple):
        return [_written(item, scale, inside=inside) for item in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    found: dict[str, object] = {}
    for name, is_amount in _plan(type(value)):
        item = getattr(value, name)
        if inside and is_amount and isinstance(item, int):
            found[name] = money(item, scale)
        elif isinstance(item, int | str | float | None):
            found[name] = item
        else:
            deep = inside or name in ("tenants", "resources")
            found[name] = _written(item, scale, inside=deep)
    return found


def _written_part(part: Part, scale: int) -> dict[str, object]:
    """What `_written` makes of a part; most of a statement are parts."""
    return {
        "credit": money(part.credit, scale),
        "direct": money(part.direct, scale),
        "idle": money(part.idle, scale),
        "own_idle": money(part.own_idle, scale),
        "resource": part.resource,
        "shared": money(part.shared, scale),
        "used": part.used,
    }


def _line_read(line: dict[str, Any]) -> TenantLine:
    """What `_read` makes of a tenant's line. Raises what a wrong shape raises."""
    why = line.get("why")
    mine = _numbers({name: item for name, item in line.items() if name not in ("parts", "why")})
    return TenantLine(
        **mine,
        parts=tuple([Part(**_numbers(part)) for part in line["parts"]]),
        why=None if why is None else Why(**_numbers(why)),
    )


def _numbers(fields_: dict[str, Any]) -> dict[str, Any]:
    """Amounts as quanta: every decimal is written."""
    return {
        name: int(item.replace(".", "")) if name in _AMOUNTS and item is not None else item
        for name, item in fields_.items()
    }


def _read(value: object, scale: int, *, inside: bool = False) -> object:
    if isinstance(value, dict):
        return {
            key: int(item.replace(".", ""))  # every decimal is written
            if inside and key in _AMOUNTS and isinstance(item, str)
            else _read(item, scale, inside=inside or key in ("tenants", "resources"))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_read(item, scale, inside=inside) for item in value]
    return value


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no place in a statement")
