"""Every meter Partywall understands, named once: name, unit, kind, column, help.

`Catalog.feeds` answers which usage columns a metric feeds: none (we do not know it), one, or two
(the count of failed requests feeds `count` and `errors`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from collector.config import MeterRule
from collector.model import Column, Family, MeterKind


@dataclass(frozen=True, slots=True)
class Meter:
    """One metric as platforms send it. `errors`: a series with such a label counts as failures.

    `parts` says what a histogram's suffixes feed, where not the usual three. Only series whose
    labels match `labels` are meant. `spare`: its count steps back behind any other count.
    """

    name: str
    unit: str
    kind: MeterKind
    column: Column
    help: str
    family: Family | None = None
    histogram: bool = False
    resource: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Column] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    spare: bool = False


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
        "Time the caller felt (histogram): what victims are judged by.",
        histogram=True,
        spare=True,
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
    Meter(
        "messaging_client_operation_duration_seconds",
        "seconds",
        MeterKind.CUMULATIVE,
        Column.LATENCY_BUCKET,
        "Convention messaging.client.operation.duration (in development), but not of receiving, "
        "which waits for messages: time felt by whoever sends. Its count steps back behind others.",
        family=Family.QUEUE,
        histogram=True,
        errors={"error_type": ".+"},
        labels={"messaging_operation_type": "|create|send|publish|settle"},
        spare=True,
    ),
    Meter(
        "messaging_process_duration_seconds",
        "seconds",
        MeterKind.CUMULATIVE,
        Column.BUSY,
        "Convention messaging.process.duration (in development): its sum is the time consumers "
        "worked, its count the messages finished.",
        family=Family.QUEUE,
        histogram=True,
        errors={"error_type": ".+"},
        parts={"_sum": Column.BUSY, "_count": Column.COUNT},
    ),
    Meter(
        "messaging_client_sent_messages_total",
        "messages",
        MeterKind.CUMULATIVE,
        Column.ARRIVED,
        "Convention messaging.client.sent.messages (in development): messages enqueued.",
        family=Family.QUEUE,
    ),
    Meter(
        "messaging_client_consumed_messages_total",
        "messages",
        MeterKind.CUMULATIVE,
        Column.VOLUME,
        "Convention messaging.client.consumed.messages (in development): messages handed out.",
        family=Family.QUEUE,
    ),
)

METERS = OWN_METERS + FOREIGN_METERS


@dataclass(frozen=True, slots=True)
class Feed:
    """A usage column a series feeds. `family` None: the series or its resource says it.

    `rule` is the name of what took the series: a built-in meter, or a rule of the configuration.
    """

    column: Column
    kind: MeterKind
    family: Family | None = None
    resource: str = ""
    scale: float = 1.0
    spare: bool = False  # a histogram's count that steps back behind any other count
    rule: str = ""


@dataclass(frozen=True, slots=True)
class _Rule:
    feed: Feed
    labels: tuple[tuple[str, re.Pattern[str]], ...] = ()
    errors: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def means(self, labels: Mapping[str, str]) -> bool:
        """Whether it is meant for a series of these labels; an absent label is an empty one."""
        return all(pattern.fullmatch(labels.get(label, "")) for label, pattern in self.labels)


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
        for number, rule in enumerate(rules):
            self._add_rule(rule, f"meter[{number}] {rule.name}")
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
        return (feed, replace(feed, column=Column.ERRORS, spare=False))

    def knows(self, name: str) -> bool:
        """Whether a series of this name may feed anything; cheap, before labels are read."""
        return name in self._exact or any(p.fullmatch(name) for p, _ in self._patterns)

    def _find(self, name: str, labels: Mapping[str, str]) -> _Rule | None:
        for pattern, rule in self._patterns:
            if pattern.fullmatch(name) and rule.means(labels):
                return rule
        built_in = self._exact.get(name)
        return built_in if built_in and built_in.means(labels) else None

    def _add_rule(self, rule: MeterRule, named: str) -> None:
        gauge = rule.column is Column.WAITING
        kind = rule.kind or (MeterKind.GAUGE if gauge else MeterKind.CUMULATIVE)
        for suffix, column in _PARTS.items() if rule.histogram else [("", rule.column)]:
            scale = 1.0 if suffix == "_count" else rule.scale
            feed = Feed(column, kind, rule.family, rule.resource, scale, rule=named)
            pattern = re.compile(f"(?:{rule.name}){suffix}")
            self._patterns.append(
                (pattern, _Rule(feed, _expressions(rule.labels), _expressions(rule.errors)))
            )

    def _add_meter(self, meter: Meter) -> None:
        parts = meter.parts or _PARTS
        for suffix, column in parts.items() if meter.histogram else [("", meter.column)]:
            spare = meter.spare and suffix == "_count"
            named = f"built-in {meter.name}"
            feed = Feed(column, meter.kind, meter.family, meter.resource, spare=spare, rule=named)
            rule = _Rule(feed, _expressions(meter.labels), _expressions(meter.errors))
            self._exact[meter.name + suffix] = rule


def _expressions(labels: Mapping[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((label, re.compile(expression)) for label, expression in labels.items())
