"""What the series book knows of its slots, as growing parallel arrays."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

NO_SERIES = -1


class SlotColumns:
    """Growing parallel arrays, one entry a slot."""

    def __init__(self) -> None:
        self.sid = np.full(1024, NO_SERIES, np.int64)
        self.second = np.full(1024, NO_SERIES, np.int64)
        self.tenant = np.zeros(1024, np.int32)
        self.state = np.zeros(1024, np.uint8)
        self.scale = np.ones(1024)
        self.seen_s = np.zeros(1024)

    def reserve(self, slot: int) -> None:
        """Make room for `slot`."""
        if slot >= len(self.sid):
            self.sid, self.second = _doubled(self.sid), _doubled(self.second)
            self.tenant, self.state = _doubled(self.tenant), _doubled(self.state)
            self.scale, self.seen_s = _doubled(self.scale), _doubled(self.seen_s)


Number = TypeVar("Number", np.int64, np.int32, np.uint8, np.float64)


def _doubled(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    return np.concatenate([array, np.zeros_like(array)])
