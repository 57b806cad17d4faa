"""OTLP/JSON → `Point`s: lowerCamelCase, integer enums, 64-bit numbers as text or number."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from collector.decode.otlp import MAX_BUCKETS, Exponential, Metric, Point, kind_of
from collector.decode.protobuf import malformed
from collector.model import Rejected, Rejection

_NO_VALUE = 1
MAX_OBJECTS = 150_000
MAX_ITEMS = 1_000_000


class _Struct(msgspec.Struct, rename="camel"):
    pass


class _Any(_Struct):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None


class _Pair(_Struct):
    key: str = ""
    value: _Any = msgspec.field(default_factory=_Any)


class _Side(_Struct):
    offset: int = 0
    bucket_counts: list[int | str] = []


class _DataPoint(_Struct):
    attributes: list[_Pair] = []
    start_time_unix_nano: int | str = 0
    time_unix_nano: int | str = 0
    as_double: float | str | None = None
    as_int: int | str | None = None
    count: int | str = 0
    sum: float | str | None = None
    bucket_counts: list[int | str] = []
    explicit_bounds: list[float] = []
    scale: int = 0
    zero_count: int | str = 0
    positive: _Side | None = None
    negative: _Side | None = None
    flags: int = 0


class _Data(_Struct):
    data_points: list[_DataPoint] = []
    aggregation_temporality: int = 0
    is_monotonic: bool = False


class _Metric(_Struct):
    name: str = ""
    unit: str = ""
    gauge: _Data | None = None
    sum: _Data | None = None
    histogram: _Data | None = None
    exponential_histogram: _Data | None = None
    summary: _Data | None = None


class _Scope(_Struct):
    metrics: list[_Metric] = []


class _Resource(_Struct):
    attributes: list[_Pair] = []


class _ResourceMetrics(_Struct):
    resource: _Resource = msgspec.field(default_factory=_Resource)
    scope_metrics: list[_Scope] = []


class _Request(_Struct):
    resource_metrics: list[_ResourceMetrics] = []


_decoder = msgspec.json.Decoder(_Request)


def points(data: bytes) -> Iterator[Point]:
    """All data points of a request. Raises Rejected(MALFORMED)."""
    if data.count(b"{") > MAX_OBJECTS:
        raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {MAX_OBJECTS} objects: split it")
    if data.count(b",") > MAX_ITEMS:
        raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {MAX_ITEMS} items: split it")
    try:
        request = _decoder.decode(data)
        for one in request.resource_metrics:
            resource = _attributes(one.resource.attributes)
            for scope in one.scope_metrics:
                for metric in scope.metrics:
                    yield from _metric(metric, resource)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise malformed(f"otlp json: {error}") from error


def _metric(metric: _Metric, resource: dict[str, str]) -> Iterator[Point]:
    kinds = (
        metric.gauge, metric.sum, metric.histogram, metric.exponential_histogram, metric.summary
    )  # fmt: skip
    for data in kinds:
        if data is None:
            continue
        monotonic = data is not metric.sum or data.is_monotonic
        temporality = 2 if data is metric.summary else data.aggregation_temporality
        kind = kind_of(temporality, level=data is metric.gauge, monotonic=monotonic)
        head = Metric(metric.name, metric.unit, kind, monotonic=monotonic)
        number = data is metric.gauge or data is metric.sum
        for one in data.data_points:
            exploded = data is metric.exponential_histogram
            yield (
                _number(head, resource, one)
                if number
                else _histogram(head, resource, one, exploded=exploded)
            )


def _number(head: Metric, resource: dict[str, str], one: _DataPoint) -> Point:
    value = one.as_double if one.as_double is not None else one.as_int
    return Point(
        head,
        resource,
        _attributes(one.attributes),
        _ms(one.time_unix_nano),
        _ms(one.start_time_unix_nano),
        value=float(value or 0),
        stale=bool(one.flags & _NO_VALUE),
    )


def _histogram(head: Metric, resource: dict[str, str], one: _DataPoint, *, exploded: bool) -> Point:
    counts = tuple(int(count) for count in one.bucket_counts)
    bounds = tuple(one.explicit_bounds)
    return Point(
        head,
        resource,
        _attributes(one.attributes),
        _ms(one.time_unix_nano),
        _ms(one.start_time_unix_nano),
        counts=counts,
        bounds=bounds,
        count=int(one.count),
        total=None if one.sum is None else float(one.sum),
        stale=bool(one.flags & _NO_VALUE),
        exponential=_exponential(one) if exploded else None,
    )


def _exponential(one: _DataPoint) -> Exponential:
    above, below = one.positive or _Side(), one.negative or _Side()
    if max(len(above.bucket_counts), len(below.bucket_counts)) > MAX_BUCKETS:
        raise malformed(f"otlp json: more than {MAX_BUCKETS} exponential buckets")
    filled = tuple(int(count) for count in above.bucket_counts)
    under = sum(int(count) for count in below.bucket_counts)
    return Exponential(one.scale, int(one.zero_count), above.offset, filled, under)


def _attributes(pairs: list[_Pair]) -> dict[str, str]:
    return {pair.key: _text(pair.value) for pair in pairs}


def _text(value: _Any) -> str:
    if value.string_value is not None:
        return value.string_value
    if value.bool_value is not None:
        return "true" if value.bool_value else "false"
    if value.int_value is not None:
        return str(int(value.int_value))
    return "" if value.double_value is None else repr(float(value.double_value))


def _ms(nanos: int | str) -> int:
    ms = int(nanos) // 1_000_000
    if not 0 <= ms < 2**62:
        raise ValueError(f"time {ms} ms is out of range")
    return ms
