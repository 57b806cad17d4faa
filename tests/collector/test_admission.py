import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from collector.admission import VERDICTS, Budgets, is_stale, judge
from collector.config import LimitSettings, TenantLimits
from collector.model import Rejected, Rejection, TenantId
from tests.collector.senders import STALE

NOW = 1_795_000_000_000
DAY = 86_400_000
ACME, GLOBEX = TenantId("acme"), TenantId("globex")


def verdict(value: float, ts_ms: int = NOW) -> Rejection | None:
    found = judge(np.array([value]), np.array([ts_ms]), now_ms=NOW, limits=LimitSettings())
    return VERDICTS[int(found[0])]


@pytest.mark.parametrize(
    ("value", "ts_ms", "expected"),
    [
        (1.0, NOW, None),
        (0.0, NOW, None),
        (-0.0, NOW, None),
        (STALE, NOW, None),
        (math.nan, NOW, Rejection.NOT_FINITE),
        (math.inf, NOW, Rejection.NOT_FINITE),
        (-math.inf, NOW, Rejection.NOT_FINITE),
        (-1e-300, NOW, Rejection.NEGATIVE),
        (1.0, NOW - 14 * DAY, None),
        (1.0, NOW - 14 * DAY - 1, Rejection.TOO_OLD),
        (1.0, NOW + 600_000, None),
        (1.0, NOW + 600_001, Rejection.TOO_NEW),
        (1.0, 0, Rejection.TOO_OLD),
        (1.0, -(2**63), Rejection.TOO_OLD),
        (1.0, 2**63 - 1, Rejection.TOO_NEW),
    ],
)
def test_values_and_times_have_bounds(value, ts_ms, expected):
    assert verdict(value, ts_ms) is expected


@given(nps.arrays(np.uint64, 30))
def test_no_bit_pattern_but_the_stale_marker_lets_something_unusable_in(bits):
    values = bits.view(np.float64)
    verdicts = judge(values, np.full(30, NOW), now_ms=NOW, limits=LimitSettings())
    admitted = values[(verdicts == 0) & ~is_stale(values)]

    assert np.isfinite(admitted).all()
    assert (admitted >= 0).all()


def test_a_tenant_has_a_burst_and_then_its_rate():
    budgets = Budgets(LimitSettings(samples_per_s=10, burst=100))

    assert budgets.take(ACME, 150, now_s=0) == 100
    assert budgets.take(ACME, 150, now_s=0) == 0
    assert budgets.take(ACME, 150, now_s=5) == 50
    assert budgets.take(GLOBEX, 100, now_s=5) == 100
    assert budgets.take(ACME, 1000, now_s=1000) == 100


def test_a_clock_that_goes_back_gives_nothing_away():
    budgets = Budgets(LimitSettings(samples_per_s=10, burst=100))
    budgets.take(ACME, 100, now_s=100)

    assert budgets.take(ACME, 10, now_s=50) == 0
    assert budgets.take(ACME, 100, now_s=101) == 10


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 500)), max_size=30))
def test_nobody_ever_gets_more_than_burst_and_rate_allow(asks):
    budgets = Budgets(LimitSettings(samples_per_s=20, burst=100))
    now = taken = 0.0
    for pause, count in asks:
        now += pause
        taken += budgets.take(ACME, count, now_s=now)
    assert taken <= 100 + 20 * now + 1e-6


def test_series_are_counted_per_tenant_and_freed():
    budgets = Budgets(LimitSettings(active_series=2))
    budgets.open_series(ACME, now_s=0)
    budgets.open_series(ACME, now_s=0)
    with pytest.raises(Rejected, match="acme has 2 active series"):
        budgets.open_series(ACME, now_s=0)
    budgets.open_series(GLOBEX, now_s=0)
    budgets.close_series(ACME)

    budgets.open_series(ACME, now_s=0)


def test_a_tenant_may_have_limits_of_its_own():
    own = TenantLimits("acme", burst=7, active_series=1)
    budgets = Budgets(LimitSettings(burst=3, samples_per_s=1, tenants=(own,)))

    assert budgets.take(ACME, 100, now_s=0) == 7
    assert budgets.take(GLOBEX, 100, now_s=0) == 3


def test_tenants_that_went_away_are_forgotten():
    budgets = Budgets(LimitSettings(samples_per_s=10, burst=100))
    for number in range(100):
        budgets.take(TenantId(f"t{number}"), 50, now_s=0)
    budgets.forget_idle(now_s=1)
    kept = len(budgets)
    budgets.forget_idle(now_s=10)

    assert (kept, len(budgets)) == (100, 0)


def test_what_all_send_together_has_a_limit_too():
    budgets = Budgets(LimitSettings(samples_per_s_total=10, burst_total=100))

    assert budgets.take_of_all(150, now_s=0), "an empty crowd takes any body"
    assert not budgets.take_of_all(1, now_s=0)
    assert not budgets.take_of_all(60, now_s=10)
    assert budgets.take_of_all(60, now_s=11)


def test_what_was_charged_in_vain_is_given_back():
    budgets = Budgets(LimitSettings(samples_per_s=1, burst=100))
    budgets.take(ACME, 100, now_s=0)
    budgets.give_back(budgets.places([ACME], now_s=0), np.array([40]))

    assert budgets.take(ACME, 100, now_s=0) == 40
