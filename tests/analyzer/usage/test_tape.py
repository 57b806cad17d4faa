"""A tape against a dictionary: what was written is read, exactly or as half a word holds it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.detect.arrays import SIGNALS
from analyzer.usage.tape import Tape, _half, _whole

LENGTH, EXACT, AHEAD = 30, 8, 4
TENANTS = 3
LOG = SIGNALS.index("log_latency")
WAIT = SIGNALS.index("wait_s")


@dataclass
class Obvious:
    """The same as a dictionary that never forgets."""

    told: dict[tuple[int, int, int], float] = field(default_factory=dict)

    def value(self, signal: int, tenant: int, grain: int) -> float:
        return self.told.get((signal, tenant, grain), np.nan)

    def clear(self, since: int) -> None:
        self.told = {key: v for key, v in self.told.items() if key[2] < since}


@st.composite
def _steps(draw: st.DrawFn) -> list[tuple[str, int, int, float]]:
    count = draw(st.integers(1, 40))
    step = st.tuples(
        st.sampled_from(["move", "move", "write", "late", "clear"]),
        st.integers(0, 40),
        st.integers(0, len(SIGNALS) * TENANTS - 1),
        st.floats(-8, 8, width=32),
    )
    return [draw(step) for _ in range(count)]


@settings(deadline=None)
@given(_steps())
def test_what_was_written_is_read_whatever_the_order(steps):
    tape, model, shown = Tape(LENGTH, EXACT, AHEAD), Obvious(), 1_000
    tape.make_room(shown, shown)
    tape.grow(TENANTS)
    for kind, far, which, value in steps:
        tenant, signal = which % TENANTS, which // TENANTS
        signal = LOG if signal == WAIT else signal  # waits have a test of their own
        if kind == "move":
            tape.make_room(shown, shown + far)
            shown += far
        elif kind == "clear":
            since = shown - far
            tape.clear(since)
            model.clear(since)
        else:
            grain = shown - 1 - (far % LENGTH if kind == "late" else far % 3)
            rows = np.full((len(SIGNALS), 1), np.nan)
            rows[signal] = value
            tape.write(np.array([tenant]), np.array([grain]), rows)
            for other in range(len(SIGNALS)):  # a window written again replaces what it held
                model.told.pop((other, tenant, grain), None)
            model.told[signal, tenant, grain] = value
        _check(tape, model, shown)


def _check(tape: Tape, model: Obvious, shown: int) -> None:
    told = tape.read(TENANTS, shown - LENGTH, shown)
    for signal, name in enumerate(SIGNALS):
        wanted = np.array(
            [
                [model.value(signal, t, g) for g in range(shown - LENGTH, shown)]
                for t in range(TENANTS)
            ]
        )
        found = told.get(name, np.full(wanted.shape, np.nan))
        assert np.array_equal(np.isnan(found), np.isnan(wanted)), name
        newest = slice(LENGTH - EXACT, None)
        assert np.array_equal(found[:, newest], wanted[:, newest], equal_nan=True)
        room = 2.0**-8 if signal == LOG else np.abs(wanted) * 2.0**-8 + 1e-38
        assert not (np.abs(found - wanted) > room).any(), name


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32) | st.just(np.nan), min_size=1))
def test_half_a_word_keeps_any_magnitude(values):
    exact = np.array(values, np.float32)
    again = _whole(_half(exact, log=False), log=False)
    assert np.array_equal(np.isnan(again), np.isnan(exact))
    off, room = np.abs(again - exact), np.abs(exact) * 2.0**-8 + 1e-38
    assert not (off > room).any()


@given(st.floats(-8, 8, width=32))
def test_half_a_word_keeps_latencies_apart(value):
    again = _whole(_half(np.array([value], np.float32), log=True), log=True)
    assert again[0] == pytest.approx(value, abs=2.0**-8)


def test_the_newest_are_a_view_and_a_silent_signal_takes_no_memory():
    tape = Tape(540, 72, 16)
    tape.make_room(1_000, 1_000)
    tape.grow(100)
    rows = np.full((len(SIGNALS), 100), np.nan)
    rows[1] = 5.0
    tape.write(np.arange(100), np.full(100, 999), rows)
    told = tape.read(100, 940, 1_000)
    assert list(told) == ["count"]
    assert np.shares_memory(told["count"], tape.read(100, 990, 1_000)["count"])
    assert tape.nbytes == 100 * ((72 + 16) * 4 + (540 - 72) * 2)


def test_room_for_tenants_grows_by_what_is_missing():
    tape = Tape(540, 72, 16)
    tape.make_room(1_000, 1_000)
    rows = np.ones((len(SIGNALS), 1))
    for tenants in range(1, 201):
        tape.grow(tenants)
        tape.write(np.array([tenants - 1]), np.array([999]), rows)
    assert tape.read(200, 999, 1_000)["count"].sum() == 200
    one = len(SIGNALS) * ((72 + 16) * 4 + (540 - 72) * 2)
    assert tape.nbytes <= 1.08 * 200 * one


def test_waits_are_held_only_where_nobody_tells_a_latency():
    for latency, held in ((np.nan, True), (-3.0, False)):
        tape = Tape(60, 8, 4)
        tape.make_room(1_000, 1_000)
        tape.grow(1)
        rows = np.full((len(SIGNALS), 1), np.nan)
        rows[WAIT], rows[LOG] = 2.0, latency
        tape.write(np.array([0]), np.array([999]), rows)
        assert ("wait_s" in tape.read(1, 999, 1_000)) is held
