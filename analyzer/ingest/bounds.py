"""Which stored bucket a histogram bound feeds: its own where they fit, else the default grid."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from collector.model import BUCKETS, LATENCY_BOUNDS

DEFAULT = 0
_MOST = 1000  # distinct sets of bounds kept; more than that is not a platform but a mistake


class BoundsBook:
    """The table `latency_bounds` in memory. `fresh` are the entries not yet written."""

    def __init__(self, known: Mapping[int, Sequence[float]]) -> None:
        self._bounds = {ident: tuple(bounds) for ident, bounds in known.items()}
        self._ids = {bounds: ident for ident, bounds in self._bounds.items()}
        self._ids.setdefault(LATENCY_BOUNDS, DEFAULT)
        self.fresh: dict[int, tuple[float, ...]] = {}

    def ident(self, bounds: Sequence[float]) -> int:
        """The id of these finite, rising bounds; `DEFAULT` when they have to be folded."""
        key = tuple(bounds)
        if key in self._ids:
            return self._ids[key]
        if len(key) >= BUCKETS or len(self._ids) >= _MOST:
            return DEFAULT
        ident = max(self._ids.values()) + 1
        self._ids[key] = ident
        self._bounds[ident] = self.fresh[ident] = key
        return ident

    def slot(self, ident: int, bound: float) -> int:
        """The bucket of `ident` that holds values up to `bound` seconds."""
        bounds = LATENCY_BOUNDS if ident == DEFAULT else self._bounds[ident]
        return len(bounds) if math.isinf(bound) else bisect_left(bounds, bound)
