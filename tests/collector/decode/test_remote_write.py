import random
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.decode.compression import Plain
from collector.decode.remote_write import decode
from collector.model import Rejected, Rejection
from collector.readings import Readings
from collector.series import Origin, SeriesBook
from tests.collector.books import book
from tests.collector.senders import STALE, field, sample, series, varint, write_request

ORIGIN = Origin("remote_write")
LABELS = {"__name__": "partywall_finished_total", "tenant": "acme", "shard": "shard-1"}
T = 1_795_000_000_000


def read(data: bytes, known: SeriesBook | None = None, **limits: int) -> Readings:
    most = limits.get("max_series", 1000)
    return decode(
        Plain.of(data), book() if known is None else known, ORIGIN, now_s=T / 1000, max_series=most
    )


def triples(readings: Readings) -> list[tuple[int, int, bytes]]:
    values = [struct.pack("<d", value) for value in readings.values.tolist()]
    raw = [v.tobytes() for v in readings.values]
    assert len(values) == len(raw)
    return sorted(zip(readings.slots.tolist(), readings.ts_ms.tolist(), raw, strict=True))


def test_the_second_look_at_a_body_is_fast_and_says_the_same():
    known = book()
    body = write_request(*(series({**LABELS, "n": str(n)}, [(n + 0.5, T + n)]) for n in range(50)))

    first, second = read(body, known), read(body, known)

    assert triples(first) == triples(second)
    assert len(known) == 50
    assert sorted(first.values.tolist()) == [n + 0.5 for n in range(50)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.lists(
                st.tuples(st.binary(min_size=8, max_size=8), st.integers(-(2**63), 2**63 - 1)),
                max_size=3,
            ),
        ),
        max_size=8,
    )
)
def test_every_value_and_time_survives_both_roads_by_its_bits(entries):
    known = book()
    body = write_request(*(series({**LABELS, "n": str(n)}, points) for n, points in entries))
    expected = sorted((t, v) for _, points in entries for v, t in points)

    for _ in range(2):
        found = triples(read(body, known))
        assert sorted((t, v) for _, t, v in found) == expected


def test_a_zero_that_proto3_leaves_out_is_a_zero():
    known, body = book(), write_request(series(LABELS, [(0.0, T)]))

    for _ in range(2):
        found = read(body, known)
        assert found.values.tolist() == [0.0]
        assert found.ts_ms.tolist() == [T]


def test_a_stale_marker_keeps_its_bits_on_both_roads():
    known, body = book(), write_request(series(LABELS, [(STALE, T)]))

    for _ in range(2):
        assert read(body, known).values.view(np.uint64).tolist() == [0x7FF0000000000002]


def test_labels_in_any_order_are_one_series():
    known = book()
    pairs = list(LABELS.items())
    body = write_request(series(pairs, [(1.0, T)]), series(pairs[::-1], [(2.0, T + 1)]))
    read(body, known)

    assert len(known.fresh) == 1
    assert known.declared == 1


def test_samples_before_labels_and_unknown_fields_are_understood():
    entry = field(2, sample(3.0, T)) + series(LABELS, []) + field(9, b"later") + b"\x50\x07"
    body = b"\x50\x01" + write_request(entry) + field(3, b"metadata")

    assert read(body).values.tolist() == [3.0]


def test_a_tail_that_only_looks_like_a_sample_is_read_properly():
    """The last 18 bytes of this series belong to an exemplar."""
    known = book()
    lookalike = b"\x10\x09" + bytes(8) + b"\x10" + varint(T)
    plain = write_request(series(LABELS, [(1.0, T)]))
    odd = write_request(series(LABELS, [(1.0, T)]) + field(3, lookalike[2:] + b"\x12\x00" * 3))
    read(plain, known)

    assert read(odd, known).values.tolist() == [1.0]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([("tenant", "acme")], Rejection.MISSING_NAME),
        ([("__name__", ""), ("tenant", "acme")], Rejection.MISSING_NAME),
        ([*LABELS.items(), ("tenant", "globex")], Rejection.DUPLICATE_LABEL),
        ([*LABELS.items(), ("", "x")], Rejection.INVALID_FIELD),
        ([*LABELS.items(), *((f"l{n}", "x") for n in range(40))], Rejection.LABEL_LIMIT),
        ([*LABELS.items(), ("long", "x" * 5000)], Rejection.LABEL_LIMIT),
        ([*LABELS.items(), ("n" * 3000, "x")], Rejection.LABEL_LIMIT),
        ([("__name__", "partywall_waiting"), ("tenant", "a/b")], Rejection.INVALID_FIELD),
        ([("__name__", "partywall_waiting"), ("tenant", "x" * 300)], Rejection.INVALID_FIELD),
        ([("__name__", "partywall_waiting"), ("family", "sql")], Rejection.INVALID_FIELD),
        (
            [("__name__", "partywall_latency_seconds_bucket"), ("tenant", "acme"), ("le", "x")],
            Rejection.INVALID_FIELD,
        ),
        ([("__name__", "partywall_latency_seconds_bucket")], Rejection.INVALID_FIELD),
    ],
)
def test_a_bad_series_is_refused_with_its_reason(labels, reason):
    known = book()
    found = read(write_request(series(labels, [(1.0, T)])), known)

    assert known.refusal(int(found.slots[0])).reason is reason
    assert known.fresh == []


def test_too_many_series_stop_the_reading():
    with pytest.raises(Rejected) as caught:
        read(write_request(*[b""] * 11), max_series=10)
    assert caught.value.reason is Rejection.TOO_MANY_FIELDS


def test_a_body_cut_at_any_byte_is_refused_or_a_prefix():
    known = book()
    body = write_request(*(series({**LABELS, "n": str(n)}, [(1.0, T)]) for n in range(3)))
    read(body, known)

    reasons = set()
    for end in range(len(body)):
        try:
            count = len(read(body[:end], known).values)
        except Rejected as rejected:
            reasons.add(rejected.reason)
        else:
            assert count < 3
    assert reasons == {Rejection.MALFORMED}


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_bodies_are_read_or_refused_and_never_crash(rng: random.Random):
    known = book()
    body = bytearray(
        write_request(
            *(series({**LABELS, "n": str(n)}, [(n, T), (n, T + 1)][: n + 1]) for n in range(3))
        )
    )
    read(bytes(body), known)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(body))
        body[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
    with suppress(Rejected):
        found = read(bytes(body), known)
        assert len(found.slots) == len(found.ts_ms) == len(found.values)
