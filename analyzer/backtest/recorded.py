"""Recorded usage as a directory of files: `usage.parquet`, `resources.json`, `tenants.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from analyzer.backtest.pieces import Piece, ahead, plan, read
from analyzer.detect.arrays import LOCKS, SIGNALS, Floats, zeroed
from analyzer.usage.quantiles import middles
from analyzer.usage.ring import Integers
from analyzer.usage.windows import add_up
from collector.model import (
    GRAIN_S,
    LATENCY_BOUNDS,
    UNKNOWN_TENANT,
    Rejected,
    Rejection,
    ResourceId,
    TenantId,
)

NUMBERS = (
    "arrived", "count", "errors", "busy_s", "latency_sum_s", "wait_s", "volume",
    *LOCKS,
)  # fmt: skip

COLUMNS = (
    "ts", "window_s", "tenant", "resource", *NUMBERS, "latency_buckets", "latency_bounds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Described:
    """A resource as `resources.json` tells it; both may be unknown."""

    id: ResourceId
    kind: str | None = None
    capacity: float | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """`pieces` gives rows of ts, grain, window_s, tenant, resource and the measures, ordered by
    time, anew each time it is called."""

    pieces: Callable[[], Iterator[pl.DataFrame]]
    resources: Mapping[ResourceId, Described]
    floors: Mapping[TenantId, float]
    start: datetime
    end: datetime

    def chunks(self, seconds: int) -> Iterator[tuple[datetime, pl.DataFrame]]:
        """(start, rows) of every `seconds` of data time, empty ones included."""
        pieces = self.pieces()
        rows = next(pieces)
        at = self.start
        while at < self.end:
            after = at + timedelta(seconds=seconds)
            while rows["grain"][-1] < _grain(after):
                more = next(pieces, None)
                if more is None:
                    break
                rows = pl.concat([rows, more]) if more.height else rows
            low, high = np.searchsorted(rows["grain"].to_numpy(), [_grain(at), _grain(after)])
            yield at, rows[int(low) : int(high)]
            rows = rows[int(high) :] if high < rows.height else rows[-1:]
            at = after


def read_recording(directory: Path) -> Recording:
    """Open and check a directory. Raises Rejected naming the file, the column and the remedy."""
    path = directory / "usage.parquet"
    if not path.is_file():
        raise _bad("usage.parquet", f"{path} does not exist: put the usage rows there")
    try:
        parts = plan(path, (*NUMBERS, "window_s"))
        _check(pq.read_schema(path))
        first = next(_rows(path, parts))
        last = first if len(parts) == 1 else next(_rows(path, parts[-1:]))
    except (pa.ArrowException, OSError) as error:
        raise _bad("usage.parquet", f"{path} is not readable Parquet: {error}") from error
    if first.height == 0 or last.height == 0:
        raise _bad("usage.parquet", f"{path} holds no row with ts and resource")
    return Recording(
        pieces=(lambda: iter([first])) if len(parts) == 1 else (lambda: ahead(_rows(path, parts))),
        resources=_resources(directory / "resources.json"),
        floors=_floors(directory / "tenants.json"),
        start=first["ts"][0].replace(tzinfo=UTC),
        end=last["ts"][-1].replace(tzinfo=UTC) + timedelta(seconds=GRAIN_S),
    )


def _rows(path: Path, parts: Sequence[Piece]) -> Iterator[pl.DataFrame]:
    """Rows of each part; those of its last window wait for the next, which may have more of it."""
    held: pl.DataFrame | None = None
    for number, frame in enumerate(read(path, parts, COLUMNS)):
        rows = _narrow(frame)
        rows = rows if held is None else pl.concat([held, rows])
        held = None
        if number < len(parts) - 1 and rows.height:
            held = rows.filter(pl.col("grain") == pl.col("grain").max())
            rows = rows.filter(pl.col("grain") < pl.col("grain").max())
        yield _ordered(rows)


def _bad(field: str, detail: str) -> Rejected:
    return Rejected(Rejection.INVALID_FIELD, detail, field=field)


def _check(schema: pa.Schema) -> None:
    for name in ("ts", "tenant", "resource"):
        if name not in schema.names:
            raise _bad(name, f"usage.parquet lacks the column {name}: add it")
    if not {"arrived", "count"} & set(schema.names):
        raise _bad("count", "usage.parquet needs the column count or arrived (operations)")


def _narrow(frame: pl.DataFrame) -> pl.DataFrame:
    numbers = [_number(frame, name) for name in NUMBERS]
    narrow = pl.DataFrame(
        [
            _times(frame["ts"]).alias("ts"),
            frame["tenant"].cast(pl.String).fill_null(UNKNOWN_TENANT).alias("tenant"),
            frame["resource"].cast(pl.String).alias("resource"),
            _window_s(frame),
            *numbers,
        ]
    )
    value, timed = _log_latency(frame, narrow)
    return narrow.with_columns(
        (pl.col("ts").dt.epoch("s") // GRAIN_S).alias("grain"),
        pl.Series("log_latency", value),
        pl.Series("timed", timed),
    ).drop_nulls(["ts", "resource"])


def _number(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column as floats; absent, not finite and negative values are unknown."""
    if name not in frame.columns:
        return pl.Series(name, [None] * frame.height, pl.Float64)
    try:
        values = frame[name].cast(pl.Float64)
    except pl.exceptions.PolarsError as error:
        raise _bad(name, f"column {name} holds {frame[name].dtype}: make it a number") from error
    known = values.is_finite() & (values >= 0)
    return values.zip_with(known.fill_null(value=False), pl.Series([None], dtype=pl.Float64))


def _window_s(frame: pl.DataFrame) -> pl.Series:
    if "window_s" not in frame.columns:
        return pl.Series("window_s", [GRAIN_S] * frame.height, pl.Int32)
    return _number(frame, "window_s").fill_null(GRAIN_S).cast(pl.Int32).alias("window_s")


def _times(values: pl.Series) -> pl.Series:
    """Window starts as microseconds UTC without zone: from timestamps, RFC 3339 or Unix seconds."""
    kind = values.dtype
    try:
        if isinstance(kind, pl.Datetime):
            zoned = values.dt.convert_time_zone("UTC") if kind.time_zone else values
            return zoned.dt.replace_time_zone(None).dt.cast_time_unit("us")
        if kind == pl.String:
            parsed = values.str.to_datetime(time_zone="UTC", time_unit="us")
            return parsed.dt.replace_time_zone(None)
        if kind.is_numeric():
            return (values.cast(pl.Float64) * 1e6).cast(pl.Int64).cast(pl.Datetime("us"))
    except pl.exceptions.PolarsError as error:
        raise _bad("ts", f"column ts holds unreadable times: {error}") from error
    raise _bad("ts", f"column ts holds {kind}: make it a timestamp, RFC 3339 text or Unix seconds")


def _log_latency(frame: pl.DataFrame, narrow: pl.DataFrame) -> tuple[Floats, Floats]:
    """(mean log of felt seconds, number of timed operations) per row; NaN is unknown."""
    count = narrow["count"].fill_null(np.nan).to_numpy()
    summed = narrow["latency_sum_s"].fill_null(np.nan).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        rough = np.where(count > 0, np.log(np.maximum(summed / count, 1e-6)), np.nan)
    if "latency_buckets" not in frame.columns:
        return rough, np.nan_to_num(count)
    buckets = frame["latency_buckets"]
    if not isinstance(buckets.dtype, pl.List | pl.Array):
        raise _bad("latency_buckets", "column latency_buckets must hold lists of counts per bound")
    logs, timed = _from_buckets(buckets, _bounds(frame))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(timed > 0, logs / timed, rough), np.maximum(timed, 1e-9)


def _bounds(frame: pl.DataFrame) -> pl.Series | None:
    if "latency_bounds" not in frame.columns:
        return None
    bounds = frame["latency_bounds"]
    if not isinstance(bounds.dtype, pl.List | pl.Array):
        raise _bad("latency_bounds", "column latency_bounds must hold lists of seconds")
    return bounds


def _from_buckets(buckets: pl.Series, bounds: pl.Series | None) -> tuple[Floats, Floats]:
    """(sum of log latencies, number timed) per row, bucket middles standing for their contents."""
    logs, timed = np.zeros(buckets.len()), np.zeros(buckets.len())
    for rows, edges in _by_bounds(buckets.len(), bounds):
        lists = buckets.gather(rows)
        lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
        flat = lists.list.explode(empty_as_null=False, keep_nulls=False).cast(pl.Float64)
        counts = np.maximum(zeroed(flat.fill_null(0.0).to_numpy()), 0.0)
        logs[rows], timed[rows] = _summed(counts, lengths, middles(edges)[: len(edges) + 1])
    return logs, timed


def _summed(counts: Floats, lengths: Integers, middle: Floats) -> tuple[Floats, Floats]:
    """Per list (sum of counts x middle, sum of counts); buckets past the open one count into it."""
    width = int(lengths[0]) if lengths.size else 0
    if width and (lengths == width).all():
        table = counts.reshape(-1, width)
        return table @ middle[np.minimum(np.arange(width), middle.size - 1)], table.sum(axis=1)
    owner = np.repeat(np.arange(lengths.size), lengths)
    place = np.arange(counts.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    weights = counts * middle[np.minimum(place, middle.size - 1)]
    size = lengths.size
    return np.bincount(owner, weights, size), np.bincount(owner, counts, size)


def _by_bounds(
    height: int, bounds: pl.Series | None
) -> Iterator[tuple[Integers, tuple[float, ...]]]:
    """Row numbers with each set of finite bounds; null means the default."""
    if bounds is None:
        yield np.arange(height), LATENCY_BOUNDS
        return
    keys = bounds.cast(pl.List(pl.Float64)).rle_id() if height else pl.Series([], dtype=pl.UInt32)
    codes = keys.to_numpy()
    for code, first in zip(*np.unique(codes, return_index=True), strict=True):
        told = bounds[int(first)]
        edges = tuple(float(b) for b in told if np.isfinite(b)) if told is not None else ()
        yield np.nonzero(codes == code)[0], edges or LATENCY_BOUNDS


def _ordered(narrow: pl.DataFrame) -> pl.DataFrame:
    """Rows of one window, resource and tenant added up, ordered by time."""
    narrow = narrow.with_columns(
        (pl.col("grain") * GRAIN_S * 1_000_000).cast(pl.Datetime("us")).alias("ts")
    )
    keys = narrow.select("grain", "resource", "tenant")
    if keys.is_duplicated().any():
        narrow = add_up(narrow, ["ts", "grain", "resource", "tenant"])
    kept = ["ts", "grain", "window_s", "tenant", "resource", *SIGNALS]
    return narrow.select(kept).sort("grain", maintain_order=True)


def _described(path: Path) -> Mapping[str, object]:
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise _bad(path.name, f"{path} is not readable JSON: {error}") from error
    if not isinstance(told, dict):
        raise _bad(path.name, f"{path} must hold one object by id")
    return told


def _resources(path: Path) -> Mapping[ResourceId, Described]:
    found = {}
    for key, told in _described(path).items():
        fields = told if isinstance(told, dict) else {}
        capacity = fields.get("capacity")
        usable = isinstance(capacity, int | float) and np.isfinite(capacity) and capacity > 0
        found[ResourceId(key)] = Described(
            ResourceId(key),
            str(fields["kind"]) if "kind" in fields else None,
            float(capacity) if usable else None,  # type: ignore[arg-type]
        )
    return found


def _floors(path: Path) -> Mapping[TenantId, float]:
    found = {}
    for key, told in _described(path).items():
        floor = told.get("floor") if isinstance(told, dict) else None
        if isinstance(floor, int | float) and np.isfinite(floor) and floor > 0:
            found[TenantId(key)] = float(floor)
    return found


def _grain(moment: datetime) -> int:
    return int(moment.timestamp()) // GRAIN_S
