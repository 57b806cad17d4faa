"""Every meter Partywall understands, named once: name, unit, kind, column, help.

`Catalog.feeds` answers which usage columns a metric feeds: none (we do not know it), one, or two
(the count of failed requests feeds `count` and `errors`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from collector.config import MeterRule
from collector.model import Column, Family, MeterKind


@dataclass(frozen=True, slots=True)
class Meter:
    """One metric as platforms send it. `errors`: a series with such a label counts as failures."""

    name: str
    unit: str
    kind: MeterKind
    column: Column
    help: str
    family: Family | None = None
    histogram: bool = False
    resource: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


def _own(name: str, unit: str, column: Column, text: str) -> Meter:
    gauge = column is Column.WAITING
    kind = MeterKind.GAUGE if gauge else MeterKind.CUMULATIVE
    return Meter(f"partywall_{name}", unit, kind, column, text)


OWN_METERS: tuple[Meter, ...] = (
    _own("arrived_total", "operations", Column.ARRIVED, "Operations begun or enqueued."),
    _own(
        "finished_total",
        "operations",
        Column.COUNT,
        "Operations finished. Where it is sent, the count of our own histogram is not counted.",
    ),
    _own("errors_total", "operations", Column.ERRORS, "Operations that failed."),
    _own(
        "busy_seconds_total",
        "seconds",
        Column.BUSY,
        "Time the resource worked, measured at the server: what aggressors are judged by.",
    ),
    Meter(
        "partywall_latency_seconds",
        "seconds",
        MeterKind.CUMULATIVE,
        Column.LATENCY_BUCKET,
        "Time the caller felt (classic histogram): what victims are judged by.",
        histogram=True,
    ),
    _own("waiting", "operations", Column.WAITING, "Operations in flight or queue depth."),
    _own("wait_seconds_total", "seconds", Column.WAIT, "Time spent waiting for the resource."),
    _own("volume_total", "rows, bytes or messages", Column.VOLUME, "Amount moved."),
    _own("throttled_total", "operations", Column.THROTTLED, "Operations refused by a limit."),
    _own(
        "blocked_seconds_total",
        "seconds",
        Column.BLOCKED,
        "Time its operations waited for locks that other tenants held.",
    ),
    _own(
        "blocking_seconds_total",
        "seconds",
        Column.BLOCKING,
        "Time other tenants' operations waited for locks it held: who hogs locks.",
    ),
)

FOREIGN_METERS: tuple[Meter, ...] = (
    Meter(
        "http_server_request_duration_seconds",
        "seconds",
        MeterKind.CUMULATIVE,
        Column.LATENCY_BUCKET,
        "Stable OpenTelemetry convention http.server.request.duration.",
        family=Family.REQUEST,
        histogram=True,
        errors={"error_type": ".+", "http_response_status_code": "5.."},
    ),
    Meter(
        "db_client_operation_duration_seconds",
        "seconds",
        MeterKind.CUMULATIVE,
        Column.LATENCY_BUCKET,
        "Stable OpenTelemetry convention db.client.operation.duration: time felt by the client.",
        family=Family.QUERY,
        histogram=True,
        errors={"error_type": ".+"},
    ),
)

METERS = OWN_METERS + FOREIGN_METERS


@dataclass(frozen=True, slots=True)
class Feed:
    """A usage column a series feeds. `family` None: the series or its resource says it."""

    column: Column
    kind: MeterKind
    family: Family | None = None
    resource: str = ""
    scale: float = 1.0
    spare: bool = False  # the count of our own histogram: steps back behind any other count


@dataclass(frozen=True, slots=True)
class _Rule:
    feed: Feed
    labels: tuple[tuple[str, re.Pattern[str]], ...] = ()
    errors: tuple[tuple[str, re.Pattern[str]], ...] = ()


_PARTS = {
    "_bucket": Column.LATENCY_BUCKET,
    "_sum": Column.LATENCY_SUM,
    "_count": Column.COUNT,
}


class Catalog:
    """Looks up metrics by name: configured rules first, then the built-in meters."""

    def __init__(self, rules: Iterable[MeterRule] = ()) -> None:
        self._patterns: list[tuple[re.Pattern[str], _Rule]] = []
        self._exact: dict[str, _Rule] = {}
        for rule in rules:
            self._add_rule(rule)
        for meter in METERS:
            self._add_meter(meter)

    def feeds(self, name: str, labels: Mapping[str, str]) -> tuple[Feed, ...]:
        """The columns fed by a series of this name and these labels; () when it is unknown."""
        rule = self._find(name, labels)
        if rule is None:
            return ()
        failed = rule.feed.column is Column.COUNT and any(
            pattern.fullmatch(labels.get(label, "")) for label, pattern in rule.errors
        )
        if not failed:
            return (rule.feed,)
        feed = rule.feed
        errors = Feed(Column.ERRORS, feed.kind, feed.family, feed.resource, feed.scale)
        return (feed, errors)

    def knows(self, name: str) -> bool:
        """Whether a series of this name may feed anything; cheap, before labels are read."""
        return name in self._exact or any(p.fullmatch(name) for p, _ in self._patterns)

    def _find(self, name: str, labels: Mapping[str, str]) -> _Rule | None:
        for pattern, rule in self._patterns:
            if pattern.fullmatch(name) and all(
                expression.fullmatch(labels.get(label, "")) for label, expression in rule.labels
            ):
                return rule
        return self._exact.get(name)

    def _add_rule(self, rule: MeterRule) -> None:
        gauge = rule.column is Column.WAITING
        kind = rule.kind or (MeterKind.GAUGE if gauge else MeterKind.CUMULATIVE)
        for suffix, column in _PARTS.items() if rule.histogram else [("", rule.column)]:
            scale = 1.0 if suffix == "_count" else rule.scale
            feed = Feed(column, kind, rule.family, rule.resource, scale)
            pattern = re.compile(f"(?:{rule.name}){suffix}")
            self._patterns.append(
                (pattern, _Rule(feed, _expressions(rule.labels), _expressions(rule.errors)))
            )

    def _add_meter(self, meter: Meter) -> None:
        for suffix, column in _PARTS.items() if meter.histogram else [("", meter.column)]:
            spare = suffix == "_count" and meter in OWN_METERS
            feed = Feed(column, meter.kind, meter.family, meter.resource, spare=spare)
            self._exact[meter.name + suffix] = _Rule(feed, (), _expressions(meter.errors))


def _expressions(labels: Mapping[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((label, re.compile(expression)) for label, expression in labels.items())
