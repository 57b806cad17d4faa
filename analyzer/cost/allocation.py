"""Who pays: integer amounts split so that nothing is lost or invented.

Money is whole quanta here (10^-scale of the currency); the sum of a split is its total, always.
The method is the largest remainder (Hamilton): everyone gets the floor of its exact part, and what
is left goes, one quantum each, to the largest remainders; ties fall to the larger weight, then to
the smaller id, so the outcome does not depend on the order of the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import polars as pl

IDLE = ""
"""The holder that stands for nobody: capacity paid for and not used."""

_ROOM = 2**126
"""Products of total and weight below this are exact in 128 bits."""


def largest_remainder(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Split `total` (of either sign) over holders by non-negative integer weights.

    Holders of weight zero get nothing; with no weight at all the answer is empty and the caller
    keeps the total (it is idle or unattributed, never shared out by a made-up weight).
    Raises ValueError on a negative weight.
    """
    if any(weight < 0 for weight in weights.values()):
        raise ValueError("weights: must not be negative")
    whole = sum(weights.values())
    if whole == 0:
        return {}
    amount, sign = abs(total), -1 if total < 0 else 1
    parts = {holder: divmod(amount * w, whole) for holder, w in weights.items() if w}
    left = amount - sum(base for base, _ in parts.values())
    ranked = sorted(parts, key=lambda h: (-parts[h][1], -weights[h], h))
    lucky = set(ranked[:left])
    return {holder: sign * (base + (holder in lucky)) for holder, (base, _) in parts.items()}


def apportion(totals: pl.DataFrame, demand: pl.DataFrame) -> pl.DataFrame:
    """`largest_remainder` for many pots at once, bit for bit the same.

    `totals` has (pot i64, total i128), `demand` (pot, holder str, weight i128), one row per pot and
    holder. Answers (pot, holder, amount i128); a pot without weight has no rows.
    """
    used = demand.filter(pl.col("weight") > 0).join(totals, on="pot")
    if not _fits(used):
        return _one_by_one(totals, used)
    product = pl.col("total").abs() * pl.col("weight")
    whole = pl.col("weight").sum().over("pot")
    shares = used.with_columns(base=product // whole, rest=product % whole).sort(
        ["pot", "rest", "weight", "holder"], descending=[False, True, True, False]
    )
    left = pl.col("total").abs() - pl.col("base").sum().over("pot")
    rank = pl.int_range(pl.len()).over("pot").cast(pl.Int128)
    amount = pl.col("total").sign() * (pl.col("base") + (rank < left).cast(pl.Int128))
    return shares.select("pot", "holder", amount.cast(pl.Int128).alias("amount"))


def _fits(used: pl.DataFrame) -> bool:
    if used.is_empty():
        return True
    bounds = used.select(
        total=pl.col("total").abs().max(), weight=pl.col("weight").max(), rows=pl.len()
    ).row(0)
    return int(bounds[0]) * int(bounds[1]) < _ROOM and int(bounds[1]) * int(bounds[2]) < _ROOM


def _one_by_one(totals: pl.DataFrame, used: pl.DataFrame) -> pl.DataFrame:
    rows: list[tuple[int, str, int]] = []
    pots = used.select("pot", "holder", "weight").partition_by("pot", as_dict=True)
    for pot, total in totals.iter_rows():
        if (pot,) not in pots:
            continue
        weights = {holder: weight for _, holder, weight in pots[(pot,)].iter_rows()}
        rows.extend((pot, *share) for share in largest_remainder(total, weights).items())
    return pl.DataFrame(
        rows, schema={"pot": pl.Int64, "holder": pl.String, "amount": pl.Int128}, orient="row"
    )


def piece(cumulative_from: Fraction, cumulative_to: Fraction) -> int:
    """The whole quanta of a charge between two points of its running total.

    Each end is rounded by itself (half up), so pieces of any partition sum to the charge and a
    week can be computed without knowing the next.
    """
    return _round(cumulative_to) - _round(cumulative_from)


def _round(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
