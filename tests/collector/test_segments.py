import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from collector import segments
from collector.model import Column, Frame, Samples
from tests.collector.frames import is_prefix, plain, plains, rows, samples, series
from tests.collector.senders import STALE

FRAMES: list[Frame] = [
    series(0),
    series(1, column=Column.LATENCY_BUCKET),
    samples(1.0, 0.0, STALE, float("inf")),
    rows("batch-1"),
    series(2, tenant="globex"),
    samples(2.0, sid=2, start=1_699_999_999_000),
]


def segment() -> bytes:
    return segments.MAGIC + b"".join(segments.encode([frame]) for frame in FRAMES)


def test_frames_come_back_as_they_went_in():
    data = segments.MAGIC + segments.encode(FRAMES)

    assert plains(segments.decode(data)) == plains(FRAMES)


def test_a_stale_marker_keeps_its_bits():
    found = next(segments.decode(segments.MAGIC + segments.encode([samples(STALE)])))

    assert isinstance(found, Samples)
    assert found.values.view(np.uint64)[0] == 0x7FF0000000000002


def test_a_segment_cut_at_any_byte_reads_as_an_exact_prefix():
    data, whole = segment(), plains(FRAMES)
    lengths = set()

    for end in range(len(data)):
        found = plains(segments.decode(data[:end]))
        lengths.add(len(found))
        assert is_prefix(found, whole), end
        assert plains(segments.decode(data[: segments.whole_length(data[:end])])) == found

    assert lengths == set(range(len(FRAMES)))


def test_a_flipped_byte_costs_its_record_and_what_follows_and_nothing_else():
    data, whole = segment(), plains(FRAMES)

    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        found = plains(segments.decode(bytes(damaged)))
        assert is_prefix(found, whole), at
        assert len(found) < len(whole)


def test_zeros_after_a_crash_are_no_records():
    data = segment()

    assert segments.whole_length(data + bytes(64)) == len(data)
    assert plains(segments.decode(data + bytes(64))) == plains(FRAMES)


@pytest.mark.parametrize("data", [b"", b"P", segments.MAGIC, b"something else", bytes(100)])
def test_what_is_no_segment_holds_nothing(data):
    assert segments.whole_length(data) == 0
    assert list(segments.decode(data)) == []


def test_a_record_of_a_later_version_is_passed_over():
    body = b"\x63future"
    future = struct.pack("<II", len(body), zlib.crc32(body)) + body

    data = segments.MAGIC + future + segments.encode([samples(1.0)])

    assert plains(segments.decode(data)) == [plain(samples(1.0))]


@given(
    st.integers(0, 20).flatmap(
        lambda n: st.tuples(
            nps.arrays(np.uint32, n),
            nps.arrays(np.int64, n),
            nps.arrays(np.float64, n),
            st.none() | nps.arrays(np.int64, n),
        )
    )
)
def test_any_samples_survive_the_spool(arrays):
    frame = Samples(*arrays)

    assert plains(segments.decode(segments.MAGIC + segments.encode([frame]))) == [plain(frame)]
