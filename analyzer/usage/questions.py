"""Questions about usage: series, tenants, heatmap, shares, utilisation.

Load is what a tenant asks of a resource in busy seconds per second (`offered` in the migrations);
expected is its own median minute over the last hours, drawn toward what earlier weeks did in this
hour once they are two (`analyzer.baseline`). Polars frames carry `ts` as UTC without zone;
rates are per second, latencies seconds. Absent is null, not zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from analyzer.store.database import Store
from analyzer.store.reader import Reader
from analyzer.usage.baseline import LEAST_WEEKS, hour_of_week
from analyzer.usage.quantiles import quantiles
from analyzer.usage.spans import Spans, spans, whole
from collector.model import BUCKETS, GRAIN_S, Family, ResourceId, TenantId

OTHER = TenantId("__other__")
_BUCKETS = [f"b{k:02d}" for k in range(BUCKETS)]
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
        asked = {**span.parameters, **which, "step": span.step_s, "family": family}
        sums = reader.frame("usage_series", **asked)
        expected = reader.frame("expected_sums", **which)
        points = _points(reader, sums)
        if sums["waited"].sum():
            waiting = reader.frame("usage_waiting", **asked)
            points = points.join(waiting, on=["resource", "family", "ts"], how="left")
        else:
            points = points.with_columns(waiting=pl.lit(None, pl.Float64))
    points = points.join(expected, on=["resource", "family"], how="left")
    points = points.sort("resource", "family", "ts")
    return [
        UsageSeries(
            ResourceId(str(name[0])),
            Family(str(name[1])),
            span.step_s,
            group.drop("resource", "family"),
        )
        for name, group in points.group_by(["resource", "family"], maintain_order=True)
    ]


def _points(store: Store | Reader, sums: pl.DataFrame) -> pl.DataFrame:
    """Rates and quantiles per (resource, family, ts); rows of several bounds add up."""
    by = ["resource", "family", "ts"]
    totals = sums.group_by(by, maintain_order=True).agg(
        pl.col("width").max(),
        *[
            pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
            for name in ("arrived", "count", "errors", "busy_us", "throttled")
        ],
    )
    totals = totals.with_columns(**_POINTS)
    felt = _quantiles(store, sums, by, _QS)
    wanted = [*by, "requests_per_s", "busy", "error_ratio", "throttled"]
    return totals.select(wanted).join(felt, on=by, how="left")


def _quantiles(
    store: Store | Reader, sums: pl.DataFrame, by: Sequence[str], qs: Sequence[float]
) -> pl.DataFrame:
    """`by` and one column `pNN_s` per q, from rows with `bounds` and buckets."""
    counted = sums.filter(pl.col("bounds").is_not_null())
    groups = counted.select(pl.struct(by).rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()
    found = quantiles(
        counted.select(_BUCKETS).fill_null(0).cast(pl.Float64).to_numpy(),
        counted["bounds"].cast(pl.Int64).to_numpy(),
        groups,
        {ident: tuple(bounds) for ident, bounds in store.rows("latency_bounds")},
        qs,
    )
    names = counted.select(by).with_columns(group=groups).unique("group").sort("group")
    columns = [
        pl.Series(f"p{round(q * 100)}_s", found[place], nan_to_null=True)
        for place, q in enumerate(qs)
    ]
    return names.drop("group").with_columns(columns)


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
    frame = _tenant_frame(
        store, whole(store, start, at) if long else spans(store, start, at, GRAIN_S)
    )
    if search:
        frame = frame.filter(
            pl.col("tenant").str.to_lowercase().str.contains(search.lower(), literal=True)
        )
    if sort not in frame.columns:
        raise ValueError(f"sort: {sort!r} is no column, use one of {', '.join(frame.columns)}")
    frame = frame.sort([sort, "tenant"], descending=[descending, False], nulls_last=True)
    return TenantRows(frame.slice(offset, limit), len(frame))


def _tenant_frame(store: Store, span: Spans) -> pl.DataFrame:
    parts = store.frame("tenant_usage", **span.parameters, seconds=span.seconds)
    busiest = (
        parts.sort("share", descending=True, nulls_last=True)
        .group_by("tenant")
        .agg(
            pl.col("resource").first(),
            pl.col("share").first(),
        )
    )
    known = pl.col("expected").is_not_null()
    rest = parts.group_by("tenant").agg(
        pl.col("load").sum(),
        pl.col("expected").sum(),
        noise=pl.when(pl.col("expected").sum() > 0).then(
            pl.col("load").filter(known).sum() / pl.col("expected").sum()
        ),
    )
    felt = _felt(parts)
    p95 = _tenant_p95(store, span)
    joined = rest
    for other in (busiest, felt, p95):
        joined = joined.join(other, on="tenant", how="left")
    return joined.with_columns(noise=pl.col("noise").fill_nan(None)).select(
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
    return (
        _of_felt_family(parts)
        .group_by("tenant")
        .agg(
            requests_per_s=pl.col("requests_per_s").sum(),
            error_ratio=pl.when(pl.col("finished").sum() > 0).then(
                pl.col("errors").sum() / pl.col("finished").sum()
            ),
        )
    )


def _of_felt_family(parts: pl.DataFrame) -> pl.DataFrame:
    request = pl.col("family") == Family.REQUEST.value
    return parts.filter(request | ~request.any().over("tenant"))


def _tenant_p95(store: Store, span: Spans) -> pl.DataFrame:
    buckets = store.frame("tenant_buckets", **span.parameters, tenant=None)
    return _quantiles(store, _of_felt_family(buckets), ["tenant"], (0.95,))


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
    span = whole(store, start, end)
    return store.frame("top_shares", **span.parameters, seconds=span.seconds, top=top)


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
