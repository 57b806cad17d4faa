"""OTLP metrics, protobuf and JSON, in one form: `Point`s under the names Prometheus would use.

`http.server.request.duration` in `s` becomes `http_server_request_duration_seconds`; a monotonic
sum gets `_total`. A histogram becomes its cumulative `_bucket`, `_sum` and `_count`, so that the
same catalog and the same counter rules hold for every door.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from collector.admission import STALE_BITS, check_labels
from collector.config import LimitSettings
from collector.decode.exponential import bounds_in, folded
from collector.decode.protobuf import MOST_BAD
from collector.model import MeterKind, Rejected, Rejection
from collector.oddities import ODD_BOUNDS
from collector.readings import Readings, Refused
from collector.series import Labels, Origin, SeriesBook, short_key
from collector.tenancy import Claim

_UNFIT = re.compile(r"[^a-zA-Z0-9_]")
_UNITS = {
    "s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds",
    "min": "minutes", "h": "hours", "d": "days",
    "By": "bytes", "KBy": "kilobytes", "MBy": "megabytes", "KiBy": "kibibytes", "MiBy": "mebibytes",
}  # fmt: skip
_STALE = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])
MAX_BUCKETS = 1024
MAX_SAMPLES = 200_000


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's head. `kind` None: a temporality we cannot add up (see `kind_of`)."""

    name: str
    unit: str
    kind: MeterKind | None
    monotonic: bool = True


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential buckets: `counts[i]` observations in (base^(offset+i), base^(offset+i+1)].

    base = 2^(2^-scale); `zero` were next to 0, `below` under it.
    """

    scale: int
    zero: int
    offset: int
    counts: tuple[int, ...]
    below: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One data point: a number (`value`), a histogram, or a summary (neither).

    A histogram has disjoint `counts` (one more than `bounds`), or `exponential` ones.
    """

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
    exponential: Exponential | None = None


def prometheus_name(metric: Metric) -> str:
    """The name the OpenTelemetry to Prometheus translation gives."""
    name = _UNFIT.sub("_", metric.name)
    unit = _UNITS.get(metric.unit, "")
    total = metric.kind is not MeterKind.GAUGE and metric.monotonic
    base = name.removesuffix("_total")
    if unit and not base.endswith(unit):
        base = f"{base}_{unit}"
    return base + "_total" if total else base


def kind_of(temporality: int, *, level: bool, monotonic: bool) -> MeterKind | None:
    """How points add up; None: they cannot. `level`: the metric is a gauge.

    A sum that also falls is read as a level, which only its cumulative form is.
    """
    if level:
        return MeterKind.GAUGE
    if monotonic:
        return {1: MeterKind.DELTA, 2: MeterKind.CUMULATIVE}.get(temporality)
    return MeterKind.GAUGE if temporality == 2 else None


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
    sink = Sink(book, claim, keep, limits, now_s)
    for point in points:
        sink.take(point)
    return sink.readings()


class Sink:
    """Takes points one by one, and says what came of them."""

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

    def take(self, point: Point) -> list[int]:
        """Take a point, or count it as refused; the slots of its samples. A histogram becomes
        several: a bucket each, the count, the sum."""
        before = len(self._slots)
        try:
            self._add(point)
        except Rejected as rejected:
            self._refuse(rejected)
        return self._slots[before:]

    def _add(self, point: Point) -> None:
        if point.metric.kind is None:
            raise _invalid("temporality must be cumulative (2) or, for what only rises, delta (1)")
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
        name = prometheus_name(replace(point.metric, monotonic=False))
        if (point.counts or point.exponential) and not point.stale:
            self._buckets(point, name, labels)
        self._sample(point, f"{name}_count", labels, point.count)
        if point.total is not None:
            self._sample(point, f"{name}_sum", labels, point.total)

    def _buckets(self, point: Point, name: str, labels: dict[str, str]) -> None:
        """Cumulative buckets; exponential ones at the default bounds."""
        _check_buckets(point)
        counts: Sequence[float] = point.counts
        bounds: Sequence[float] = point.bounds
        if (one := point.exponential) is not None:
            unit = self._slot(point, f"{name}_sum", labels)
            bounds = bounds_in(float(self._book.columns.scale[unit]))
            ends = enumerate(one.counts, one.offset + 1)
            counts = folded(one.scale, ends, one.zero, bounds=bounds)
        elif misfit(point.metric, bounds):
            self._book.oddities.note(ODD_BOUNDS, name, _told_misfit(bounds), now_s=self._now_s)
            return
        uppers = [*(repr(float(bound)) for bound in bounds), "+Inf"]
        for le, below in zip(uppers, itertools.accumulate(counts), strict=True):
            self._sample(point, f"{name}_bucket", {**labels, "le": le}, below)

    def _sample(self, point: Point, name: str, labels: Labels, value: float) -> None:
        self._slots.append(self._slot(point, name, labels))
        self._ts_ms.append(point.ts_ms)
        self._start_ms.append(point.start_ms)
        self._values.append(_STALE if point.stale else value)

    def _slot(self, point: Point, name: str, labels: Labels) -> int:
        kind = point.metric.kind
        origin = self._origins[kind if kind is MeterKind.DELTA else MeterKind.CUMULATIVE]
        raw = b"%b\xff%b\xff%b" % (self._base, name.encode(), labels.get("le", "").encode())
        slot = self._book.table(origin).get(raw)
        if slot is None:
            every = {**labels, "__name__": name}
            slot = self._book.learn(origin, raw, every, now_s=self._now_s)
        return slot

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

    def _refuse(self, why: Rejected) -> None:
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


def _check_buckets(point: Point) -> None:
    """Raises Rejected when the buckets do not fit their bounds or their count."""
    one = point.exponential
    counts = point.counts if one is None else (one.zero, one.below, *one.counts)
    if one is None and len(counts) != len(point.bounds) + 1:
        raise _invalid(f"{len(counts)} bucket counts for {len(point.bounds)} bounds")
    if len(counts) > MAX_BUCKETS + 2:
        raise _invalid(f"more than {MAX_BUCKETS} buckets")
    if sum(counts) != point.count:
        raise _invalid(f"bucket counts add up to {sum(counts)}, count says {point.count}")
    if one is None:
        return
    if one.below:
        detail = f"data point: {one.below} observations below zero: no duration is"
        raise Rejected(Rejection.NEGATIVE, detail)
    if not -20 <= one.scale <= 20:
        raise _invalid(f"scale {one.scale} is out of range, use -20 to 20")


def misfit(metric: Metric, bounds: Sequence[float]) -> bool:
    """Whether bounds made for milliseconds stand at a metric in seconds.

    The JavaScript SDK's default bounds (5, 10, 25 ... 10000) are used whatever the unit: every
    request of less than 5 s then lies in the first bucket, and quantiles mean nothing.
    """
    rising = [bound for bound in bounds if bound > 0]
    return metric.unit == "s" and len(rising) > 2 and rising[0] >= 1 and rising[-1] >= 1000


def _told_misfit(bounds: Sequence[float]) -> str:
    shown = ", ".join(f"{bound:g}" for bound in bounds[:4])
    return (
        f"unit s with bounds {shown} ... {bounds[-1]:g}, which suit milliseconds: the buckets are "
        "left out (count and sum are kept); give the histogram bounds in seconds"
    )


def _key(labels: Labels) -> bytes:
    text = "\xff".join(f"{k}\xfe{v}" for k, v in sorted(labels.items()))
    return short_key(text.encode("utf-8", "surrogatepass"))


def _invalid(detail: str) -> Rejected:
    return Rejected(Rejection.INVALID_FIELD, f"data point: {detail}")
