"""The compiled scan says what its NumPy form says, whatever the body."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import loops
from collector.decode.compression import Plain
from collector.decode.remote_write import decode
from collector.keys import SCAN, KeyIndex
from collector.readings import Readings
from collector.series import SeriesBook
from tests.collector.books import book
from tests.collector.decode.twins import ORIGIN, Said, T, told
from tests.collector.decode.twins import Twins as OfForm
from tests.collector.senders import STALE, field, sample, series, varint, write_request

NAMES = ["partywall_finished_total", "partywall_waiting", "nobody_knows_this", ""]


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    """Only here: other tests read the NumPy form, which a process has until loops are loaded."""
    assert loops.load(SCAN)
    yield
    loops._loaded.clear()


def read(data: bytes, known: SeriesBook, most: int) -> Readings:
    return decode(Plain.of(data), known, ORIGIN, now_s=T / 1000, max_series=most)


def said(data: bytes, known: SeriesBook) -> Said:
    return told(read, data, known, 1000)


class Twins(OfForm):
    def __init__(self) -> None:
        super().__init__(read)


def labels(number: int) -> dict[str, str]:
    return {
        "__name__": NAMES[number % len(NAMES)],
        "tenant": f"acme-{number}",
        "shard": "x" * (number * 37 % 211),
    }


entries = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.lists(
            st.tuples(
                st.sampled_from([0.0, -0.0, 1.5, STALE, float("nan"), float("inf"), -3.0]),
                st.sampled_from([T, T + 1, 0, -1, 1 << 35, 1 << 62]),
            ),
            max_size=2,
        ),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(entries, min_size=1, max_size=4))
def test_bodies_in_any_order_with_anything_in_them(bodies) -> None:
    twins = Twins()
    for body in bodies:
        raw = write_request(*(series(labels(n), points) for n, points in body))
        for _ in range(2):  # the second time everything is known
            twins.agree(raw)


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_bodies(rng: random.Random) -> None:
    Twins().agree_mutated(
        write_request(*(series(labels(n), [(n / 3, T + n)]) for n in range(12))), rng
    )


def test_what_fuzzing_found() -> None:
    Twins().agree_found("remote_write")


def test_a_body_cut_at_any_byte() -> None:
    Twins().agree_cut(write_request(*(series(labels(n), [(1.0, T)]) for n in range(3))))


def test_lengths_and_tags_written_strangely() -> None:
    twins = Twins()
    entry = series(labels(0), [(2.0, T)])
    long_length = b"\x0a" + bytes([len(entry) & 0x7F | 0x80, len(entry) >> 7 | 0x80, 0]) + entry
    lookalike = series(labels(0), []) + field(3, sample(1.0, T) + b"\x12\x00" * 3)
    for body in (
        write_request(entry),
        long_length * 2,
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + entry,
        b"\x8a\x00" + varint(len(entry)) + entry,
        write_request(entry, lookalike, entry),
        write_request(*[b""] * 5),
        b"\x02\x00",
        b"",
    ):
        twins.agree(body)
        twins.agree(body)


def test_more_series_than_allowed_are_refused() -> None:
    twins = Twins()
    body = write_request(*(series(labels(n), [(1.0, T)]) for n in range(11)))
    assert twins.agree(body, most=11)[0] == ""
    assert twins.agree(body, most=10)[0] == "too-many-fields"


def test_what_was_forgotten_is_learnt_again() -> None:
    """A slot that goes to another series must not keep the key of the first."""
    twins = Twins()
    first = write_request(*(series(labels(n), [(1.0, T)]) for n in range(0, 40, 4)))
    other = write_request(*(series(labels(n), [(1.0, T)]) for n in range(100, 140, 4)))
    for body in (first, other, first):
        twins.agree(body)
        twins.agree(body)
        for one in (twins.fast, twins.plain):
            one.sweep(now_s=T / 1000 + 100_000)
            assert len(one) == 0


def test_keys_are_compared_and_not_only_their_hashes() -> None:
    """As if another key had the same hash: what the arena holds differs in one byte."""
    known = book()
    raw = write_request(*(series(labels(n), [(1.0, T)]) for n in range(0, 80, 4)))
    said(raw, known)
    index = known.index(ORIGIN)
    place, length, _ = index.entries[7].tolist()
    for at in (place, place + length // 2, place + length - 1):
        index.arena[at] ^= 1
        found = said(raw, known)
        assert len(found[1]) == 20
        assert index.known == 21
        index.arena[at] ^= 1
        index.known = 20
        index.table[index.table[:, 1] == 20] = 0


def test_an_index_grows_and_forgets() -> None:
    index, room = KeyIndex(), Plain.of(b"".join(b"%06d" % n for n in range(5000))).room
    spans = np.array([(6 * n, 6 * n + 6) for n in range(5000)], np.int64)
    for at in range(0, 5000, 700):
        part = spans[at : at + 700]
        index.remember(room, part, np.arange(at, at + len(part)))
    assert index.known == 5000
    index.forget(np.arange(0, 1000))
    assert np.count_nonzero(index.entries[: index.known, 2] < 0) == 1000
    index.remember(room, spans[:10], np.arange(10) + 9000)
    assert index.known == 5000
    assert index.entries[:10, 2].tolist() == list(range(9000, 9010))
    index.forget(np.arange(0, 10_000))
    assert index.known == 0
