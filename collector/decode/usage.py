"""Native usage rows: NDJSON or an Arrow stream → a table of `USAGE_SCHEMA`.

A bad row is refused by its number, field and remedy; the others are kept. Seconds become integer
microseconds, so that sums stay exact.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from collector.config import LimitSettings
from collector.decode.arrow_size import unpacked_bytes
from collector.decode.buckets import Buckets, bucketed
from collector.decode.compression import too_large
from collector.decode.protobuf import MOST_BAD
from collector.model import (
    BUCKETS,
    USAGE_SCHEMA,
    Family,
    Rejected,
    Rejection,
    ResourceId,
    TenantId,
)
from collector.readings import Refused

NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"

SPOOLED_SCHEMA: pa.Schema = USAGE_SCHEMA.append(pa.field("latency_bounds", pa.list_(pa.float64())))

MAX_COUNT = 2**53
MAX_SECONDS = 1e9
MAX_WINDOW_S = 86_400
MAX_LINE = 512 * 1024


class Row(msgspec.Struct, gc=False):
    """A row as it is sent. What is absent is unknown, not zero."""

    ts: datetime | float
    resource: str
    family: Family
    tenant: str = ""
    window_s: int = 10
    arrived: int | float | None = None
    count: int | float | None = None
    errors: int | float | None = None
    busy_s: float | None = None
    latency_sum_s: float | None = None
    latency_buckets: list[int] | None = None
    latency_bounds: list[float] | None = None
    waiting: float | None = None
    wait_s: float | None = None
    volume: int | float | None = None
    throttled: int | float | None = None
    blocked_s: float | None = None
    blocking_s: float | None = None


_COUNTS = ("arrived", "count", "errors", "volume", "throttled")
_SECONDS = ("busy_s", "latency_sum_s", "wait_s", "blocked_s", "blocking_s")
_MICROS = {name: name.removesuffix("_s") + "_us" for name in _SECONDS}

_ARROW_ERRORS = (
    pa.ArrowException,
    OSError,  # what a broken flatbuffer raises
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    NotImplementedError,
)

_line = msgspec.json.Decoder(Row)


@dataclass(slots=True)
class Rows:
    """What a body holds: good rows as columns, bad ones as refusals."""

    table: pa.Table = field(default_factory=lambda: SPOOLED_SCHEMA.empty_table())
    refused: list[Refused] = field(default_factory=list)


NameTenant = Callable[[str], TenantId]
NameResource = Callable[[str], ResourceId]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a body is read: names, limits, and the time of arrival."""

    tenant: NameTenant
    resource: NameResource
    limits: LimitSettings
    now_ms: int


@dataclass(slots=True)
class _Good:
    ts_us: int
    tenant: str
    resource: str
    row: Row
    buckets: Buckets


def decode_ndjson(body: bytes, reading: Reading) -> Rows:
    """One JSON object a line; empty lines are passed over.

    Raises Rejected(TOO_MANY_FIELDS) beyond `rows_per_request` lines.
    """
    if body.count(b"\n") > reading.limits.rows_per_request:
        raise _too_many(reading.limits.rows_per_request)
    return _collect(_parsed(io.BytesIO(body)), reading)


def gather(rows: Iterable[Row], reading: Reading) -> Rows:
    """Rows made in this process: checked, named and put into columns as a body's are."""
    return _collect(enumerate(rows, 1), reading)


def _parsed(lines: Iterable[bytes]) -> Iterator[tuple[int, Row | Rejected]]:
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        if len(line) > MAX_LINE:
            yield number, Rejected(Rejection.MALFORMED, f"is longer than {MAX_LINE} bytes")
            continue
        try:
            yield number, _line.decode(line)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            yield number, _unreadable(error)


def decode_arrow(body: bytes, reading: Reading) -> Rows:
    """An Arrow IPC stream with the columns of `Row`; further columns are passed over."""
    try:
        if unpacked_bytes(body) > reading.limits.decoded_bytes:
            raise too_large(reading.limits.decoded_bytes)
        with pa.ipc.open_stream(pa.py_buffer(body)) as stream:
            table = _bounded(stream, reading.limits)
        rows = table.to_pylist()
    except _ARROW_ERRORS as error:
        raise Rejected(Rejection.MALFORMED, f"Arrow stream: {error}") from error
    return _collect(_converted(rows), reading)


def _bounded(stream: Any, limits: LimitSettings) -> pa.Table:
    batches, count = [], 0
    wanted = [name for name in stream.schema.names if name in Row.__struct_fields__]
    for batch in stream:
        batch.validate(full=True)  # before anything is asked of it: `nbytes` follows wild offsets
        count += batch.num_rows
        if count > limits.rows_per_request or batch.nbytes > limits.decoded_bytes:
            raise _too_many(limits.rows_per_request)
        batches.append(batch.select(wanted))
    schema = pa.schema([stream.schema.field(name) for name in wanted])
    return pa.Table.from_batches(batches, schema)


def _converted(rows: Iterable[Mapping[str, object]]) -> Iterator[tuple[int, Row | Rejected]]:
    for number, row in enumerate(rows, 1):
        known = {name: value for name, value in row.items() if value is not None}
        try:
            yield number, msgspec.convert(known, Row)
        except (msgspec.ValidationError, ValueError) as error:
            yield number, _unreadable(error)


def _collect(rows: Iterable[tuple[int, Row | Rejected]], reading: Reading) -> Rows:
    good: list[_Good] = []
    refused: dict[Rejection, Refused] = {}
    bad = 0
    for number, row in rows:
        try:
            if isinstance(row, Rejected):
                raise row
            good.append(_checked(row, reading))
        except Rejected as why:
            detail = f"row {number}: {why.detail}"
            first = refused.get(why.reason) or Refused(why.reason, 0, detail, None, why.field)
            refused[why.reason] = replace(first, count=first.count + 1)
            bad += 1
            if bad > MOST_BAD:
                raise Rejected(
                    why.reason, f"more than {MOST_BAD} bad rows: {first.detail}"
                ) from why
    return Rows(_table(good), list(refused.values()))


def _checked(row: Row, reading: Reading) -> _Good:
    ts_us = _timestamp(row.ts, reading)
    if not 1 <= row.window_s <= MAX_WINDOW_S:
        raise _invalid("window_s", f"{row.window_s} is not within 1 and {MAX_WINDOW_S} seconds")
    for name in _COUNTS:
        _check(name, getattr(row, name), MAX_COUNT)
        if (value := getattr(row, name)) is not None and value != int(value):
            raise _invalid(name, f"is {value}: send a whole number")
    for name in _SECONDS:
        _check(name, getattr(row, name), MAX_SECONDS)
    _check("waiting", row.waiting, MAX_COUNT)
    if not row.resource:
        raise Rejected(Rejection.MISSING_FIELD, "resource is empty: name it", field="resource")
    return _Good(
        ts_us,
        reading.tenant(row.tenant),
        reading.resource(row.resource),
        row,
        bucketed(row.latency_buckets, row.latency_bounds),
    )


def _check(name: str, value: float | None, most: float) -> None:
    if value is None:
        return
    if value < 0:
        raise Rejected(Rejection.NEGATIVE, f"{name} is {value}: send 0 or more", field=name)
    if not value <= most:
        raise Rejected(Rejection.NOT_FINITE, f"{name} is {value}: above {most:g}", field=name)


def _timestamp(ts: datetime | float, reading: Reading) -> int:
    """Microseconds since 1970. A time without zone is UTC; a number is Unix seconds."""
    if isinstance(ts, datetime):
        aware = ts if ts.tzinfo else ts.replace(tzinfo=UTC)
        seconds = aware.timestamp()
    else:
        seconds = float(ts)
    age_s = reading.now_ms / 1000 - seconds
    if not age_s <= reading.limits.past_s:
        raise Rejected(
            Rejection.TOO_OLD, f"ts {ts} is more than {reading.limits.past_s:g} s old", field="ts"
        )
    if age_s < -reading.limits.future_s:
        detail = f"ts {ts} lies ahead: check the sender's clock (Unix seconds, not milliseconds)"
        raise Rejected(Rejection.TOO_NEW, detail, field="ts")
    return round(seconds * 1_000_000)


def _invalid(name: str, what: str) -> Rejected:
    return Rejected(Rejection.INVALID_FIELD, f"{name} {what}", field=name)


def _unreadable(error: Exception) -> Rejected:
    """msgspec says "... - at `$.count`": that is the field."""
    message = str(error)
    _, _, path = message.partition("`$.")
    name = path.partition("`")[0]
    if "missing required field" in message:
        name = message.partition("`")[2].partition("`")[0]
        return Rejected(Rejection.MISSING_FIELD, f"field {name} is missing", field=name)
    reason = Rejection.INVALID_FIELD if name else Rejection.MALFORMED
    return Rejected(reason, message[:200], field=name)


def _too_many(limit: int) -> Rejected:
    return Rejected(Rejection.TOO_MANY_FIELDS, f"more than {limit} rows in a body: split it")


def _table(good: list[_Good]) -> pa.Table:
    if not good:
        return SPOOLED_SCHEMA.empty_table()
    rows = [one.row for one in good]
    columns: dict[str, Any] = {
        "ts": np.array([one.ts_us for one in good], "datetime64[us]"),
        "window_s": [row.window_s for row in rows],
        "tenant": [one.tenant for one in good],
        "resource": [one.resource for one in good],
        "family": [row.family.value for row in rows],
        "bounds": np.zeros(len(good), np.int16),
        "waiting": [row.waiting for row in rows],
        "latency_bounds": [one.buckets.bounds for one in good],
    }
    for name in _COUNTS:
        columns[name] = [_whole(getattr(row, name)) for row in rows]
    for name, stored in _MICROS.items():
        columns[stored] = [_micros(getattr(row, name)) for row in rows]
    for k in range(BUCKETS):
        columns[f"b{k:02d}"] = [
            one.buckets.counts[k] if one.buckets.counts else None for one in good
        ]
    arrays = [pa.array(columns[f.name], f.type) for f in SPOOLED_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SPOOLED_SCHEMA)


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)
