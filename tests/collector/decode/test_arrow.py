import random
from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.config import LimitSettings, TenancySettings
from collector.decode.arrow_size import unpacked_bytes
from collector.decode.usage import Reading, decode_arrow
from collector.model import Rejected, Rejection
from collector.tenancy import ANYONE, Resolver

NOW_S = 1_795_000_000


def stream(rows: int, compression: str | None, *, text: str = "acme") -> bytes:
    table = pa.table(
        {
            "ts": pa.array([NOW_S * 10**6] * rows, pa.timestamp("us", "UTC")),
            "tenant": pa.array([text] * rows).dictionary_encode(),
            "resource": ["db:shard-1"] * rows,
            "family": ["query"] * rows,
            "count": pa.array([1] * rows, pa.int32()),
            "latency_buckets": [[1, 2, 3]] * rows,
            "latency_bounds": [[0.1, 1.0]] * rows,
        }
    )
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def reading(decoded_bytes: int = 10_000_000) -> Reading:
    names = Resolver(TenancySettings())
    return Reading(
        tenant=lambda name: names.tenant(name, ANYONE),
        resource=names.resource,
        limits=LimitSettings(decoded_bytes=decoded_bytes),
        now_ms=NOW_S * 1000,
    )


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_stream_is_read_whatever_its_compression(compression):
    found = decode_arrow(stream(500, compression), reading())

    assert not found.refused
    assert sum(found.table["count"].to_pylist()) == 500
    assert found.table["latency_bounds"][0].as_py() == [0.1, 1.0]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_the_size_is_known_before_anything_is_unpacked(compression):
    small = stream(20_000, compression)
    whole = unpacked_bytes(small)

    assert whole > 1_000_000 > len(small)
    with pytest.raises(Rejected) as caught:
        decode_arrow(small, reading(decoded_bytes=1_000_000))
    assert caught.value.reason is Rejection.BODY_TOO_LARGE


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([None, "lz4"]))
def test_mutated_streams_are_read_or_refused_and_never_crash(rng: random.Random, compression):
    body = bytearray(stream(3, compression))
    for _ in range(rng.randint(1, 5)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    with suppress(Rejected):
        decode_arrow(bytes(body[: rng.choice([len(body), rng.randrange(len(body))])]), reading())
