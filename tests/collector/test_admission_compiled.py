"""The compiled admission lets in what its NumPy form lets in, and charges the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import loops
from collector.app import Collector
from collector.config import LimitSettings, MeterRule
from collector.intake import ADMIT
from collector.model import Column
from collector.readings import Readings
from collector.series import Origin, SeriesBook
from tests.collector.frames import plains
from tests.collector.rooms import collector
from tests.collector.senders import STALE

NOW = 1_795_000_000_000
RULE = MeterRule(name="app_ms_total", column=Column.BUSY, scale=0.001)
LIMITS = LimitSettings(samples_per_s=1, burst=40)
KNOWN = [
    {"__name__": "partywall_finished_total", "tenant": "acme"},
    {"__name__": "partywall_errors_total", "tenant": "acme"},
    {"__name__": "app_ms_total", "tenant": "globex"},
    {"__name__": "partywall_waiting"},
    {"__name__": "nobody_knows_this", "tenant": "acme"},
    {"__name__": "partywall_waiting", "tenant": "initech", "family": "sql"},
    {"__name__": "http_server_request_duration_seconds_count", "error_type": "timeout"},
]


class Twins:
    """Two collectors that were told the same; one admits step by step."""

    def __init__(self, directory: Path) -> None:
        self.sides = [
            collector(directory / name, limits=LIMITS, meters=(RULE,)) for name in ("fast", "plain")
        ]
        for side in self.sides:
            for number, labels in enumerate(KNOWN):
                self.book(side).learn(Origin("x"), b"%d" % number, labels, now_s=NOW / 1000)

    def book(self, side: Collector) -> SeriesBook:
        return side.intake._current_book(NOW / 1000)

    def agree(self, readings: Readings, now_ms: int) -> bool:
        """Whether the loop took it; what comes out is the same in any case."""
        fast, plain = (side.intake for side in self.sides)
        books = [self.book(side) for side in self.sides]
        by_loop = fast._admit_plain(books[0], readings, now_ms)
        found = by_loop or fast._admit_each(books[0], readings, now_ms)
        expected = plain._admit_each(books[1], readings, now_ms)
        assert plains(found[0]) == plains(expected[0])
        assert found[1] == expected[1]
        for name in ("tokens", "filled_at", "active"):
            left, right = (getattr(i._budgets._columns, name).tolist() for i in (fast, plain))
            assert left == right
        assert fast.quarantine.samples == plain.quarantine.samples
        assert (books[0].columns.seen_s == books[1].columns.seen_s).all()
        return by_loop is not None


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    assert loops.load(ADMIT)
    both = Twins(tmp_path_factory.mktemp("twins"))
    yield both
    for side in both.sides:
        side.close()
    loops._loaded.clear()


def readings(
    slots: list[int], values: list[float], ts_ms: list[int], start_ms: list[int] | None = None
) -> Readings:
    starts = None if start_ms is None else np.array(start_ms, np.int64)
    return Readings(np.array(slots, np.int64), np.array(ts_ms, np.int64), np.array(values), starts)


VALUES = [0.0, -0.0, 1.5, 1e300, STALE, float("nan"), float("inf"), -1.0]


@settings(max_examples=80, deadline=None)
@given(rng=st.randoms(use_true_random=False), sound=st.booleans())
def test_any_readings(twins: Twins, rng: random.Random, sound: bool) -> None:
    count = rng.randint(0, 30)
    slots = [rng.randrange(5 if sound else len(KNOWN)) for _ in range(count)]
    values = [rng.choice(VALUES[:5] if sound else VALUES) for _ in range(count)]
    odd_times = [NOW - 15 * 86_400_000, NOW + 700_000, -(2**63), 2**63 - 1]
    ts_ms = [NOW if sound or rng.random() < 0.9 else rng.choice(odd_times) for _ in range(count)]
    starts = (
        [NOW - rng.choice([0, 5, 60_000]) for _ in range(count)] if rng.random() < 0.5 else None
    )
    twins.agree(readings(slots, values, ts_ms, starts), NOW + rng.choice([0, 30_000, 100_000]))


def test_a_sound_body_is_taken_by_the_loop_and_an_odd_one_is_not(twins: Twins) -> None:
    later = NOW + 10**7
    sound = [(0, 1.0), (2, STALE), (2, 2000.0), (3, 4.0), (4, 5.0)]
    slots, values = [s for s, _ in sound], [v for _, v in sound]
    assert twins.agree(readings(slots, values, [later] * 5), later)
    assert twins.agree(readings(slots, values, [later] * 5, [1, 2, 3, 4, 5]), later)
    without = replace(readings(slots, values, [later] * 5), exemplars=np.zeros(0, np.int64))
    assert twins.agree(without, later)
    assert not twins.agree(replace(without, exemplars=np.array([2])), later)
    assert not twins.agree(readings(slots, [-1.0, *values[1:]], [later] * 5), later)
    assert not twins.agree(readings([5], [1.0], [later]), later)
    assert not twins.agree(readings([6], [1.0], [later]), later)
    assert not twins.agree(readings([0] * 100, [1.0] * 100, [later] * 100), later)
