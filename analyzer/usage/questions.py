"""Questions about usage: series, tenants, heatmap, shares, utilisation.

Load is what a tenant asks of a resource in busy seconds per second (`offered` in the migrations);
expected is its own median minute over the last hours, drawn toward what earlier weeks did in this
hour once they are two (`analyzer.baseline`). Polars frames carry `ts` as UTC without zone;
rates are per second, latencies seconds. Absent is null, not zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from analyzer.store.database import Store
from analyzer.usage.baseline import LEAST_WEEKS, hour_of_week
from analyzer.usage.latencies import latencies
from analyzer.usage.spans import Spans, spans, whole
from collector.model import GRAIN_S, Family, ResourceId, TenantId

OTHER = TenantId("__other__")
_POINT = ["resource", "family", "ts"]
_FEW_WINDOWS = 3
_QS = (0.5, 0.95, 0.99)
_LEARN_OVER = timedelta(hours=3)
_LEARN_EVERY = timedelta(minutes=5)
_POINTS: dict[str, pl.Expr] = {
    "requests_per_s": pl.col("count") / pl.col("width"),
    "busy": pl.col("busy_us") / 1e6 / pl.col("width"),
    "error_ratio": pl.when(pl.col("count") > 0).then(pl.col("errors") / pl.col("count")),
    "throttled": pl.col("throttled") / pl.col("width"),
}


@dataclass(frozen=True, slots=True)
class UsageSeries:
    """`points`: ts, requests_per_s, busy, expected, p50_s, p95_s, p99_s, error_ratio, waiting,
    throttled (per second)."""

    resource: ResourceId
    family: Family
    step_s: int
    points: pl.DataFrame


@dataclass(frozen=True, slots=True)
class TenantRows:
    """`frame`: tenant, noise, share, resource (its busiest), load, expected, requests_per_s,
    error_ratio, p95_s; sorted and cut. `total` is before the cut."""

    frame: pl.DataFrame
    total: int


@dataclass(frozen=True, slots=True)
class HeatRows:
    """`values`: tenants x clock, log2 of load over expected, NaN where there is no data."""

    tenants: list[TenantId]
    clock: list[datetime]
    step_s: int
    values: npt.NDArray[np.float64]
    of: int


def series(
    store: Store,
    *,
    start: datetime,
    end: datetime,
    step_s: int = 60,
    resource: ResourceId | None = None,
    tenant: TenantId | None = None,
    family: Family | None = None,
) -> list[UsageSeries]:
    """One series per (resource, family) with usage in [start, end); all tenants unless one."""
    with store.reader() as reader:  # one for all: the files are shown to each anew
        span = spans(reader, start, end, step_s)
        which = {"resource": resource, "tenant": tenant}
        asked = {**span.parameters, "resource": resource, "step": span.step_s, "family": family}
        # Of one tenant the rows are few: summing them here costs less than planning it there.
        sums = (
            reader.frame("usage_rows", **asked, tenant=tenant)
            if tenant
            else reader.frame("usage_series", **asked)
        )
        expected = reader.frame("expected_sums", **which)
        felt = latencies(reader, sums, _POINT, _QS)
        if not sums["waited"].sum():
            waiting = None
        elif tenant:
            waiting = _waiting(sums.filter(pl.col("waited")))
        else:
            waiting = reader.frame("usage_waiting", **asked)
    points = _points(sums, felt, waiting, expected)
    return [
        UsageSeries(
            ResourceId(str(name[0])),
            Family(str(name[1])),
            span.step_s,
            group.drop("resource", "family"),
        )
        for name, group in points.group_by(["resource", "family"], maintain_order=True)
    ]


def _points(
    sums: pl.DataFrame, felt: pl.DataFrame, waiting: pl.DataFrame | None, expected: pl.DataFrame
) -> pl.DataFrame:
    """Everything known of each (resource, family, ts), in order; rows of several bounds add up."""
    totals = (
        sums.lazy()
        .group_by(_POINT, maintain_order=True)
        .agg(
            pl.col("width").max(),
            *[
                pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
                for name in ("arrived", "count", "errors", "busy_us", "throttled")
            ],
        )
    )
    points = totals.select(*_POINT, **_POINTS).join(felt.lazy(), on=_POINT, how="left")
    if waiting is None:
        points = points.with_columns(waiting=pl.lit(None, pl.Float64))
    else:
        points = points.join(waiting.lazy(), on=_POINT, how="left")
    points = points.join(expected.lazy(), on=["resource", "family"], how="left")
    return points.sort(_POINT).collect()


def _waiting(rows: pl.DataFrame) -> pl.DataFrame:
    """The mean of what waited, per (resource, family, ts): rows of a window add up, windows of a
    step are averaged by their length."""
    windows = rows.group_by(*_POINT, "window", "window_s").agg(pl.col("waiting").sum())
    return windows.group_by(_POINT).agg(
        waiting=(pl.col("waiting") * pl.col("window_s")).sum() / pl.col("window_s").sum()
    )


def tenants(
    store: Store,
    *,
    at: datetime,
    span_s: int = 60,
    search: str = "",
    sort: str = "noise",
    descending: bool = True,
    limit: int | None = 100,
    offset: int = 0,
) -> TenantRows:
    """The tenants over the `span_s` before `at`, with or without usage.

    Raises ValueError when `sort` is no column of the frame.
    """
    start = at - timedelta(seconds=span_s)
    long = span_s >= 600  # long spans from the roll-ups
    frame = _tenant_frame(store, start, at, long=long)
    if search:
        frame = frame.filter(
            pl.col("tenant").str.to_lowercase().str.contains(search.lower(), literal=True)
        )
    if sort not in frame.columns:
        raise ValueError(f"sort: {sort!r} is no column, use one of {', '.join(frame.columns)}")
    frame = frame.sort([sort, "tenant"], descending=[descending, False], nulls_last=True)
    return TenantRows(frame.slice(offset, limit), len(frame))


def _tenant_frame(store: Store, start: datetime, at: datetime, *, long: bool) -> pl.DataFrame:
    with store.reader() as reader:
        span = whole(reader, start, at) if long else spans(reader, start, at, GRAIN_S)
        parts = reader.frame("tenant_usage", **span.parameters, seconds=span.seconds)
        # A sum costs a microsecond a tenant, whatever there is to add: rows of few windows are
        # added here.
        few = span.windows <= _FEW_WINDOWS
        buckets = reader.frame("tenant_bucket_rows" if few else "tenant_buckets", **span.parameters)
        p95 = latencies(reader, _of_felt_family(buckets), ["tenant"], (0.95,))
    known = pl.col("expected").is_not_null()
    whole_load = pl.col("load").sum().over("resource", "family")
    parts = parts.with_columns(
        share=pl.when(whole_load != 0).then(pl.col("load") / whole_load),
        of_known=pl.when(known).then(pl.col("load")),
    )
    most = pl.col("share").fill_null(-1).arg_max()
    rest = parts.group_by("tenant").agg(
        pl.col("resource").get(most),
        pl.col("share").get(most),
        pl.col("load").sum(),
        pl.col("expected").sum(),
        pl.col("of_known").sum(),
    )
    noise = pl.when(pl.col("expected") > 0).then(pl.col("of_known") / pl.col("expected"))
    frame = rest.with_columns(noise=noise.fill_nan(None))
    for other in (_felt(parts), p95):
        frame = frame.join(other, on="tenant", how="left")
    return frame.select(
        "tenant",
        "noise",
        "share",
        "resource",
        "load",
        "expected",
        "requests_per_s",
        "error_ratio",
        "p95_s",
    )


def _felt(parts: pl.DataFrame) -> pl.DataFrame:
    """Rates of the family the tenant's callers feel: requests, else whatever there is."""
    sums = _of_felt_family(parts).group_by("tenant").agg(
        pl.col("requests_per_s", "errors", "finished").sum()
    )  # fmt: skip
    ratio = pl.when(pl.col("finished") > 0).then(pl.col("errors") / pl.col("finished"))
    return sums.select("tenant", "requests_per_s", error_ratio=ratio)


def _of_felt_family(parts: pl.DataFrame) -> pl.DataFrame:
    request = pl.col("family") == Family.REQUEST.value
    asking = parts.filter(request)["tenant"].unique()
    return parts.filter(request | ~pl.col("tenant").is_in(asking.implode()))


def heatmap(
    store: Store,
    *,
    start: datetime,
    end: datetime,
    step_s: int = 60,
    limit: int = 50,
    resource: ResourceId | None = None,
) -> HeatRows:
    """The `limit` tenants whose load went furthest above what is expected of them, worst first."""
    span = spans(store, start, end, step_s)
    asked = {**span.parameters, "resource": resource, "step": span.step_s}
    loads = store.frame("tenant_loads", **asked, limit=limit)
    shown = loads["tenant"].unique(maintain_order=True).to_list()
    return _heat(loads, shown, span, of=int(loads["of"][0]) if shown else 0)


def _heat(loads: pl.DataFrame, shown: list[str], span: Spans, *, of: int) -> HeatRows:
    steps = -(-int(span.seconds) // span.step_s)
    values = np.full((len(shown), steps), np.nan)
    place = pl.DataFrame(
        {"tenant": shown, "row": np.arange(len(shown))}, schema_overrides={"tenant": pl.String}
    )
    cells = loads.join(place, on="tenant").filter(pl.col("load") > 0)
    step = (cells["ts"] - span.since).dt.total_seconds().to_numpy() // span.step_s
    heat = np.log2((cells["load"] / cells["expected"]).to_numpy())
    rows, wide = cells["row"].to_numpy(), cells["width"].to_numpy() // span.step_s
    for ahead in range(int(wide.max(initial=1))):
        inside = (ahead < wide) & (step + ahead < steps)
        values[rows[inside], step[inside] + ahead] = heat[inside]
    first = span.since.replace(tzinfo=UTC)
    clock = [first + timedelta(seconds=span.step_s * k) for k in range(steps)]
    return HeatRows([TenantId(name) for name in shown], clock, span.step_s, values, of)


def shares(
    store: Store, resource: ResourceId, *, start: datetime, end: datetime, top: int = 10
) -> pl.DataFrame:
    """tenant, load, share of one resource, largest first; the rest summed under `__other__`."""
    span = whole(store, start, end)
    asked = {**span.parameters, "resource": resource, "seconds": span.seconds}
    frame = store.frame("shares", **asked).fill_null(0.0)
    rest = frame.slice(top)
    if len(rest):
        other = pl.DataFrame({"tenant": [OTHER], "load": [rest["load"].sum()]})
        frame = pl.concat([frame.head(top), other])
    total = float(frame["load"].sum())
    return frame.with_columns(share=pl.col("load") / total if total else pl.lit(0.0))


def top_shares(store: Store, *, start: datetime, end: datetime, top: int = 10) -> pl.DataFrame:
    """resource, tenant, load, share of the `top` tenants of every resource, largest first."""
    with store.reader() as reader:
        span = whole(reader, start, end)
        return reader.frame("top_shares", **span.parameters, seconds=span.seconds, top=top)


def utilisation(
    store: Store,
    *,
    start: datetime,
    end: datetime,
    step_s: int = 60,
    resource: ResourceId | None = None,
) -> pl.DataFrame:
    """resource, ts, busy (busy seconds per second), capacity, utilisation; null if unknown."""
    span = spans(store, start, end, step_s)
    asked = {**span.parameters, "resource": resource, "step": span.step_s}
    return store.frame("utilisation", **asked)


def learn_expected(store: Store, *, until: datetime) -> bool:
    """Learn anew what is expected: every five minutes of data, and when an hour begins. Returns
    whether it did."""
    at = until.astimezone(UTC).replace(tzinfo=None)
    learned: datetime | None = store.rows("expected_learned_at")[0][0]
    fresh = learned is not None and timedelta(0) <= at - learned < _LEARN_EVERY
    if learned is not None and fresh and _newest(at).hour == _newest(learned).hour:
        return False
    with store.transaction() as tx:
        tx.execute("forget_expected")
        tx.execute(
            "learn_expected",
            since=at - _LEARN_OVER,
            until=at,
            how=hour_of_week(_newest(at)),
            least=LEAST_WEEKS,
        )
    return True


def _newest(at: datetime) -> datetime:
    """The start of the newest window that ended by `at`."""
    return at - timedelta(seconds=GRAIN_S)
