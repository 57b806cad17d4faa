"""OTLP metrics, protobuf and JSON, in one form: `Point`s under the names Prometheus would use.

`http.server.request.duration` in `s` becomes `http_server_request_duration_seconds`; a monotonic
sum gets `_total`. A histogram becomes its cumulative `_bucket`, `_sum` and `_count`, so that the
same catalog and the same counter rules hold for every door.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from collector.admission import STALE_BITS, check_labels
from collector.config import LimitSettings
from collector.decode.protobuf import MOST_BAD
from collector.intake import Readings, Refused
from collector.model import LATENCY_BOUNDS, MeterKind, Rejected, Rejection
from collector.series import Labels, Origin, SeriesBook, short_key
from collector.tenancy import Claim

_UNFIT = re.compile(r"[^a-zA-Z0-9_]")
_UNITS = {"s": "seconds", "ms": "milliseconds", "By": "bytes"}
_STALE = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])
MAX_BUCKETS = 1024
MAX_SAMPLES = 200_000


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's head. `kind` None: a temporality we cannot add up."""

    name: str
    unit: str
    kind: MeterKind | None
    monotonic: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """One data point: a number, or a histogram with disjoint `counts` (one more than `bounds`)."""

    metric: Metric
    resource: Labels
    attributes: Labels
    ts_ms: int
    start_ms: int = 0
    value: float | None = None
    counts: tuple[int, ...] = ()
    bounds: tuple[float, ...] = ()
    count: int = 0
    total: float | None = None
    stale: bool = False


def prometheus_name(metric: Metric) -> str:
    """The name the OpenTelemetry to Prometheus translation gives."""
    name = _UNFIT.sub("_", metric.name)
    unit = _UNITS.get(metric.unit, "")
    total = metric.kind is not MeterKind.GAUGE and metric.monotonic
    base = name.removesuffix("_total")
    if unit and not base.endswith(unit):
        base = f"{base}_{unit}"
    return base + "_total" if total else base


def exponential(
    scale: int, zero_count: int, offset: int, counts: Iterable[int]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Counts in the default bounds; exact for scale >= 1, else within one bucket of the sender's.

    Bucket i of an exponential histogram holds (base^i, base^(i+1)], base = 2^(2^-scale).
    """
    folded = [0] * (len(LATENCY_BOUNDS) + 1)
    folded[0] = zero_count
    for index, count in enumerate(counts, offset):
        if count:
            power = (index + 1) * 2.0**-scale
            upper = 2.0**power if power < 1000 else math.inf
            folded[bisect.bisect_left(LATENCY_BOUNDS, upper * (1 - 1e-9))] += count
    return tuple(folded), LATENCY_BOUNDS


def read(
    points: Iterable[Point],
    book: SeriesBook,
    claim: Claim,
    keep: frozenset[str],
    limits: LimitSettings,
    *,
    now_s: float,
) -> Readings:
    """Points → arrays. `keep` names the resource attributes that become labels.

    All other resource attributes are told apart by one label with their hash.
    """
    sink = _Sink(book, claim, keep, limits, now_s)
    for point in points:
        try:
            sink.add(point)
        except Rejected as rejected:
            sink.refuse(rejected)
    return sink.readings()


class _Sink:
    def __init__(
        self,
        book: SeriesBook,
        claim: Claim,
        keep: frozenset[str],
        limits: LimitSettings,
        now_s: float,
    ) -> None:
        self._book = book
        self._keep = keep
        self._limits = limits
        self._resource: Labels | None = None
        self._resource_labels: dict[str, str] = {}
        self._base = b""
        self._bad = 0
        self._now_s = now_s
        kinds = (MeterKind.CUMULATIVE, MeterKind.DELTA)
        self._origins = {kind: Origin(f"otlp_{kind}", claim, (), kind) for kind in kinds}
        self._slots: list[int] = []
        self._ts_ms: list[int] = []
        self._start_ms: list[int] = []
        self._values: list[float] = []
        self._refused: dict[Rejection, Refused] = {}

    def add(self, point: Point) -> None:
        """Take a point; a histogram becomes several samples."""
        if point.metric.kind is None:
            raise _invalid("temporality must be delta (1) or cumulative (2)")
        if not point.ts_ms:
            raise _invalid("timeUnixNano is missing")
        if len(self._slots) > MAX_SAMPLES:
            raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {MAX_SAMPLES} samples: split it")
        labels = self._labels(point)
        check_labels(labels, self._limits)
        self._base = _key(labels)
        if point.value is not None:
            self._sample(point, prometheus_name(point.metric), labels, point.value)
            return
        if point.counts or point.count:
            self._histogram(point, labels)

    def _histogram(self, point: Point, labels: dict[str, str]) -> None:
        counts, bounds = point.counts, point.bounds
        if len(counts) != (len(bounds) + 1 if counts else 0) or len(counts) > MAX_BUCKETS:
            raise _invalid(f"{len(counts)} bucket counts for {len(bounds)} bounds")
        if counts and sum(counts) != point.count:
            raise _invalid(f"bucket counts add up to {sum(counts)}, count says {point.count}")
        name = prometheus_name(replace(point.metric, monotonic=False))
        uppers = [*(repr(float(bound)) for bound in bounds), "+Inf"]
        for le, below in zip(uppers, itertools.accumulate(counts), strict=False):
            self._sample(point, f"{name}_bucket", {**labels, "le": le}, below)
        self._sample(point, f"{name}_count", labels, point.count)
        if point.total is not None:
            self._sample(point, f"{name}_sum", labels, point.total)

    def _sample(self, point: Point, name: str, labels: Labels, value: float) -> None:
        kind = point.metric.kind
        origin = self._origins[kind if kind is MeterKind.DELTA else MeterKind.CUMULATIVE]
        raw = b"%b\xff%b\xff%b" % (self._base, name.encode(), labels.get("le", "").encode())
        slot = self._book.table(origin).get(raw)
        if slot is None:
            every = {**labels, "__name__": name}
            slot = self._book.learn(origin, raw, every, now_s=self._now_s)
        self._slots.append(slot)
        self._ts_ms.append(point.ts_ms)
        self._start_ms.append(point.start_ms)
        self._values.append(_STALE if point.stale else value)

    def _labels(self, point: Point) -> dict[str, str]:
        if point.resource is not self._resource:  # shared by its points: read once
            self._resource = point.resource
            self._resource_labels = self._of_resource(point.resource)
        return self._resource_labels | {_UNFIT.sub("_", k): v for k, v in point.attributes.items()}

    def _of_resource(self, resource: Labels) -> dict[str, str]:
        labels = {_UNFIT.sub("_", k): v for k, v in resource.items() if k in self._keep}
        rest = sorted((k, v) for k, v in resource.items() if k not in self._keep)
        if rest:
            digest = hashlib.blake2b(repr(rest).encode("utf-8", "replace"), digest_size=8)
            labels["otel_resource"] = digest.hexdigest()
        return labels

    def refuse(self, why: Rejected) -> None:
        """Count a point that cannot be taken. Raises Rejected when there are too many."""
        self._bad += 1
        if why.reason is Rejection.TOO_MANY_FIELDS:
            raise why
        if self._bad > MOST_BAD:
            raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {MOST_BAD} unreadable points")
        first = self._refused.get(why.reason) or Refused(why.reason, 0, why.detail)
        self._refused[why.reason] = replace(first, count=first.count + 1)

    def readings(self) -> Readings:
        """Everything taken."""
        starts = np.array(self._start_ms, np.int64)
        return Readings(
            np.array(self._slots, np.int64),
            np.array(self._ts_ms, np.int64),
            np.array(self._values, np.float64),
            starts if starts.any() else None,
            tuple(self._refused.values()),
        )


def _key(labels: Labels) -> bytes:
    text = "\xff".join(f"{k}\xfe{v}" for k, v in sorted(labels.items()))
    return short_key(text.encode("utf-8", "surrogatepass"))


def _invalid(detail: str) -> Rejected:
    return Rejected(Rejection.INVALID_FIELD, f"data point: {detail}")
