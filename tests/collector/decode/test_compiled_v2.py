"""The compiled scan of remote write 2.0 says what the general road says, whatever the body."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import keys, loops
from collector.config import LimitSettings
from collector.decode import remote_write_v2
from collector.decode.compression import Plain
from collector.decode.remote_write_v2 import decode
from collector.keys import SCAN
from collector.readings import Readings
from collector.series import SeriesBook
from tests.collector.books import book
from tests.collector.decode.twins import ORIGIN, T, Twins, told
from tests.collector.senders import STALE, SymbolTable, field, native, sample, varint

NAMES = ["partywall_finished_total", "partywall_waiting", "nobody_knows_this", ""]
METADATA = field(5, b"\x08\x01\x18\x02")
CREATED = b"\x30" + varint(T - 9)
EXEMPLAR = field(4, b"\x11" + bytes(8))


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    assert loops.load(SCAN)
    yield
    loops._loaded.clear()


def read(data: bytes, known: SeriesBook, most: int) -> Readings:
    limits = replace(LimitSettings(), series_per_request=most)
    return decode(Plain.of(data), known, ORIGIN, now_s=T / 1000, limits=limits)


def labels(number: int) -> dict[str, str]:
    return {
        "__name__": NAMES[number % len(NAMES)],
        "tenant": f"acme-{number}",
        "shard": "x" * (number * 37 % 211),
    }


def request(numbers: Sequence[int], value: float = 1.0) -> bytes:
    table = SymbolTable()
    return table.request(*(table.series(labels(n), [(value, T)]) for n in numbers))


points = st.tuples(
    st.sampled_from([0.0, -0.0, 1.5, STALE, float("nan"), float("inf"), -3.0]),
    st.sampled_from([T, T + 1, 0, -1, 1 << 35, 1 << 62]),
)
entries = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.lists(points, max_size=2),
        st.sampled_from(
            [b"", METADATA, CREATED, EXEMPLAR, METADATA + CREATED, b"\x08\x01", b"\x38\x07"]
        ),
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(entries, min_size=1, max_size=4))
def test_bodies_in_any_order_with_anything_in_them(bodies) -> None:
    twins = Twins(read)
    for body in bodies:
        table = SymbolTable()  # each body numbers its symbols anew
        parts = []
        for number, found, more, before in body:
            one = table.series(labels(number), found)
            parts.append(more + one if before else one + more)
        for _ in range(2):
            twins.agree(table.request(*parts))


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_bodies(rng: random.Random) -> None:
    Twins(read).agree_mutated(request(range(12)), rng)


def test_what_fuzzing_found() -> None:
    Twins(read).agree_found("remote_write_v2")


def test_a_body_cut_at_any_byte() -> None:
    Twins(read).agree_cut(request(range(3)))


def test_starts_of_samples_and_of_series() -> None:
    table = SymbolTable()
    own = field(2, sample(1.0, T) + b"\x18" + varint(T - 5))
    body = table.request(
        table.series(labels(0), []) + own,
        table.series(labels(4), [(1.0, T)]) + CREATED,
        CREATED + table.series(labels(8), []) + own,
        table.series(labels(12), [(1.0, T)]),
    )
    twins = Twins(read)
    for _ in range(2):
        _, said, _ = twins.agree(body)
        assert sorted(start for *_, start in said) == [0, T - 9, T - 5, T - 5]


def test_histograms_stand_beside_plain_samples() -> None:
    table = SymbolTable()
    named = {**labels(0), "__name__": "partywall_latency_seconds"}
    body = table.request(
        table.native_series(named, native(T, {0: 4}, scale=0), more=EXEMPLAR),
        table.series(labels(4), [(1.0, T)]),
    )
    twins = Twins(read)
    first = twins.agree(body)
    assert twins.agree(body) == first
    assert len(first[1]) > 1


def test_known_series_do_not_take_the_general_road(monkeypatch) -> None:
    known = book()
    told(read, request(range(0, 40, 4)), known, 100)
    monkeypatch.setattr(remote_write_v2, "_Reader", None)
    other_order = request(list(range(36, -1, -4)), 7.0)
    found = read(other_order, known, 100)
    assert found.values.tolist() == [7.0] * 10
    assert found.exemplars is None


@pytest.mark.parametrize("symbol", [b"\xff\xfe", b"\xc3"])
def test_a_symbol_that_is_no_text_refuses_the_body(symbol: bytes) -> None:
    twins = Twins(read)
    whole = request(range(4))
    assert twins.agree(whole)[0] == ""
    assert twins.agree(whole + field(4, symbol))[0] == "malformed-body"
    assert twins.agree(field(4, symbol) + whole)[0] == "malformed-body"


def test_the_first_symbol_must_be_empty() -> None:
    assert Twins(read).agree(field(4, b"tenant") + request([0]))[0] == "malformed-body"


def test_more_series_than_allowed_are_refused() -> None:
    twins = Twins(read)
    body = request(range(11))
    assert twins.agree(body, most=11)[0] == ""
    assert twins.agree(body, most=10)[0] == "too-many-fields"


def test_what_was_forgotten_is_learnt_again() -> None:
    twins = Twins(read)
    first, other = request(range(0, 40, 4)), request(range(100, 140, 4))
    for body in (first, other, first):
        twins.agree(body)
        twins.agree(body)
        for one in (twins.fast, twins.plain):
            one.sweep(now_s=T / 1000 + 100_000)
            assert len(one) == 0


def test_forgotten_symbols_get_new_numbers(monkeypatch) -> None:
    """A number that came back for another symbol would give one series' samples to another."""
    twins = Twins(read)
    monkeypatch.setattr(keys, "MOST_SYMBOL_BYTES", 500)
    for first in (0, 400, 800, 0, 400):
        body = request(range(first, first + 40, 4))
        twins.agree(body)
        twins.agree(body)
    assert twins.fast.symbols.given > 60
    assert twins.fast.symbols.known < 40


def test_where_numbers_end_the_general_road_reads(monkeypatch) -> None:
    monkeypatch.setattr(keys, "LAST_NUMBER", 8)
    twins = Twins(read)
    for _ in range(2):
        assert len(twins.agree(request(range(0, 40, 4)))[1]) == 10


def test_keys_of_no_room_are_read_all_the_same(monkeypatch) -> None:
    monkeypatch.setattr(remote_write_v2, "_KEY_ROOM", 60)
    twins = Twins(read)
    body = request(range(0, 40, 4))
    for _ in range(3):
        assert len(twins.agree(body)[1]) == 10


def test_symbols_are_compared_and_not_only_their_hashes() -> None:
    known = book()
    raw = request(range(0, 80, 4))
    before = told(read, raw, known, 100)
    index = known.symbols
    place, length, _ = index.entries[7].tolist()
    index.arena[place + length // 2] ^= 1
    assert told(read, raw, known, 100) == before
    assert np.count_nonzero(index.entries[: index.known, 2] == index.given - 1) == 1
