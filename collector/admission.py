"""What is let in: limits per tenant, limits on labels, and which values make sense.

A refusal costs the sample or the series it names, never its batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(slots=True)
class _Budget:
    rate: float
    burst: float
    series: int
    tokens: float
    filled_at: float
    active: int = 0


class Budgets:
    """Samples per second (token bucket) and active series of every tenant."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._special = {one.tenant: one for one in limits.tenants}
        self._budgets: dict[TenantId, _Budget] = {}

    def __len__(self) -> int:
        return len(self._budgets)

    def take(self, tenant: TenantId, samples: int, *, now_s: float) -> int:
        """How many of these samples the tenant may send now; they are charged."""
        budget = self._of(tenant, now_s)
        passed = max(now_s - budget.filled_at, 0.0)
        budget.tokens = min(budget.burst, budget.tokens + passed * budget.rate)
        budget.filled_at = max(now_s, budget.filled_at)
        taken = min(samples, int(budget.tokens))
        budget.tokens -= taken
        return taken

    def open_series(self, tenant: TenantId, *, now_s: float) -> None:
        """Count one more active series. Raises Rejected(TENANT_SERIES) at the limit."""
        budget = self._of(tenant, now_s)
        if budget.active >= budget.series:
            raise Rejected(
                Rejection.TENANT_SERIES,
                f"tenant {tenant} has {budget.active} active series, the limit: send fewer label "
                "values or raise limits.active_series",
            )
        budget.active += 1

    def close_series(self, tenant: TenantId) -> None:
        """One series of the tenant went idle."""
        self._budgets[tenant].active -= 1

    def forget_series(self) -> None:
        """All series are unknown again (a new spool generation)."""
        for budget in self._budgets.values():
            budget.active = 0

    def forget_idle(self, *, now_s: float) -> None:
        """Drop tenants whose bucket is full again and who have no series: bounded memory."""
        for tenant, budget in list(self._budgets.items()):
            refill = (budget.burst - budget.tokens) / budget.rate
            if not budget.active and now_s - budget.filled_at > refill:
                del self._budgets[tenant]

    def _of(self, tenant: TenantId, now_s: float) -> _Budget:
        budget = self._budgets.get(tenant)
        if budget is None:
            general, own = self._limits, self._special.get(tenant, TenantLimits(tenant))
            burst = own.burst or general.burst
            budget = self._budgets[tenant] = _Budget(
                rate=own.samples_per_s or general.samples_per_s,
                burst=burst,
                series=own.active_series or general.active_series,
                tokens=burst,
                filled_at=now_s,
            )
        return budget
