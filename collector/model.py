"""The words both sides of the spool speak.

A receiver turns bytes into `Samples` (numbers of a known series) or `UsageRows` (finished rows);
`intake` resolves and admits them; the spool keeps them as frames; the analyzer reads the frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

TenantId = NewType("TenantId", str)
ResourceId = NewType("ResourceId", str)
SegmentId = NewType("SegmentId", str)

GRAIN_S = 10
"""Seconds of the finest window kept."""

UNKNOWN_TENANT = TenantId("__unknown__")
"""Quarantine: usage whose tenant nobody could name. Visible everywhere, never blamed."""

LATENCY_BOUNDS: tuple[float, ...] = tuple(2.0 ** (k / 2) for k in range(-20, 11))
"""Default upper bounds of the latency buckets in seconds: 31 bounds, each √2 times the one before,
0.98 ms to 32 s; the 32nd bucket is open. Exponential histograms of scale >= 1 fold into it exactly.
"""

BUCKETS = 32
"""Latency buckets a usage row has room for; a histogram with more is folded into the default."""


class Family(StrEnum):
    """What kind of work a usage row counts."""

    REQUEST = "request"
    QUERY = "query"
    QUEUE = "queue"
    CACHE = "cache"


class ResourceKind(StrEnum):
    """What tenants share."""

    DATABASE = "database"
    COMPUTE = "compute"
    QUEUE = "queue"
    CACHE = "cache"


class MeterKind(StrEnum):
    """How the values of a meter add up over time."""

    CUMULATIVE = "cumulative"
    DELTA = "delta"
    GAUGE = "gauge"


class Column(StrEnum):
    """The column of `Usage` a meter feeds. `*_S` meters are in seconds, stored as microseconds."""

    ARRIVED = "arrived"
    COUNT = "count"
    ERRORS = "errors"
    BUSY = "busy_s"
    LATENCY_SUM = "latency_sum_s"
    LATENCY_BUCKET = "latency_bucket"
    WAITING = "waiting"
    WAIT = "wait_s"
    VOLUME = "volume"
    THROTTLED = "throttled"
    BLOCKED = "blocked_s"
    BLOCKING = "blocking_s"


@dataclass(frozen=True, slots=True)
class Series:
    """A time series after resolution: whose it is and which usage column it feeds.

    `sid` counts from 0 within one spool generation. `identity` is 16 hex digits over the full
    label set: the same series keeps it over collector restarts, so counter state survives them.
    `bound` is the cumulative bucket's upper bound in seconds (`inf` for the last), None for
    anything but a latency bucket. `histogram` is equal for all buckets of one histogram; on a
    `count` series it says that this is the histogram's own count, which steps back where a tenant's
    finished operations are counted by themselves.
    """

    sid: int
    identity: str
    tenant: TenantId
    resource: ResourceId
    family: Family
    column: Column
    kind: MeterKind
    bound: float | None = None
    histogram: str | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """Parallel arrays, one entry a sample. `ts_ms` is Unix milliseconds UTC. A stale marker is the
    NaN with bits 0x7ff0000000000002 and ends its series. `start_ms` (0 unknown) is the counter's
    start; None when no sample of the batch has one.
    """

    sids: npt.NDArray[np.uint32]
    ts_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    start_ms: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class UsageRows:
    """Finished usage rows from the native door, columns as `USAGE_SCHEMA`.

    `batch_id` is the sender's idempotency key ("" when it sent none): the analyzer counts a batch
    id once however often it arrives.
    """

    table: pa.Table
    batch_id: str = ""


Frame = Series | Samples | UsageRows

USAGE_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("ts", pa.timestamp("us"), nullable=False),  # window start, UTC without zone
        pa.field("window_s", pa.int32(), nullable=False),
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("resource", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("arrived", pa.int64()),
        pa.field("count", pa.int64()),
        pa.field("errors", pa.int64()),
        pa.field("busy_us", pa.int64()),
        pa.field("latency_sum_us", pa.int64()),
        pa.field("bounds", pa.int16()),  # id of the latency bounds; 0 = LATENCY_BOUNDS
        *[pa.field(f"b{k:02d}", pa.int64()) for k in range(BUCKETS)],  # disjoint, not cumulative
        pa.field("waiting", pa.float64()),
        pa.field("wait_us", pa.int64()),
        pa.field("volume", pa.int64()),
        pa.field("throttled", pa.int64()),
        pa.field("blocked_us", pa.int64()),  # waited for locks others held
        pa.field("blocking_us", pa.int64()),  # others waited for locks it held
    ]
)
"""Usage as it is spooled and stored. Seconds are integer microseconds so that sums are exact.
Null means unknown, not zero. Several rows of one (window, resource, tenant, family) add up.
`bounds` in a spooled row is 0; rows of other bounds travel with the side column `latency_bounds`
(list of doubles, null for the default), which the analyzer turns into an id."""


class Rejection(StrEnum):
    """Why something was not taken. One id = API error code = metric label = docs heading."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNSUPPORTED_TYPE = "unsupported-media-type"
    BODY_TOO_LARGE = "body-too-large"
    MALFORMED = "malformed-body"
    TOO_MANY_FIELDS = "too-many-fields"
    MISSING_NAME = "missing-metric-name"
    DUPLICATE_LABEL = "duplicate-label"
    LABEL_LIMIT = "label-limit"
    MISSING_FIELD = "missing-field"
    INVALID_FIELD = "invalid-field"
    NOT_FINITE = "value-not-finite"
    NEGATIVE = "value-negative"
    TOO_OLD = "timestamp-too-old"
    TOO_NEW = "timestamp-too-new"
    TENANT_RATE = "tenant-rate-limit"
    TENANT_SERIES = "tenant-series-limit"
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"

    @property
    def status(self) -> int:
        """The HTTP status: 4xx is final for the same input, 503 means try later."""
        return _STATUS.get(self, 400)


_STATUS: dict[Rejection, int] = {
    Rejection.UNAUTHENTICATED: 401,
    Rejection.FORBIDDEN: 403,
    Rejection.NOT_FOUND: 404,
    Rejection.CONFLICT: 409,
    Rejection.BODY_TOO_LARGE: 413,
    Rejection.UNSUPPORTED_TYPE: 415,
    Rejection.TENANT_RATE: 429,
    Rejection.TENANT_SERIES: 429,
    Rejection.OVERLOADED: 503,
    Rejection.UNAVAILABLE: 503,
}


class Rejected(Exception):
    """The same input will fail again (or, for 429 and 503, only later). `field` names the place."""

    def __init__(
        self, reason: Rejection, detail: str, *, field: str = "", retry_after_s: int = 0
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.field = field
        self.retry_after_s = retry_after_s
