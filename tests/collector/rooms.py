"""A whole collector in a folder, spoken to over ASGI, and what its spool holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx

from collector.app import Collector, build
from collector.config import CollectorSettings
from collector.model import Column, Frame, MeterKind, Samples, Series, UsageRows
from collector.spool import generation_of, read_segment, sealed, segment_id

Place = tuple[str, str, str]
"""Tenant, resource, family."""


def collector(tmp_path: Path, **settings: object) -> Collector:
    return build(replace(CollectorSettings(data=tmp_path), **settings))  # type: ignore[arg-type]


def client(app: Collector) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://collector")


def frames(tmp_path: Path) -> Iterator[tuple[str, Frame]]:
    """Generation and frame, of all sealed segments."""
    for path in sealed(tmp_path / "spool"):
        for frame in read_segment(path):
            yield generation_of(segment_id(path)), frame


def readings(tmp_path: Path) -> list[tuple[Series, int, float]]:
    """Every sample with its series; fails when a sample comes before its series."""
    known: dict[tuple[str, int], Series] = {}
    found = []
    for generation, frame in frames(tmp_path):
        if isinstance(frame, Series):
            assert (generation, frame.sid) not in known, "declared twice"
            known[generation, frame.sid] = frame
        elif isinstance(frame, Samples):
            for sid, ts_ms, value in zip(frame.sids, frame.ts_ms, frame.values, strict=True):
                found.append((known[generation, int(sid)], int(ts_ms), float(value)))
    return found


def usage_rows(tmp_path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for _, frame in frames(tmp_path):
        if isinstance(frame, UsageRows):
            found += frame.table.to_pylist()
    return found


Totals = dict[tuple[Place, str], int]


def totals(tmp_path: Path) -> Totals:
    """Integer totals by place and column. Counters: last minus first; deltas: the sum; latency
    buckets: disjoint.

    An oracle written without arrays: what the analyzer must find, however the data came in.
    """
    sums: Totals = defaultdict(int)
    for place, column, value in [*_from_samples(tmp_path), *_from_rows(tmp_path)]:
        sums[place, column] += value
    return {key: value for key, value in sums.items() if value}


def _from_samples(tmp_path: Path) -> Iterator[tuple[Place, str, int]]:
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    kinds: dict[str, Series] = {}
    for series, ts_ms, value in readings(tmp_path):
        kinds[series.identity] = series
        points[series.identity].append((ts_ms, value))
    histograms: dict[str, list[tuple[float, int, Place]]] = defaultdict(list)
    for identity, series in kinds.items():
        ordered = [value for _, value in sorted(points[identity])]
        scale = 1_000_000 if series.column.endswith("_s") else 1
        if series.kind is MeterKind.DELTA:
            delta = sum(round(value * scale) for value in ordered)
        else:
            delta = round(ordered[-1] * scale) - round(ordered[0] * scale)
        place = (str(series.tenant), str(series.resource), str(series.family))
        if series.column is Column.LATENCY_BUCKET:
            assert series.histogram is not None
            assert series.bound is not None
            histograms[series.histogram].append((series.bound, delta, place))
        else:
            yield place, series.column.replace("_s", "_us") if scale > 1 else series.column, delta
    for buckets in histograms.values():
        below = 0
        for number, (_, count, place) in enumerate(sorted(buckets)):
            yield place, f"b{number:02d}", count - below
            below = count


def _from_rows(tmp_path: Path) -> Iterator[tuple[Place, str, int]]:
    skipped = {"ts", "window_s", "tenant", "resource", "family", "bounds", "latency_bounds"}
    for row in usage_rows(tmp_path):
        place = (str(row["tenant"]), str(row["resource"]), str(row["family"]))
        for column, value in row.items():
            if column not in skipped and isinstance(value, int):
                yield place, column, value
