"""Quantiles of buckets, against a slow form of histogram_quantile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.usage.quantiles import fold, quantile, quantiles
from collector.model import BUCKETS, LATENCY_BOUNDS

BOUNDS = (0.1, 0.5, 1.0)


def slow(counts: list[int], bounds: tuple[float, ...], q: float) -> float:
    """Prometheus' `bucketQuantile`, one bucket after the other."""
    total = sum(counts)
    if not total:
        return float("nan")
    rank, upto = q * total, 0.0
    for k, count in enumerate(counts):
        if upto + count >= rank and (count or rank == 0):
            if k == len(bounds):
                return bounds[-1]
            low = bounds[k - 1] if k else 0.0
            return low + (bounds[k] - low) * ((rank - upto) / count)
        upto += count
    return bounds[-1]


@given(
    counts=st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    q=st.sampled_from([0.5, 0.95, 0.99]),
)
def test_a_quantile_is_that_of_histogram_quantile(counts, q) -> None:
    found = quantile(np.array([counts], dtype=np.float64), BOUNDS, q)[0]
    assert found == pytest.approx(slow(counts, BOUNDS, q), nan_ok=True)


def test_negative_leftovers_of_a_reset_do_not_bend_it() -> None:
    found = quantile(np.array([[10.0, -3.0, 0.0, 0.0]]), BOUNDS, 0.5)
    assert found[0] == pytest.approx(0.05)


def test_a_group_of_several_bounds_is_answered_on_the_default_grid() -> None:
    counts = np.zeros((3, 32))
    counts[0, 0] = counts[1, 1] = counts[2, 2] = 100
    ids, groups = np.array([0, 5, 5]), np.array([0, 0, 1])
    bounds = {0: LATENCY_BOUNDS, 5: BOUNDS}
    mixed, own = quantiles(counts, ids, groups, bounds, (0.95,))[0]
    assert own == pytest.approx(0.5 + 0.5 * 0.95)
    assert 2 ** (-1.5) <= mixed <= 2**-1


def test_folding_loses_no_count() -> None:
    folded = fold(np.array([[1.0, 2.0, 3.0, 4.0]]), BOUNDS)
    assert folded.sum() == 10
    assert folded[0, 31] == 4


@given(st.permutations(range(9)))
def test_rows_of_a_group_add_up_in_any_order(order: list[int]) -> None:
    counts = np.zeros((9, 32))
    counts[np.arange(9), np.arange(9) % 4] = np.arange(1, 10)
    groups, ids = np.arange(9) % 3, np.full(9, 5)
    found = quantiles(counts[order], ids[order], groups[order], {5: BOUNDS}, (0.5, 0.95))
    for group in range(3):
        summed = [int(n) for n in counts[groups == group].sum(axis=0)[:4]]
        expected = [slow(summed, BOUNDS, q) for q in (0.5, 0.95)]
        assert found[:, group] == pytest.approx(expected)


def test_no_rows_are_no_answers() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert quantiles(np.zeros((0, 32)), none, none, {}, (0.5,)).shape == (1, 0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(2e-3, 30.0), min_size=1, max_size=200),
    st.integers(1, 7),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_however_merged_a_quantile_is_within_a_factor_of_the_true_one(seconds, parts, q) -> None:
    """Merging adds counts and loses nothing: the bound is that of one bucket, the root of two."""
    counts = np.zeros((parts, BUCKETS))
    for at, value in enumerate(seconds):
        counts[at % parts, np.searchsorted(LATENCY_BOUNDS, value, side="left")] += 1
    same = np.zeros(parts, dtype=np.int64)
    found = quantiles(counts, same, same, {0: LATENCY_BOUNDS}, [q])[0, 0]
    true = np.quantile(seconds, q, method="inverted_cdf")
    assert true / 2**0.5 <= found <= true * 2**0.5 * (1 + 1e-9)
