"""Pages read by the compiled loop say what they say line by line, whatever stands on them."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import loops
from collector.decode.exposition import decode
from collector.keys import PAGES, SCAN
from collector.readings import Readings
from collector.series import SeriesBook
from tests.collector.books import book
from tests.collector.decode.twins import ORIGIN, T, Twins, told


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    """Only here: other tests read line by line, as a process does until loops are loaded."""
    assert loops.load(SCAN, PAGES)
    yield
    loops._loaded.clear()


def text(data: bytes, known: SeriesBook, most: int) -> Readings:
    return decode(data, known, ORIGIN, now_ms=T, max_series=most)


def openmetrics(data: bytes, known: SeriesBook, most: int) -> Readings:
    return decode(data, known, ORIGIN, now_ms=T, max_series=most, openmetrics=True)


KEYS = [
    'partywall_finished_total{tenant="acme",shard="s1"}',
    'partywall_finished_total{tenant="ümlaut",shard="s1"}',
    'partywall_waiting{tenant="a } b",shard="s1"}',
    'partywall_waiting{tenant="a\\"}# {",shard="s1"}',
    'partywall_errors_total{tenant="acme", shard="s # {1"}',
    '{"partywall_errors_total",tenant="quoted",shard="s1"}',
    "nobody_knows_this",
    'partywall_busy_seconds_total{tenant="acme",shard="s1",}',
    'partywall_busy_seconds_total {tenant="spaced",shard="s1"}',
    "partywall_volume_total" + "x" * 1100,
    "9bad", 'open{tenant="acme', "", "#", "}",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "1", "1.", ".5", "+3", "12.5", "1e3", "1E+3", "1e-7", "0.1", "123456789012345678901",
    "1_000", "NaN", "nan", "+Inf", "-Inf", "Na", "N", "1e400", "1e-400", "4.9e-324", "", "0x10",
    "1.7976931348623157e308", "2.2250738585072014e-308", "9007199254740993", "1e23", "1e", "--1",
    "0000000000000000000000000001.5", "1.5e00003", "1..2", "1e99999", "-NaN", "+NaN",
]  # fmt: skip
ENDS = [
    "", " ", " 1795000000000", " 1795000000.123", "  1795000000 ", " -5", " 1e300", " NaN", " x",
    ' # {trace_id="1"} 1', ' 1795000000 # {trace_id="}"} 1 2', " # {", " #", "#", " # x", "\r",
    "\t", " 1 2", " 4611686018427387904", " 0.0005",
]  # fmt: skip

lines = st.one_of(
    st.tuples(
        st.sampled_from(KEYS), st.sampled_from([" ", "  ", "\t", ""]), st.sampled_from(NUMBERS),
        st.sampled_from(ENDS),
    ).map("".join),
    st.sampled_from(["# HELP x y", "", " ", "# EOF", " # x", "\r"]),
)  # fmt: skip


@pytest.mark.parametrize("read", [text, openmetrics])
@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(lines, max_size=12), min_size=1, max_size=3), st.booleans())
def test_lines_of_every_kind_in_any_order(read, pages, ended) -> None:
    twins = Twins(read)
    for page in pages:
        raw = ("\n".join(page) + "\n" * ended).encode()
        for _ in range(2):  # the second time everything is known
            twins.agree(raw)


def whole(rng: random.Random) -> bytes:
    rows = [f"{key} {rng.random() * 1e5}{end}" for key in KEYS[:9] for end in ENDS[:12]]
    return "\n".join(["# TYPE x counter", *rows]).encode()


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_pages(rng: random.Random) -> None:
    Twins(text).agree_mutated(whole(rng), rng)
    Twins(openmetrics).agree_mutated(whole(rng), rng)


def test_a_page_cut_at_any_byte() -> None:
    page = f'{KEYS[0]} 12.5 1795000000000\n{KEYS[4]} -3e2\n{KEYS[6]} NaN # {{a="b"}} 1\n'
    Twins(openmetrics).agree_cut(page.encode())


def test_what_fuzzing_found() -> None:
    Twins(text).agree_found("exposition")


def test_a_torn_exemplar_does_not_rename_its_series() -> None:
    """What stood before its value is then not all that stands before the last brace."""
    twins = Twins(openmetrics)
    whole = f'{KEYS[0]} 12.5 1795000000 # {{trace_id="}}"}} 1 2'.encode()
    for body in (whole, whole.replace(b"# {", b"#"), whole, whole.replace(b"# {", b"# ")):
        twins.agree(body)
    assert twins.agree(whole.replace(b"# {", b"#"))[2] == [("malformed-body", 1)]
    assert len(twins.agree(whole)[1]) == 1


def test_more_lines_than_allowed_are_refused() -> None:
    twins = Twins(text)
    page = "\n".join([f"{KEYS[0]} 1"] * 10).encode()
    assert twins.agree(page, most=10)[0] == ""
    assert twins.agree(page, most=9)[0] == "too-many-fields"


def test_the_first_refused_line_is_told_by_its_number() -> None:
    known = book()
    page = f"# HELP\n{KEYS[0]} 1\n\n{KEYS[0]} one\n{KEYS[0]} two\n".encode()
    for _ in range(2):
        (refused,) = text(page, known, 100).refused
        assert refused.count == 2
        assert refused.detail.startswith("line 4: ")


def test_known_lines_are_not_read_line_by_line(monkeypatch) -> None:
    """Else the loop could pass everything on, and every other test would hold."""
    known = book()
    keys = (KEYS[0], KEYS[4], KEYS[7])
    rows = [
        f"{key} {number}{end}"
        for key in keys
        for number in ("0.30000000000000004", "NaN", "12345.678901234567", "1e+06", "7")
        for end in ("", " 1795000000", ' # {trace_id="1"} 1')
    ]
    page = "\n".join(rows).encode()
    before = told(openmetrics, page, known, 1000)
    monkeypatch.setattr("collector.decode.exposition._Page.line", None)
    assert told(openmetrics, page, known, 1000) == before
    assert len(before[1]) == len(rows)


def read_number(shown: str, known: SeriesBook) -> tuple[float, int]:
    page = f"{KEYS[0]} {shown}".encode()
    body = text(page, known, 10)
    return float(body.values[0]), len(body.slots)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_numbers_are_rounded_as_python_rounds_them(data) -> None:
    known = book()
    text(f"{KEYS[0]} 1".encode(), known, 10)
    of_bits = st.integers(0, (1 << 64) - 1).map(lambda n: struct.unpack("<d", struct.pack("<Q", n)))
    shown = data.draw(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False).map(repr),
            of_bits.map(lambda one: repr(one[0])).filter(lambda one: one[-1].isdigit()),
            st.floats(0, 1e7).map(lambda x: f"{x:.17e}"),
            st.decimals(allow_nan=False, allow_infinity=False, places=5).map(str),
            st.from_regex(r"-?[0-9]{1,22}(\.[0-9]{0,22})?(e[+-]?[0-9]{1,3})?", fullmatch=True),
            st.integers(1 << 53, 1 << 54).map(lambda n: f"{n}.5"),  # half way
        )
    )
    value, count = read_number(shown, known)
    assert count == 1
    assert struct.pack("<d", value) == struct.pack("<d", float(shown))


def test_numbers_half_way_between_two_doubles() -> None:
    known = book()
    text(f"{KEYS[0]} 1".encode(), known, 10)
    rng = np.random.default_rng(7)
    for mantissa in rng.integers(1 << 52, 1 << 53, 300).tolist():
        for shift in (1, 2, 5, 9):
            shown = str((2 * mantissa + 1) << (shift - 1))
            assert read_number(shown, known)[0] == float(shown), shown
