"""Quantiles from latency buckets, for all groups at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from collector.model import BUCKETS, LATENCY_BOUNDS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bounds = Mapping[int, Sequence[float]]


def quantile(counts: Floats, bounds: Sequence[float], q: float) -> Floats:
    """The q-quantile of each row of disjoint `counts` (groups x buckets), in seconds; NaN if empty.

    Linear within a bucket, the first from 0, the open last one its lower bound: the answer of
    `histogram_quantile` in Prometheus and VictoriaMetrics.
    """
    width = len(bounds) + 1
    filled = np.maximum(counts[:, :width], 0.0)
    upto = np.cumsum(filled, axis=1)
    total = upto[:, -1]
    rank = q * total
    at = np.minimum((upto < rank[:, None]).sum(axis=1), width - 1)
    group = np.arange(len(counts))
    edges = np.array([0.0, *bounds])
    low = edges[at]
    high = edges[np.minimum(at + 1, len(bounds))]
    inside = filled[group, at]
    before = upto[group, at] - inside
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(inside > 0, (rank - before) / inside, 1.0)
    found = low + (high - low) * part
    return np.where(total > 0, found, np.nan)


def fold(counts: Floats, bounds: Sequence[float]) -> Floats:
    """Counts of other bounds on the default grid: each bucket goes where its upper bound lies."""
    slots = np.searchsorted(LATENCY_BOUNDS, bounds, side="left")
    folded = np.zeros((len(counts), BUCKETS))
    np.add.at(folded.T, np.append(slots, BUCKETS - 1), counts[:, : len(bounds) + 1].T)
    return folded


def quantiles(
    counts: Floats, ids: Ints, groups: Ints, bounds: Bounds, qs: Sequence[float]
) -> Floats:
    """Quantiles (len(qs) x groups) of rows that add up by `groups` (0 .. n-1); NaN where empty.

    A group of one set of bounds is answered on it; one of several on the default grid.
    """
    number = int(groups.max()) + 1 if len(groups) else 0
    found = np.full((len(qs), number), np.nan)
    first = np.zeros(number, dtype=np.int64)
    first[groups] = ids
    mixed = np.zeros(number, dtype=bool)
    mixed[groups[ids != first[groups]]] = True
    for ident in np.unique(ids):
        if int(ident) not in bounds:
            continue
        own = (ids == ident) & ~mixed[groups]
        _answer(found, counts[own], groups[own], bounds[int(ident)], qs)
    if mixed.any():
        rows = np.flatnonzero(mixed[groups])
        parts = [fold(counts[[r]], bounds.get(int(ids[r]), LATENCY_BOUNDS)) for r in rows]
        _answer(found, np.concatenate(parts), groups[rows], LATENCY_BOUNDS, qs)
    return found


def _answer(
    found: Floats, counts: Floats, groups: Ints, bounds: Sequence[float], qs: Sequence[float]
) -> None:
    if not len(groups):
        return
    members, summed = _summed(counts, groups)
    for place, q in enumerate(qs):
        found[place, members] = quantile(summed, bounds, q)


def _summed(counts: Floats, groups: Ints) -> tuple[Ints, Floats]:
    """The groups there are, rising, and the sum of the rows of each."""
    if (np.diff(groups) <= 0).any():
        order = np.argsort(groups, kind="stable")
        groups, counts = groups[order], counts[order]
    first = np.flatnonzero(np.diff(groups, prepend=-1))
    if len(first) == len(groups):
        return groups, counts
    return groups[first], np.add.reduceat(counts, first, axis=0)


def middles(bounds: Sequence[float]) -> Floats:
    """Log of the geometric middle of each bucket, [BUCKETS]; the open one starts at its bound."""
    edges = np.asarray([b for b in bounds if np.isfinite(b)][: BUCKETS - 1], np.float64)
    edges = np.log(np.maximum(edges, 1e-6))
    below = np.concatenate([[edges[0] - np.log(2.0)], edges[:-1]])
    inner = (edges + below) / 2.0
    last = np.full(BUCKETS - edges.size, edges[-1] + np.log(2.0) / 4.0)
    return np.concatenate([inner, last])
