"""What is let in: limits per tenant, limits on labels, and which values make sense.

A refusal costs the sample or the series it names, never its batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from collector.config import LimitSettings, TenantLimits
from collector.model import Rejected, Rejection, TenantId

STALE_BITS = 0x7FF0000000000002
"""The NaN Prometheus ends a series with; only its bits tell it from other NaNs."""

FINE, NOT_FINITE, NEGATIVE, TOO_OLD, TOO_NEW, TENANT_RATE = range(6)
VERDICTS: tuple[Rejection | None, ...] = (
    None,
    Rejection.NOT_FINITE,
    Rejection.NEGATIVE,
    Rejection.TOO_OLD,
    Rejection.TOO_NEW,
    Rejection.TENANT_RATE,
)

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Verdicts = npt.NDArray[np.uint8]


def is_stale(values: Floats) -> Bools:
    """Which values are stale markers."""
    stale: Bools = values.view(np.uint64) == STALE_BITS
    return stale


def judge(values: Floats, ts_ms: Ints, *, now_ms: int, limits: LimitSettings) -> Verdicts:
    """A verdict per sample, as index into `VERDICTS`: is the value usable, the time in range."""
    verdicts = np.zeros(len(values), np.uint8)
    finite = np.isfinite(values)
    verdicts[finite & (values < 0)] = NEGATIVE
    verdicts[~finite & ~is_stale(values)] = NOT_FINITE
    verdicts[ts_ms < now_ms - int(limits.past_s * 1000)] = TOO_OLD
    verdicts[ts_ms > now_ms + int(limits.future_s * 1000)] = TOO_NEW
    return verdicts


def check_labels(labels: Mapping[str, str], limits: LimitSettings) -> None:
    """Raises Rejected(LABEL_LIMIT) on too many or too long labels."""
    if len(labels) > limits.labels:
        raise Rejected(
            Rejection.LABEL_LIMIT,
            f"{len(labels)} labels, allowed are {limits.labels}: drop some before sending",
        )
    shortest = min(limits.label_name_bytes, limits.label_value_bytes)
    for name, value in labels.items():
        if 4 * max(len(name), len(value)) <= shortest:
            continue  # no character takes more than 4 bytes
        if len(name.encode("utf-8", "replace")) > limits.label_name_bytes:
            raise Rejected(Rejection.LABEL_LIMIT, f"label name {name[:40]!r}... is too long")
        if len(value.encode("utf-8", "replace")) > limits.label_value_bytes:
            raise Rejected(
                Rejection.LABEL_LIMIT,
                f"value of label {name!r} is longer than {limits.label_value_bytes} bytes",
                field=name,
            )


class _Columns:
    """Growing parallel arrays, one entry a tenant."""

    def __init__(self) -> None:
        self.rate = np.ones(64)
        self.burst = np.ones(64)
        self.tokens = np.zeros(64)
        self.filled_at = np.zeros(64)
        self.series = np.zeros(64, np.int64)
        self.active = np.zeros(64, np.int64)

    def reserve(self, place: int) -> None:
        """Make room for `place`."""
        if place >= len(self.rate):
            for name, array in vars(self).items():
                setattr(self, name, np.concatenate([array, np.ones_like(array)]))


class Budgets:
    """Samples per second (token bucket) and active series of every tenant."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._special = {one.tenant: one for one in limits.tenants}
        self._places: dict[TenantId, int] = {}
        self._free: list[int] = []
        self._columns = _Columns()

    def __len__(self) -> int:
        return len(self._places)

    def take(self, tenant: TenantId, samples: int, *, now_s: float) -> int:
        """How many of these samples the tenant may send now; they are charged."""
        return int(self.take_each([tenant], np.array([samples]), now_s=now_s)[0])

    def take_each(self, tenants: Sequence[TenantId], samples: Ints, *, now_s: float) -> Ints:
        """`take` for many tenants at once, no tenant twice."""
        places = np.array([self._place(tenant, now_s) for tenant in tenants], np.int64)
        columns = self._columns
        filled_at = columns.filled_at[places]
        passed = np.maximum(now_s - filled_at, 0.0)
        tokens = columns.tokens[places] + passed * columns.rate[places]
        tokens = np.minimum(columns.burst[places], tokens)
        taken = np.minimum(samples, tokens.astype(np.int64))
        columns.filled_at[places] = np.maximum(now_s, filled_at)
        columns.tokens[places] = tokens - taken
        return taken

    def open_series(self, tenant: TenantId, *, now_s: float) -> None:
        """Count one more active series. Raises Rejected(TENANT_SERIES) at the limit."""
        place, columns = self._place(tenant, now_s), self._columns
        if columns.active[place] >= columns.series[place]:
            raise Rejected(
                Rejection.TENANT_SERIES,
                f"tenant {tenant} has {columns.active[place]} active series, the limit: send fewer "
                "label values or raise limits.active_series",
            )
        columns.active[place] += 1

    def close_series(self, tenant: TenantId) -> None:
        """One series of the tenant went idle."""
        self._columns.active[self._places[tenant]] -= 1

    def forget_series(self) -> None:
        """All series are unknown again (a new spool generation)."""
        self._columns.active[:] = 0

    def forget_idle(self, *, now_s: float) -> None:
        """Drop tenants whose bucket is full again and who have no series: bounded memory."""
        columns = self._columns
        refill = (columns.burst - columns.tokens) / columns.rate
        idle = (columns.active == 0) & (now_s - columns.filled_at > refill)
        for tenant in [one for one, place in self._places.items() if idle[place]]:
            self._free.append(self._places.pop(tenant))

    def _place(self, tenant: TenantId, now_s: float) -> int:
        place = self._places.get(tenant)
        if place is None:
            place = self._free.pop() if self._free else len(self._places)
            self._places[tenant] = place
            general, own = self._limits, self._special.get(tenant, TenantLimits(tenant))
            columns = self._columns
            columns.reserve(place)
            columns.rate[place] = own.samples_per_s or general.samples_per_s
            columns.burst[place] = columns.tokens[place] = own.burst or general.burst
            columns.series[place] = own.active_series or general.active_series
            columns.filled_at[place], columns.active[place] = now_s, 0
        return place
