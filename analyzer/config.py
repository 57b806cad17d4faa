"""Settings of the analyzer, gathered: each room owns its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzer.cost.bills.rules import BillRule
from analyzer.cost.settings import CostSettings, Plan
from analyzer.decisions.decide import DecisionPolicy
from analyzer.density.breakeven import BreakevenSettings
from analyzer.density.dimensions import MEASURED
from analyzer.detect.days import SlowSettings
from analyzer.detect.settings import DetectSettings
from analyzer.incidents.flags import FlagPolicy
from analyzer.incidents.labels import TuningSettings
from analyzer.journal.budgets import Budget
from analyzer.journal.budgets import problems as budget_problems
from analyzer.model import Isolation
from analyzer.notify.rules import ConfiguredRules
from analyzer.notify.settings import EndpointSettings, NotifySettings
from analyzer.reports.delivery.settings import DeliverySettings, delivery_problems
from analyzer.routing.rules import Inhibition, Maintenance, Route, RoutingSettings
from analyzer.store.seal import Seal
from analyzer.upkeep.compaction import CompactionSettings
from analyzer.upkeep.shorter import KeepSettings
from analyzer.usage.rollup import RetentionSettings
from analyzer.usage.windows import WindowSettings
from collector.config import Token, is_loopback
from collector.model import ResourceKind


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """A `[[resource]]`: `capacity` in busy seconds per second (cores, workers), 0 if unknown.

    Further limits, 0 if there is none: `in_flight` operations at once (connections),
    `operations_per_s` and `volume_per_s` (rows, bytes or messages, as it is reported), and
    `storage_bytes` held, by itself or by the `storage:…` resources whose `parent` it is.
    """

    id: str
    kind: ResourceKind = ResourceKind.DATABASE
    capacity: float = 0.0
    parent: str = ""
    in_flight: float = 0.0
    operations_per_s: float = 0.0
    volume_per_s: float = 0.0
    storage_bytes: float = 0.0

    @property
    def limits(self) -> dict[str, float]:
        """By the name of the dimension."""
        most = (self.in_flight, self.operations_per_s, self.volume_per_s, self.storage_bytes)
        return {name: limit for name, limit in zip(MEASURED, most, strict=True) if limit > 0}


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """A `[[tenant]]`: what usage alone cannot tell. `slo_ms` 0: none agreed."""

    id: str
    name: str = ""
    plan: str = ""
    isolation: Isolation = Isolation.SHARED
    resources: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    slo_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class AnalyzerSettings:
    """`[analyzer]` and the sections of its rooms. `cycle_s`: seconds between two cycles.

    `memory_limit` is the most DuckDB keeps in memory: what it read of the file stays until there.

    `secrets_key` seals stored secrets (`env:NAME` or `file:PATH`, several with blanks between);
    empty: a key is made in `secrets.key` of the data directory.
    """

    listen: str = "127.0.0.1:8602"
    data: Path = Path("data")
    cycle_s: float = 5.0
    memory_limit: str = "2GB"
    secrets_key: str = field(default="", repr=False)
    tokens: tuple[Token, ...] = ()
    resources: tuple[ResourceSettings, ...] = ()
    tenants: tuple[TenantSettings, ...] = ()
    plans: tuple[Plan, ...] = ()
    budgets: tuple[Budget, ...] = ()
    bill_rules: tuple[BillRule, ...] = ()
    endpoints: tuple[EndpointSettings, ...] = ()
    routes: tuple[Route, ...] = ()
    inhibits: tuple[Inhibition, ...] = ()
    maintenances: tuple[Maintenance, ...] = ()
    retention: RetentionSettings = RetentionSettings()
    compaction: CompactionSettings = CompactionSettings()
    keeps: tuple[KeepSettings, ...] = ()
    detect: DetectSettings = DetectSettings()
    slow: SlowSettings = SlowSettings()
    windows: WindowSettings = WindowSettings()
    flags: FlagPolicy = FlagPolicy()
    tuning: TuningSettings = TuningSettings()
    decisions: DecisionPolicy = DecisionPolicy()
    notify: NotifySettings = NotifySettings()
    routing: RoutingSettings = RoutingSettings()
    cost: CostSettings = CostSettings()
    breakeven: BreakevenSettings = BreakevenSettings()
    deliveries: tuple[DeliverySettings, ...] = ()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`. Raises ValueError when it is not `host:port`."""
        host, _, port = self.listen.rpartition(":")
        if not host or not 0 <= int(port) <= 65_535:
            raise ValueError(self.listen)
        return host.strip("[]"), int(port)

    @property
    def database(self) -> Path:
        return self.data / "partywall.duckdb"

    @property
    def spool_directory(self) -> Path:
        return self.data / "spool"

    @property
    def drained_directory(self) -> Path | None:
        """Where drained segments wait until a saved state covers them; None: nowhere."""
        return self.spool_directory / "drained" if self.compaction.state_h else None

    @property
    def report_directory(self) -> Path:
        return self.data / "reports"

    def sending(self) -> NotifySettings:
        """`[notify]` with the `[[endpoint]]` tables in it."""
        return replace(self.notify, endpoints=self.notify.endpoints + self.endpoints)

    def rules(self) -> ConfiguredRules:
        """Who is told of what: `[routing]`, `[[route]]`, `[[inhibit]]`, `[[maintenance]]`."""
        return ConfiguredRules(self.routing, self.routes, self.inhibits, self.maintenances)

    def money(self) -> CostSettings:
        """`[cost]` with the `[[plan]]` and `[[bill_rule]]` tables in it."""
        return replace(
            self.cost,
            plans=self.cost.plans + self.plans,
            bill_rules=self.cost.bill_rules + self.bill_rules,
        )

    def problems(self) -> list[str]:
        """Everything wrong with these settings, as "key: what, remedy"."""
        found = [*self._own_problems(), *_resource_problems(self.resources)]
        for room in (
            self.retention,
            self.compaction,
            self.detect,
            self.slow,
            self.windows,
            self.flags,
            self.tuning,
            self.decisions,
            self.breakeven,
        ):
            found += room.problems()
        for place, keep in enumerate(self.keeps):
            found += keep.problems(f"keep[{place}]")
        found += self.rules().problems()
        found += budget_problems(self.budgets)
        found += delivery_problems(self.deliveries)
        return [*found, *self.sending().problems(), *self.money().problems()]

    def _own_problems(self) -> Iterator[str]:
        try:
            host, _ = self.address
        except ValueError:
            yield f"analyzer.listen: {self.listen!r} is no address, write it as host:port"
            return
        if not self.tokens and not is_loopback(host):
            yield (
                f"analyzer.listen: {host} is not loopback and no token is configured, "
                "add a [[token]] with scope read or admin, or listen on 127.0.0.1"
            )
        try:
            Seal(keys=self.secrets_key.split())
        except ValueError as wrong:
            yield f"analyzer.secrets_key: {wrong}"
        if not 0.5 <= self.cycle_s <= 60:
            yield f"analyzer.cycle_s: {self.cycle_s} is out of range, use 0.5 to 60 seconds"


def _resource_problems(resources: tuple[ResourceSettings, ...]) -> Iterator[str]:
    seen: set[str] = set()
    for index, one in enumerate(resources):
        if not one.id:
            yield f"resource[{index}].id: is empty, name the resource, such as db:shard-1"
        if one.id in seen:
            yield f"resource[{index}].id: {one.id!r} is given twice, keep one"
        for name in ("capacity", "in_flight", "operations_per_s", "volume_per_s", "storage_bytes"):
            if not getattr(one, name) >= 0:
                value = getattr(one, name)
                yield f"resource[{index}].{name}: {value} is negative, leave it out if unknown"
        seen.add(one.id)
