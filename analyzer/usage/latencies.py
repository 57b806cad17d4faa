"""Latency quantiles of frames of usage: rows that carry `bounds` and buckets, by whatever they are
grouped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from analyzer.store.reader import Reader
from analyzer.usage.quantiles import quantiles
from collector.model import BUCKETS

BUCKET_NAMES = [f"b{k:02d}" for k in range(BUCKETS)]


def latencies(
    reader: Reader, rows: pl.DataFrame, by: Sequence[str], qs: Sequence[float]
) -> pl.DataFrame:
    """`by` and one column `pNN_s` per q (seconds, null where nothing was measured), one row a
    group that has bounds."""
    counted = rows.filter(pl.col("bounds").is_not_null())
    names = counted.select(by).unique(maintain_order=True).with_row_index("group")
    if len(names) == len(counted):
        groups = np.arange(len(counted))
    else:
        numbered = counted.select(by).join(names, on=by, how="left", maintain_order="left")
        groups = numbered["group"].cast(pl.Int64).to_numpy()
    found = quantiles(
        counted.select(pl.col(BUCKET_NAMES).fill_null(0).cast(pl.Float64)).to_numpy(),
        counted["bounds"].cast(pl.Int64).to_numpy(),
        groups,
        {ident: tuple(bounds) for ident, bounds in reader.rows("latency_bounds")},
        qs,
    )
    return names.drop("group").with_columns(
        pl.Series(f"p{round(q * 100)}_s", found[place], nan_to_null=True)
        for place, q in enumerate(qs)
    )
