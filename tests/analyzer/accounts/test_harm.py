"""An incident costs its victims minutes, times the part lost, times what a minute is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from analyzer.accounts.harm import losses, part_lost
from analyzer.model import Blame, Harm, Kind, Signal
from collector.model import TenantId
from tests.analyzer.accounts.cast import NOON, incident

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("signal", "before", "during", "without", "lost"),
    [
        (Signal.LATENCY, 0.05, 0.2, 0.1, 0.5),
        (Signal.LATENCY, 0.05, 0.2, None, 0.75),
        (Signal.WAIT, 0.0, 4.0, 0.0, 1.0),
        (Signal.LATENCY, 0.2, 0.1, 0.2, 0.0),
        (Signal.LATENCY, 0.2, 0.0, 0.2, 0.0),
        (Signal.ERRORS, 0.01, 0.31, 0.01, 0.3),
    ],
)
def test_the_part_lost(signal, before, during, without, lost):
    assert part_lost(Harm(TenantId("globex"), signal, before, during, without)) == pytest.approx(
        lost
    )


def test_an_hour_at_half_the_service_costs_half_an_hour():
    case = incident(minutes=60)
    found = losses([case], NOON - HOUR, NOON + 2 * HOUR, {"globex": Fraction(7)})
    by_tenant = {loss.tenant: loss for loss in found}
    assert by_tenant["globex"].cost == 60 * 7 // 2
    assert by_tenant["initech"].cost == 0  # nothing is known of its worth
    assert by_tenant["globex"].minutes == 60


def test_only_the_part_inside_the_week_counts_and_an_open_one_runs_on():
    case = replace(incident(minutes=60), ended_at=None)
    (first, *_) = losses([case], NOON, NOON + HOUR / 2, {"globex": Fraction(2)})
    assert (first.minutes, first.cost) == (30, 30)
    assert losses([incident(minutes=60)], NOON + HOUR, NOON + 2 * HOUR, {}) == []


def test_only_noisy_neighbours_cost_their_victims():
    case = replace(incident(minutes=60), kind=Kind.CAPACITY)
    assert losses([case], NOON - HOUR, NOON + HOUR, {"globex": Fraction(2)}) == []


def test_blame_is_shared_by_contribution_and_sums_to_one():
    case = incident(minutes=60)
    two = (*case.finding.aggressors, Blame(TenantId("hooli"), 0.3, 1, 1, 0.1))
    (loss, *_) = losses(
        [replace(case, finding=replace(case.finding, aggressors=two))], NOON, NOON + HOUR, {}
    )
    assert dict(loss.blame) == pytest.approx({"acme": 0.75, "hooli": 0.25})
