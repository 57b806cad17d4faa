"""OTLP protobuf by the compiled loops: known data points are found by their raw bytes.

Everything above the points is read as ever, and so is every point the loops do not know; what they
know they read without a Python object. Says what `otlp.read` of `otlp_protobuf.points` says.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import numpy.typing as npt

from collector.config import LimitSettings
from collector.decode import otlp, otlp_protobuf
from collector.decode.compression import Plain
from collector.decode.otlp import MAX_SAMPLES, Metric, Sink
from collector.decode.otlp_protobuf import GAUGE, HISTOGRAM, MAX_ENTRIES, SUM, Body, Spans
from collector.keys import PAD, Group, point_loops
from collector.model import Rejected, Rejection
from collector.readings import Readings
from collector.series import Origin, SeriesBook
from collector.tenancy import Claim

Ints = npt.NDArray[np.int64]

_KEY_ROOM = 1 << 23
"""Bytes for the keys of the points of a body that are not known."""


def read(
    data: bytes,
    book: SeriesBook,
    claim: Claim,
    keep: frozenset[str],
    limits: LimitSettings,
    *,
    now_s: float,
) -> Readings:
    """A request → arrays. Raises Rejected: MALFORMED, TOO_MANY_FIELDS."""
    loops = point_loops()
    if loops is None:
        points = otlp_protobuf.points(data)
        return otlp.read(points, book, claim, keep, limits, now_s=now_s)
    reader = _Reader(loops, data, book, claim, Sink(book, claim, keep, limits, now_s))
    for resource, bodies in otlp_protobuf.resources(data):
        reader.resource(resource)
        for body in bodies:
            reader.body(body)
    reader.resource(())
    return reader.readings()


class _Reader:
    def __init__(
        self, loops: ModuleType, data: bytes, book: SeriesBook, claim: Claim, sink: Sink
    ) -> None:
        self._loops, self._data, self._book, self._sink = loops, data, book, sink
        self._plain = Plain.of(data)
        self._index = book.points(Origin("otlp points", claim))
        # A bucket takes eight bytes, a point that becomes up to two more samples eleven at least.
        most = min(len(data) // 4 + 16, MAX_SAMPLES + 2)
        self._slots, self._ts_ms, self._start_ms = (np.empty(most, np.int64) for _ in range(3))
        self._values = np.empty(most)
        self._others = np.empty((min(len(data) // 2 + 1, MAX_ENTRIES), 4), np.int64)
        self._room = np.zeros(min(2 * len(data), _KEY_ROOM) + 64 + PAD, np.uint8)
        self._kept = self._found = self._expected = 0
        self._spans: list[tuple[int, int]] = []
        self._groups: list[Group] = []
        self._resource: Spans = ()
        self._attributes: dict[str, str] | None = None
        self._idle = False

    def resource(self, resource: Spans) -> None:
        """What follows is of this resource. One of which no point was known is read even if it has
        none: known points prove that it can be."""
        if self._idle:
            self._labels()
        self._resource, self._attributes, self._idle = resource, None, True

    def body(self, body: Body) -> None:
        """Read the points of a metric."""
        metric = self._metric(body)
        if metric is None:
            for point in otlp_protobuf.points_of(self._data, body, self._labels()):
                self._sink.take(point)
            return
        index = self._index
        kept, found, left, self._expected = self._loops.points(
            self._plain.room, body.start, body.stop, self._context(body, metric),
            int(body.which == HISTOGRAM), index.seed, index.table, index.entries, index.known,
            index.arena, index.groups, index.members, self._room[:-PAD], self._kept,
            self._expected, self._found, self._slots, self._ts_ms, self._start_ms, self._values,
            self._others,
        )  # fmt: skip
        if kept == self._loops.FULL:
            raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {MAX_SAMPLES} samples: split it")
        self._idle &= found == self._found
        self._kept, self._found = kept, found
        for start, stop, first, last in self._others[:left].tolist():
            self._other(body, metric, start, stop, (first, last))

    def _other(
        self, body: Body, metric: Metric, start: int, stop: int, key: tuple[int, int]
    ) -> None:
        """A point read as ever; where it has all its slots, the loops know it from now on."""
        labels = self._labels()
        point = otlp_protobuf.point_of(self._data, start, stop, metric, body.which, labels)
        slots = self._sink.take(point)
        buckets, summed = len(point.counts), point.total is not None
        whole = buckets + 1 + summed if body.which == HISTOGRAM else 1
        if key[1] and len(slots) == whole and all(map(self._book.is_kept, slots)):
            self._spans.append(key)
            self._groups.append((slots, buckets, summed))

    def _metric(self, body: Body) -> Metric | None:
        """The head of its points; None where the loops cannot read them."""
        if body.which not in (GAUGE, SUM, HISTOGRAM):
            return None
        temporality, monotonic = self._loops.head(self._plain.room, body.start, body.stop)
        if temporality == self._loops.ODD:
            return None
        metric = body.metric(temporality, monotonic=bool(monotonic))
        return metric if metric.kind is not None else None

    def _context(self, body: Body, metric: Metric) -> int:
        above = b"".join(self._data[first:last] for first, last in self._resource)
        said = (body.name, body.unit, body.which, metric.kind, metric.monotonic)
        return self._book.contexts.number(repr(said).encode("utf-8", "replace") + above)

    def _labels(self) -> dict[str, str]:
        if self._attributes is None:
            self._attributes = otlp_protobuf.attributes_of(self._data, self._resource)
        return self._attributes

    def readings(self) -> Readings:
        """Everything taken."""
        if self._spans:
            self._index.learn(self._room, np.array(self._spans, np.int64), self._groups)
        rest, count = self._sink.readings(), self._found
        if count + len(rest.slots) > MAX_SAMPLES:
            raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {MAX_SAMPLES} samples: split it")
        starts = self._start_ms[:count]
        found = Readings(
            self._slots[:count], self._ts_ms[:count], self._values[:count],
            starts if starts.any() else None,
        )  # fmt: skip
        return found.followed_by(rest)
