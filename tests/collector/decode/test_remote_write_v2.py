import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.config import LimitSettings
from collector.decode import remote_write
from collector.decode.compression import Plain
from collector.decode.remote_write_v2 import decode
from collector.model import Rejected, Rejection
from collector.readings import Readings
from collector.series import Origin, SeriesBook
from tests.collector.books import book
from tests.collector.senders import STALE, SymbolTable, field, sample, series, varint, write_request

LABELS = {"__name__": "partywall_finished_total", "tenant": "acme", "shard": "shard-1"}
T = 1_795_000_000_000


def read(
    data: bytes, known: SeriesBook | None = None, limits: LimitSettings | None = None
) -> Readings:
    target = book() if known is None else known
    bounds = limits or LimitSettings()
    return decode(Plain.of(data), target, Origin("v2"), now_s=T / 1000, limits=bounds)


def test_a_series_is_the_same_as_through_version_1():
    known = book()
    symbols = SymbolTable()
    entry = symbols.series(LABELS, [(1.5, T), (2.5, T + 1)])
    two = read(symbols.request(entry), known)
    body = write_request(series(LABELS, [(1.5, T)]))
    remote_write.decode(Plain.of(body), known, Origin("v1"), now_s=0, max_series=10)

    assert two.values.tolist() == [1.5, 2.5]
    assert two.ts_ms.tolist() == [T, T + 1]
    assert two.start_ms is None
    assert known.declared == 1


def test_zero_and_stale_keep_their_bits():
    symbols = SymbolTable()
    body = symbols.request(symbols.series(LABELS, [(0.0, T), (STALE, T)]))

    assert read(body).values.view("u8").tolist() == [0, 0x7FF0000000000002]


def test_start_times_come_from_the_sample_or_the_series():
    symbols = SymbolTable()
    own = field(2, sample(1.0, T) + b"\x18" + varint(T - 5))
    created = b"\x30" + varint(T - 9)
    body = symbols.request(
        symbols.series(LABELS, []) + own, symbols.series(LABELS, [(1.0, T)]) + created
    )

    found = read(body)

    assert found.start_ms is not None
    assert found.start_ms.tolist() == [T - 5, T - 9]


def test_the_first_symbol_must_be_empty():
    with pytest.raises(Rejected) as caught:
        read(field(4, b"tenant"))
    assert caught.value.reason is Rejection.MALFORMED


@pytest.mark.parametrize(
    ("refs", "reason"),
    [
        ([1, 2, 3], Rejection.INVALID_FIELD),
        ([1, 99], Rejection.INVALID_FIELD),
        ([1, 2**31], Rejection.INVALID_FIELD),
        ([1, 2] * 31, Rejection.LABEL_LIMIT),
        ([1, 2] * 100_000, Rejection.LABEL_LIMIT),
    ],
)
def test_bad_references_cost_their_series_only(refs, reason):
    symbols = SymbolTable()
    good = symbols.series(LABELS, [(1.0, T)])
    bad = field(1, b"".join(map(varint, refs))) + field(2, sample(2.0, T))
    found = read(symbols.request(bad, good))

    assert found.values.tolist() == [1.0]
    assert [(one.reason, one.count) for one in found.refused] == [(reason, 1)]


def test_references_may_come_unpacked():
    symbols = SymbolTable()
    packed = symbols.refs(LABELS)
    entry = b"".join(b"\x08" + varint(ref) for ref in packed) + field(2, sample(1.0, T))

    assert read(symbols.request(entry)).values.tolist() == [1.0]


def test_long_symbols_used_often_are_not_unfolded_without_bound():
    symbols = SymbolTable()
    labels = {**LABELS, **{f"l{n}": "x" * 2000 for n in range(20)}}
    one = symbols.series(labels, [(1.0, T)])
    body = symbols.request(*[one] * 1000)

    with pytest.raises(Rejected) as caught:
        read(body, limits=LimitSettings(decoded_bytes=1_000_000))
    assert caught.value.reason is Rejection.TOO_MANY_FIELDS


def test_too_many_series_are_refused():
    symbols = SymbolTable()
    with pytest.raises(Rejected) as caught:
        read(symbols.request(*[b""] * 20), limits=LimitSettings(series_per_request=10))
    assert caught.value.reason is Rejection.TOO_MANY_FIELDS


@pytest.mark.parametrize(
    "labels",
    [{"tenant": "acme"}, {"__name__": "", "tenant": "acme"}],
)
def test_a_series_without_a_name_is_refused(labels):
    known, symbols = book(), SymbolTable()
    found = read(symbols.request(symbols.series(labels, [(1.0, T)])), known)

    assert known.refusal(int(found.slots[0])).reason is Rejection.MISSING_NAME


def test_metadata_exemplars_and_empty_requests_are_fine():
    symbols = SymbolTable()
    entry = symbols.series(LABELS, []) + field(4, b"") + field(5, b"")

    assert len(read(symbols.request(entry)).slots) == 0
    assert len(read(b"").slots) == 0


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_bodies_are_read_or_refused_and_never_crash(rng: random.Random):
    symbols = SymbolTable()
    entries = [symbols.series({**LABELS, "n": str(n)}, [(n, T)]) for n in range(3)]
    body = bytearray(symbols.request(*entries))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(body))
        body[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
    with suppress(Rejected):
        found = read(bytes(body))
        assert len(found.slots) == len(found.ts_ms) == len(found.values)
