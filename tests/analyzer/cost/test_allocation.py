"""Laws of the split: nothing lost, nothing invented, the same whatever the order."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.cost.allocation import apportion, largest_remainder, piece

TENANTS = ("acme", "globex", "hooli", "initech", "umbrella", "ümlaut", "=cmd", "")
weights = st.dictionaries(st.sampled_from(TENANTS), st.integers(0, 10**15), max_size=8)
totals = st.integers(-(10**12), 10**12)


def reference(total: int, weight_of: dict[str, int]) -> dict[str, int]:
    """Slow and obvious: the floor of the exact part, then one quantum at a time."""
    whole = sum(weight_of.values())
    if not whole:
        return {}
    exact = {t: Fraction(abs(total) * w, whole) for t, w in weight_of.items() if w}
    got = {t: int(part) for t, part in exact.items()}
    while sum(got.values()) < abs(total):
        waiting = [t for t in exact if got[t] <= exact[t]]
        best = min(waiting, key=lambda t: (got[t] - exact[t], -weight_of[t], t))
        got[best] += 1
    return {t: part if total >= 0 else -part for t, part in got.items()}


def in_sets(pots: list[tuple[int, dict[str, int]]]) -> list[dict[str, int]]:
    pot_totals = pl.DataFrame(
        [(pot, total) for pot, (total, _) in enumerate(pots)],
        schema={"pot": pl.Int64, "total": pl.Int128},
        orient="row",
    )
    demand = pl.DataFrame(
        [(pot, t, w) for pot, (_, ws) in enumerate(pots) for t, w in ws.items()],
        schema={"pot": pl.Int64, "holder": pl.String, "weight": pl.Int128},
        orient="row",
    )
    found: list[dict[str, int]] = [{} for _ in pots]
    for pot, holder, amount in apportion(pot_totals, demand).iter_rows():
        found[pot][holder] = amount
    return found


@given(totals, weights)
def test_the_shares_of_a_total_sum_to_the_total(total, weight_of):
    shares = largest_remainder(total, weight_of)
    assert sum(shares.values()) == (total if sum(weight_of.values()) else 0)


@given(totals, weights)
def test_every_share_is_within_one_quantum_of_its_exact_part(total, weight_of):
    whole = sum(weight_of.values())
    for tenant, share in largest_remainder(total, weight_of).items():
        assert abs(share - Fraction(total * weight_of[tenant], whole)) < 1


@given(totals, weights, st.randoms())
def test_the_order_of_tenants_does_not_matter(total, weight_of, random):
    shuffled = list(weight_of.items())
    random.shuffle(shuffled)
    assert largest_remainder(total, dict(shuffled)) == largest_remainder(total, weight_of)


@given(st.integers(-200, 200), weights)
def test_the_split_is_the_obvious_one(total, weight_of):
    assert largest_remainder(total, weight_of) == reference(total, weight_of)


@given(st.lists(st.tuples(totals, weights), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_the_set_form_agrees_bit_for_bit(pots):
    assert in_sets(pots) == [largest_remainder(total, weight_of) for total, weight_of in pots]


def test_the_set_form_agrees_beyond_128_bits():
    pots = [(10**30 + 1, {"acme": 10**12, "globex": 3, "hooli": 7 * 10**11})]
    assert in_sets(pots) == [largest_remainder(*pots[0])]


@given(totals, weights, st.integers(1, 1000))
def test_scaling_all_usage_changes_nothing(total, weight_of, factor):
    scaled = {tenant: weight * factor for tenant, weight in weight_of.items()}
    assert largest_remainder(total, scaled) == largest_remainder(total, weight_of)


@given(totals, weights)
def test_a_tenant_without_usage_changes_nothing(total, weight_of):
    assert largest_remainder(total, weight_of | {"idler": 0}) == largest_remainder(total, weight_of)


@given(st.integers(0, 10**12), weights, st.integers(1, 10**9))
def test_a_tenant_in_two_halves_costs_what_it_cost_whole(total, others, half):
    whole = largest_remainder(total, others | {"twin": 2 * half})["twin"]
    halves = largest_remainder(total, others | {"twin-1": half, "twin-2": half})
    assert abs(halves["twin-1"] + halves["twin-2"] - whole) <= 1 + len(others)


def test_equal_claims_are_settled_by_weight_and_then_by_name():
    assert largest_remainder(1, {"globex": 1, "acme": 1}) == {"acme": 1, "globex": 0}
    assert largest_remainder(2, {"acme": 1, "globex": 1, "hooli": 2}) == {
        "acme": 1,
        "globex": 0,
        "hooli": 1,
    }


def test_a_credit_is_split_like_a_charge():
    shares = largest_remainder(100, {"acme": 1, "globex": 2})
    credit = largest_remainder(-100, {"acme": 1, "globex": 2})
    assert credit == {tenant: -share for tenant, share in shares.items()}


def test_nothing_is_shared_out_without_a_weight():
    assert largest_remainder(100, {"acme": 0}) == {}
    assert in_sets([(100, {"acme": 0}), (5, {})]) == [{}, {}]


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weights"):
        largest_remainder(1, {"acme": -1})


@given(st.fractions(), st.lists(st.fractions(), min_size=1, max_size=9))
def test_pieces_of_any_partition_sum_to_the_whole(start, steps):
    marks = [start]
    for step in steps:
        marks.append(marks[-1] + step)
    pieces = [piece(a, b) for a, b in pairwise(marks)]
    assert sum(pieces) == piece(start, marks[-1])
