"""Latency buckets of a usage row, made to fit its columns."""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass

from collector.model import BUCKETS, LATENCY_BOUNDS, Rejected, Rejection

_TOLERANCE = 1e-5
"""Senders print bounds with a few digits: 0.0009765625 may arrive as 0.000976562."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """`BUCKETS` disjoint counts (None: unknown) and their upper bounds (None: the default)."""

    counts: tuple[int, ...] | None = None
    bounds: tuple[float, ...] | None = None


UNKNOWN = Buckets()


def bucketed(counts: list[int] | None, bounds: list[float] | None) -> Buckets:
    """Check the buckets of a row: one count per bound, and one more for what is above the last.

    Raises Rejected naming `latency_buckets` or `latency_bounds`.
    """
    if counts is None:
        return UNKNOWN
    upper = LATENCY_BOUNDS if bounds is None else _checked_bounds(bounds)
    if len(counts) != len(upper) + 1:
        raise _invalid(
            "latency_buckets",
            f"has {len(counts)} counts for {len(upper)} bounds: send one more than bounds",
        )
    if min(counts) < 0:
        raise Rejected(Rejection.NEGATIVE, "latency_buckets: negative", field="latency_buckets")
    if max(counts) > 2**53:
        raise _invalid("latency_buckets", "holds a count above 2^53")
    if is_default(upper):
        return Buckets(tuple(counts))
    if len(counts) > BUCKETS:
        return Buckets(fold(counts, upper))
    return Buckets((*counts, *(0,) * (BUCKETS - len(counts))), upper)


def is_default(bounds: tuple[float, ...]) -> bool:
    """Whether these are the default bounds, up to printing."""
    return len(bounds) == len(LATENCY_BOUNDS) and all(
        math.isclose(a, b, rel_tol=_TOLERANCE) for a, b in zip(bounds, LATENCY_BOUNDS, strict=True)
    )


def fold(counts: list[int], bounds: tuple[float, ...]) -> tuple[int, ...]:
    """Counts in the default buckets: each goes where its upper bound lies, so latency is never
    understated by more than one bucket; exact where the bounds include the default ones.
    """
    folded = [0] * BUCKETS
    for count, bound in zip(counts, (*bounds, math.inf), strict=True):
        folded[bisect.bisect_left(LATENCY_BOUNDS, bound * (1 - _TOLERANCE))] += count
    return tuple(folded)


def _checked_bounds(bounds: list[float]) -> tuple[float, ...]:
    if bounds and math.isinf(bounds[-1]):
        bounds = bounds[:-1]  # some write the open bucket's bound out
    if not bounds or len(bounds) > 10_000:
        raise _invalid("latency_bounds", f"has {len(bounds)} bounds: send 1 to 10000")
    if not all(math.isfinite(b) and b > 0 for b in bounds):
        raise _invalid("latency_bounds", "must be finite and above 0, in seconds")
    if any(b <= a for a, b in itertools.pairwise(bounds)):
        raise _invalid("latency_bounds", "must increase")
    return tuple(bounds)


def _invalid(name: str, what: str) -> Rejected:
    return Rejected(Rejection.INVALID_FIELD, f"{name} {what}", field=name)
