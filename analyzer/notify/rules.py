"""The rules of routing as they are kept: those of the configuration file and those of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from analyzer.notify.clock import aware, stored
from analyzer.notify.event import uuid7
from analyzer.routing.rules import (
    EXPLAINED,
    Inhibition,
    Maintenance,
    Policy,
    Route,
    RoutingSettings,
    Silence,
)
from analyzer.store.codec import dump, load
from analyzer.store.database import Store
from analyzer.store.reader import Reader, Transaction
from collector.model import Rejected, Rejection

Rule = Route | Inhibition | Silence | Maintenance
R = TypeVar("R", Route, Inhibition, Silence, Maintenance)


class RuleKind(StrEnum):
    """What a row of `rules` holds. `default` is the route of `[routing]`."""

    DEFAULT = "default"
    ROUTE = "route"
    INHIBITION = "inhibition"
    SILENCE = "silence"
    MAINTENANCE = "maintenance"


_TYPES: dict[RuleKind, type[Rule]] = {
    RuleKind.DEFAULT: Route,
    RuleKind.ROUTE: Route,
    RuleKind.INHIBITION: Inhibition,
    RuleKind.SILENCE: Silence,
    RuleKind.MAINTENANCE: Maintenance,
}
_PREFIX = {
    RuleKind.DEFAULT: "rt",
    RuleKind.ROUTE: "rt",
    RuleKind.INHIBITION: "inh",
    RuleKind.SILENCE: "sil",
    RuleKind.MAINTENANCE: "mw",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A rule as it is kept. `source` is `config` or `api`."""

    id: str
    kind: RuleKind
    place: int
    source: str
    created_at: datetime
    rule: Rule


@dataclass(frozen=True, slots=True)
class ConfiguredRules:
    """What the configuration file says."""

    routing: RoutingSettings = RoutingSettings()
    routes: tuple[Route, ...] = ()
    inhibits: tuple[Inhibition, ...] = ()
    maintenances: tuple[Maintenance, ...] = ()

    def problems(self) -> list[str]:
        """Everything wrong with them, as `key: what, remedy`."""
        found = self.routing.problems()
        rules: tuple[Route | Inhibition | Maintenance, ...]
        rules = (*self.routes, *self.inhibits, *self.maintenances)
        found += [problem for each in rules for problem in each.problems()]
        names = [each.name for each in self.routes]
        return found + [
            f"route.name: {name!r} is used twice, rename one"
            for name in sorted({name for name in names if names.count(name) > 1})
        ]


def sync_rules(store: Store, wanted: ConfiguredRules, now: datetime) -> None:
    """Make the rules of the configuration file so; those of the API stay. Twice-safe."""
    explained = (EXPLAINED,) if wanted.routing.default_inhibition else ()
    with store.transaction() as tx:
        tx.execute("routing_rules_forget")
        for place, rule in enumerate(
            (*wanted.routes, *explained, *wanted.inhibits, *wanted.maintenances)
        ):
            _insert(tx, _kind(rule), rule, place=place, source="config", now=now)
        default = wanted.routing.route
        _insert(tx, RuleKind.DEFAULT, default, place=0, source="config", now=now)


def policy(reader: Reader) -> Policy:
    """All rules that hold. Routes of the API are asked before those of the file."""
    found = written(reader)
    routes = sorted(of(found, Route), key=lambda each: (each.source == "config", each.place))
    default = next((e.rule for e in found if e.kind is RuleKind.DEFAULT), Route("default"))
    inhibitions = tuple(e.rule for e in found if isinstance(e.rule, Inhibition))
    configured = any(e.kind is RuleKind.DEFAULT for e in found)
    return Policy(
        default=default if isinstance(default, Route) else Route("default"),
        routes=tuple(e.rule for e in routes if isinstance(e.rule, Route)),
        inhibitions=inhibitions if configured else (EXPLAINED, *inhibitions),
        silences=tuple(e.rule for e in found if isinstance(e.rule, Silence)),
        maintenances=tuple(e.rule for e in found if isinstance(e.rule, Maintenance)),
    )


def written(reader: Reader, kind: RuleKind | None = None) -> list[Written]:
    """All rules, or those of a kind, in their order."""
    return [_written(record) for record in reader.records("routing_rules", kind=kind)]


def of(rules: Sequence[Written], kind: type[Rule]) -> list[Written]:
    """Those of a type, the default route left out."""
    return [e for e in rules if isinstance(e.rule, kind) and e.kind is not RuleKind.DEFAULT]


def add_rule(store: Store, rule: Rule, *, now: datetime) -> Written:
    """Write it down. Raises INVALID_FIELD with everything wrong with it; a silence gets its id."""
    kind = _kind(rule)
    made = f"{_PREFIX[kind]}_{uuid7(now)}"
    if isinstance(rule, Silence):
        rule = replace(rule, id=made)
    if problems := rule.problems():
        field = problems[0].split(":", 1)[0].rsplit(".", 1)[-1]
        raise Rejected(Rejection.INVALID_FIELD, "; ".join(problems), field=field)
    with store.transaction() as tx:
        _refuse_twice(tx, rule)
        place = max((each.place for each in written(tx, kind)), default=-1) + 1
        _insert(tx, kind, rule, place=place, source="api", now=now, made=made)
    return Written(made, kind, place, "api", now, rule)


def need_rule(reader: Reader, rule_id: str, kind: type[R]) -> tuple[Written, R]:
    """Raises NOT_FOUND."""
    records = reader.records("routing_rule", id=rule_id)
    found = _written(records[0]) if records else None
    if found is None or not isinstance(found.rule, kind) or found.kind is RuleKind.DEFAULT:
        raise Rejected(Rejection.NOT_FOUND, f"there is no {_name(kind)} {rule_id}", field="id")
    return found, found.rule


def remove_rule(store: Store, rule_id: str, kind: type[R]) -> None:
    """Raises NOT_FOUND, or CONFLICT for a rule of the configuration file."""
    with store.transaction() as tx:
        found, _ = need_rule(tx, rule_id, kind)
        if found.source == "config":
            raise Rejected(
                Rejection.CONFLICT,
                f"{_name(kind)} {rule_id} stands in the configuration file, change it there",
                field="id",
            )
        tx.execute("routing_rule_delete", id=rule_id)


def expire_silence(store: Store, silence_id: str, *, now: datetime) -> Written:
    """End it now; it stays in the list. Raises NOT_FOUND, or CONFLICT when it is over."""
    with store.transaction() as tx:
        found, silence = need_rule(tx, silence_id, Silence)
        if silence.ends_at <= now:
            raise Rejected(Rejection.CONFLICT, f"silence {silence_id} is over", field="id")
        over = replace(silence, starts_at=min(silence.starts_at, now), ends_at=now)
        tx.execute("routing_rule_delete", id=silence_id)
        _insert(
            tx, found.kind, over, place=found.place, source=found.source, now=found.created_at,
            made=silence_id,
        )  # fmt: skip
    return replace(found, rule=over)


def forget_rules(tx: Transaction, *, before: datetime) -> None:
    """Remove silences and single windows of the API that ended before then."""
    for each in written(tx):
        end = getattr(each.rule, "ends_at", None)
        if each.source == "api" and end is not None and end < before:
            tx.execute("routing_rule_delete", id=each.id)


def _refuse_twice(reader: Reader, rule: Rule) -> None:
    if isinstance(rule, Route):
        names = {e.rule.name for e in written(reader, RuleKind.ROUTE) if isinstance(e.rule, Route)}
        if rule.name in names or rule.name == "default":
            raise Rejected(
                Rejection.CONFLICT, f"a route {rule.name!r} exists, choose another", field="name"
            )


def _insert(
    tx: Transaction, kind: RuleKind, rule: Rule, *, place: int, source: str, now: datetime,
    made: str = "",
) -> None:  # fmt: skip
    tx.execute(
        "routing_rule_insert",
        id=made or f"{_PREFIX[kind]}_{uuid7(now)}",
        kind=kind.value,
        place=place,
        source=source,
        now=stored(now),
        body=dump(rule),
    )


def _written(record: dict[str, Any]) -> Written:
    kind = RuleKind(record["kind"])
    rule = load(record["body"], _TYPES[kind])
    return Written(
        record["id"], kind, record["place"], record["source"], aware(record["created_at"]), rule
    )


def _kind(rule: Rule) -> RuleKind:
    if isinstance(rule, Route):
        return RuleKind.ROUTE
    if isinstance(rule, Inhibition):
        return RuleKind.INHIBITION
    return RuleKind.SILENCE if isinstance(rule, Silence) else RuleKind.MAINTENANCE


def _name(kind: type[Rule]) -> str:
    return "maintenance window" if kind is Maintenance else kind.__name__.lower()
