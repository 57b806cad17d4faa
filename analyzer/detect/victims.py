"""Harm first: who feels the resource slower, fail or stall against their own normal (law 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.arrays import Bools, Floats, Normal, zeroed
from analyzer.detect.demand import Work
from analyzer.detect.settings import DetectSettings

ERROR_WEIGHT = 8.0
"""An error ratio 10 points above normal hurts like a slowdown of 1 + 8 * 0.1."""


@dataclass(frozen=True, slots=True)
class Harmed:
    """Per tenant and window: `rise` log slowdown over normal (NaN: nothing felt), `by_errors` the
    same for failures, `by_stall` for work that arrives and does not finish; `weight` how much a
    tenant's word counts; `hurt` who left its own normal; `felt` who could have noticed at all.
    """

    rise: Floats
    by_errors: Floats
    by_stall: Floats
    weight: Floats
    hurt: Bools
    felt: Bools


def harmed(work: Work, normal: Normal, settings: DetectSettings, seconds: float) -> Harmed:
    """Compare felt latency, errors and stalls of the span of `seconds` with each tenant's own."""
    slower = work.felt - normal.felt[:, None]
    errors = _by_errors(work, normal, seconds)
    stall = _by_stall(work, seconds)
    enough = (work.operations >= settings.min_operations) & ~np.isnan(slower)
    spread = np.minimum(2.0 * normal.felt_spread, 1.0)[:, None]
    threshold = np.maximum(np.log(settings.harm), spread)
    slow = enough & (np.nan_to_num(slower) > threshold)
    rise = np.fmax(np.fmax(slower, np.where(errors > 0, errors, np.nan)), _or_nan(stall))
    hurt = slow | (errors > np.log(settings.harm)) | (stall > 0)
    felt = enough | (stall > 0) | (errors > 0)
    count = np.maximum(work.operations, np.where(stall > 0, work.arrivals * seconds, 0.0))
    weight = np.where(felt, np.minimum(count, 30.0), 0.0)
    return Harmed(rise, errors, stall, weight, hurt, felt)


def _or_nan(values: Floats) -> Floats:
    known: Floats = np.where(values > 0, values, np.nan)
    return known


def _by_errors(work: Work, normal: Normal, seconds: float) -> Floats:
    """Failures beyond three standard deviations and five points above normal, as log slowdown."""
    done = np.maximum(work.operations, 1.0)
    ratio = np.minimum(work.errors * seconds / done, 1.0)
    usual = np.minimum(normal.error_ratio, 1.0)[:, None]
    noise = 3.0 * np.sqrt(usual * (1 - usual) * done + 1.0) / done
    more = ratio - usual
    pain = np.log1p(ERROR_WEIGHT * np.maximum(more, 0.0))
    felt: Floats = np.where(more > np.maximum(noise, 0.05), pain, 0.0)
    return felt


def _by_stall(work: Work, seconds: float) -> Floats:
    """Less than half of at least ten arrivals finished: log of arrivals per finished."""
    begun, done = work.arrivals * seconds, work.operations
    stalled = (begun >= 10.0) & (done < 0.5 * begun)
    felt: Floats = np.where(stalled, np.log((begun + 1.0) / (done + 1.0)), 0.0)
    return felt


def shared_slowdown(seen: Harmed) -> Floats:
    """Pooled log slowdown of everybody, [windows]."""
    weighted = seen.weight * clipped(seen.rise)
    pooled: Floats = weighted.sum(axis=0) / np.maximum(seen.weight.sum(axis=0), 1e-9)
    return pooled


def unclipped_slowdown(seen: Harmed) -> Floats:
    """The same with every word taken as it is: the height of the harm, not whether there is one."""
    weighted = seen.weight * zeroed(seen.rise)
    pooled: Floats = weighted.sum(axis=0) / np.maximum(seen.weight.sum(axis=0), 1e-9)
    return pooled


def slowdown_of_others(seen: Harmed) -> Floats:
    """The same without tenant i, [tenants, windows]: the sum leaves each one out in turn."""
    weighted = seen.weight * clipped(seen.rise)
    rest = seen.weight.sum(axis=0) - seen.weight
    pooled: Floats = (weighted.sum(axis=0) - weighted) / np.maximum(rest, 1e-9)
    return pooled


def breadth_of_others(seen: Harmed) -> Floats:
    """Share of the other tenants that are hurt, [tenants, windows]."""
    hurt = seen.hurt & seen.felt
    rest = seen.felt.sum(axis=0) - seen.felt
    share: Floats = (hurt.sum(axis=0) - hurt) / np.maximum(rest, 1)
    return share


def clipped(rise: Floats) -> Floats:
    """One tenant's word is bounded: between a third faster and twenty times slower."""
    word: Floats = np.clip(zeroed(rise), -0.3, 3.0)
    return word
