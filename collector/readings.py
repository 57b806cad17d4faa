"""What a decoder says of a body: samples as arrays, and what it could not read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collector.model import Rejection, TenantId


@dataclass(frozen=True, slots=True)
class Readings:
    """Decoded samples as parallel arrays; `slots` index the `SeriesBook` they were decoded with.

    `owner` numbers the native histogram a sample is part of (-1: none; None: the body has none): it
    is taken whole or not at all. `exemplars` are the slots of the series that brought some.
    """

    slots: npt.NDArray[np.int64]
    ts_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    start_ms: npt.NDArray[np.int64] | None = None
    refused: tuple[Refused, ...] = ()
    owner: npt.NDArray[np.int64] | None = None
    exemplars: npt.NDArray[np.int64] | None = None

    def followed_by(self, then: Readings) -> Readings:
        """The samples of both, and what both refused; for readings without owners and exemplars."""
        starts = None
        if self.start_ms is not None or then.start_ms is not None:
            starts = np.concatenate([self._starts(), then._starts()])
        return Readings(
            np.concatenate([self.slots, then.slots]),
            np.concatenate([self.ts_ms, then.ts_ms]),
            np.concatenate([self.values, then.values]),
            starts,
            self.refused + then.refused,
        )

    def _starts(self) -> npt.NDArray[np.int64]:
        return np.zeros(len(self.slots), np.int64) if self.start_ms is None else self.start_ms


@dataclass(frozen=True, slots=True)
class Refused:
    """Samples or rows that were not taken: how many, why, and the first one's story."""

    reason: Rejection
    count: int
    detail: str
    tenant: TenantId | None = None
    field: str = ""
