"""What is let in: limits per tenant, limits on labels, and which values make sense.

A refusal costs the sample or the series it names, never its batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from collector.config import LimitSettings, TenantLimits
from collector.model import Rejected, Rejection, TenantId
from collector.overrides import Overrides

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


@dataclass(slots=True)
class _Crowd:
    """The token bucket of all tenants together."""

    rate: float
    burst: float
    tokens: float
    filled_at: float = 0.0

    def take(self, samples: int, now_s: float) -> bool:
        """Whether they fit. A full bucket takes any body: else a large one could never come in."""
        passed = max(now_s - self.filled_at, 0.0)
        self.tokens = min(self.burst, self.tokens + passed * self.rate)
        self.filled_at = max(now_s, self.filled_at)
        fits = samples <= self.tokens or self.tokens >= self.burst
        if fits:
            self.tokens -= samples
        return fits


class Budgets:
    """Samples per second (token buckets) and active series, of every tenant and of all."""

    def __init__(self, limits: LimitSettings, overrides: Overrides | None = None) -> None:
        self._limits = limits
        self.overrides = overrides or Overrides(limits.tenants, limits.overrides)
        self.widest = self._widest()
        burst = limits.burst_total
        self._crowd = _Crowd(limits.samples_per_s_total, burst, burst)
        self._places: dict[TenantId, int] = {}
        self._free: list[int] = []
        self._columns = _Columns()
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._places)

    def take(self, tenant: TenantId, samples: int, *, now_s: float) -> int:
        """How many of these samples the tenant may send now; they are charged."""
        return int(self.take_each([tenant], np.array([samples]), now_s=now_s)[0])

    def take_each(self, tenants: Sequence[TenantId], samples: Ints, *, now_s: float) -> Ints:
        """`take` for many tenants at once, no tenant twice."""
        return self.charge(self.places(tenants, now_s=now_s), samples, now_s=now_s)

    def places(self, tenants: Sequence[TenantId], *, now_s: float) -> Ints:
        """Numbers by which `charge` knows the tenants; good until `epoch` changes."""
        return np.array([self._place(tenant, now_s) for tenant in tenants], np.int64)

    def charge(self, places: Ints, samples: Ints, *, now_s: float) -> Ints:
        """`take_each` by places."""
        columns = self._columns
        filled_at = columns.filled_at[places]
        passed = np.maximum(now_s - filled_at, 0.0)
        tokens = columns.tokens[places] + passed * columns.rate[places]
        tokens = np.minimum(columns.burst[places], tokens)
        taken = np.minimum(samples, tokens.astype(np.int64))
        columns.filled_at[places] = np.maximum(now_s, filled_at)
        columns.tokens[places] = tokens - taken
        return taken

    def give_back(self, places: Ints, samples: Ints) -> None:
        """Samples that `charge` charged and that could not be taken."""
        self._columns.tokens[places] += samples

    def take_of_all(self, samples: int, *, now_s: float) -> bool:
        """Whether so many samples may come in from all tenants together; they are charged."""
        return self._crowd.take(samples, now_s)

    def refresh(self, *, now_s: float) -> None:
        """Take over the overrides where their file has changed, for known tenants, too."""
        if not self.overrides.refresh(now_s=now_s):
            return
        self.widest = self._widest()
        self.take_each(list(self._places), np.zeros(len(self._places), np.int64), now_s=now_s)
        columns = self._columns
        for tenant, place in self._places.items():
            columns.rate[place], columns.burst[place], columns.series[place] = self._allowed(tenant)
        columns.tokens = np.minimum(columns.tokens, columns.burst)

    def check_labels(self, tenant: TenantId, labels: Mapping[str, str]) -> None:
        """Raises Rejected(LABEL_LIMIT) on more than the tenant's own limits allow."""
        own = self.overrides.limits.get(tenant)
        narrowed = self._limits if own is None else _with_own(self._limits, own)
        if narrowed is not self.widest:
            check_labels(labels, narrowed)

    def open_series(self, tenant: TenantId, *, now_s: float) -> None:
        """Count one more active series. Raises Rejected(TENANT_SERIES) at the limit."""
        self.check_series(tenant, now_s=now_s)
        self._columns.active[self._places[tenant]] += 1

    def check_series(self, tenant: TenantId, *, now_s: float) -> None:
        """Raises Rejected(TENANT_SERIES) when the tenant may have no further series."""
        place, columns = self._place(tenant, now_s), self._columns
        if columns.active[place] >= columns.series[place]:
            raise Rejected(
                Rejection.TENANT_SERIES,
                f"tenant {tenant} has {columns.active[place]} active series, the limit: send fewer "
                "label values or raise limits.active_series",
            )

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
            self.epoch += 1

    def _place(self, tenant: TenantId, now_s: float) -> int:
        place = self._places.get(tenant)
        if place is None:
            place = self._free.pop() if self._free else len(self._places)
            self._places[tenant] = place
            columns = self._columns
            columns.reserve(place)
            columns.rate[place], columns.burst[place], columns.series[place] = self._allowed(tenant)
            columns.tokens[place] = columns.burst[place]
            columns.filled_at[place], columns.active[place] = now_s, 0
        return place

    def _allowed(self, tenant: TenantId) -> tuple[float, float, int]:
        """Rate, burst and series of a tenant."""
        general, own = self._limits, self.overrides.of(tenant)
        return (
            own.samples_per_s or general.samples_per_s,
            own.burst or general.burst,
            own.active_series or general.active_series,
        )

    def _widest(self) -> LimitSettings:
        """The general limits, with the label limits of the tenant who may send the most."""
        own = self.overrides.limits.values()
        if not own:
            return self._limits
        wide = {
            name: max([getattr(self._limits, name), *(getattr(one, name) for one in own)])
            for name in _LABEL_LIMITS
        }
        return replace(self._limits, **wide)


_LABEL_LIMITS = ("labels", "label_name_bytes", "label_value_bytes")


def _with_own(general: LimitSettings, own: TenantLimits) -> LimitSettings:
    mine = {name: getattr(own, name) for name in _LABEL_LIMITS if getattr(own, name)}
    return replace(general, **mine)
