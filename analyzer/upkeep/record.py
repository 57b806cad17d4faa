"""Write what the store holds of some time as a directory `partywall backtest` reads.

`usage.parquet` has one row a window, tenant, resource and family, `resources.json` kinds and
capacities, `tenants.json` guaranteed floors. Hours are read one by one, so memory does not grow
with the time recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analyzer.store.database import Store

STEP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written; `since` and `until` are aware UTC."""

    directory: Path
    rows: int
    since: datetime
    until: datetime


def record(store: Store, target: Path, *, since: datetime, until: datetime) -> Recorded:
    """Write the fine usage of [since, until) into an empty directory, while the service runs.

    The span is cut to what is held at the fine grain. Raises FileExistsError when the target holds
    something, LookupError when nothing is held of that time, OSError when it cannot be written.
    """
    target = target.absolute()
    if target.exists() and any(target.iterdir()):
        raise FileExistsError(f"{target} is not empty")
    since, until = _held(store, since, until)
    target.mkdir(parents=True, exist_ok=True)
    half = target / ".usage.parquet"
    rows = _write_usage(store, half, since, until)
    if not rows:
        half.unlink()
        raise LookupError("nothing was used then")
    _write_json(
        target / "resources.json",
        {name: {"kind": kind, "capacity": capacity}
         for name, kind, capacity in store.rows("windows_resources")},
    )  # fmt: skip
    _write_json(
        target / "tenants.json",
        {name: {"floor": floor} for name, floor in store.rows("recorded_floors")},
    )
    half.rename(target / "usage.parquet")
    return Recorded(target, rows, since, until)


def _held(store: Store, since: datetime, until: datetime) -> tuple[datetime, datetime]:
    ((first, last),) = store.rows("recorded_span")
    if first is None:
        raise LookupError("the store holds no fine usage")
    first, last = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
    since, until = max(since, first), min(until, last + timedelta(seconds=10))
    if since >= until:
        held = f"from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
        raise LookupError(f"fine usage is held {held} UTC")
    return since, until


def _write_usage(store: Store, path: Path, since: datetime, until: datetime) -> int:
    written, rows, at = None, 0, since
    try:
        while at < until:
            after = min(at + STEP, until)
            table = _hour(store, at, after)
            if written is None:
                written = pq.ParquetWriter(path, table.schema, compression="zstd")
            written.write_table(table)
            rows, at = rows + table.num_rows, after
    finally:
        if written is not None:
            written.close()
    return rows


def _hour(store: Store, since: datetime, until: datetime) -> pa.Table:
    naive = {"since": since.replace(tzinfo=None), "until": until.replace(tzinfo=None)}
    with store.reader() as reader:
        return reader.arrow("recorded_usage", **naive)


def _write_json(path: Path, told: Mapping[str, object]) -> None:
    path.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", "utf-8")
