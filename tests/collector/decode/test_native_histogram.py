"""Native histograms through both versions of remote write: what becomes of them, and what is said.

The same counts as classic buckets; a histogram is taken whole or refused whole.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Sequence

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.usage.quantiles import quantile
from collector.config import LimitSettings, MeterRule, TenantLimits
from collector.decode import native_histogram
from collector.decode.exponential import bounds_in, folded
from collector.decode.native_histogram import CUSTOM, read
from collector.model import LATENCY_BOUNDS, Rejected, Samples
from tests.collector.rooms import client, collector, frames, readings
from tests.collector.senders import (
    RW1_HEADERS,
    RW2_HEADERS,
    STALE,
    SymbolTable,
    field,
    native,
    series,
    snappy,
    varint,
    write_request,
)

NOW = time.time_ns() // 1_000_000
NAMED = {"__name__": "partywall_latency_seconds", "tenant": "acme", "resource": "db:shard-1"}
EXEMPLAR = b"\x11" + b"\0" * 8


def post(tmp_path, body: bytes, headers, **given) -> httpx.Response:
    async def run() -> httpx.Response:
        app = collector(tmp_path, **given)
        async with client(app) as http:
            answer = await http.post("/api/v1/write", content=snappy(body), headers=headers)
        app.close()
        return answer

    return asyncio.run(run())


def send(tmp_path, *histograms: bytes, labels=NAMED, version=1, more=b"", **given):
    """One series with these histograms, in either version."""
    if version == 1:
        entry = series(labels, []) + b"".join(field(4, one) for one in histograms) + more
        return post(tmp_path, write_request(entry), RW1_HEADERS, **given)
    table = SymbolTable()
    entry = table.native_series(labels, *histograms, more=more)
    return post(tmp_path, table.request(entry), RW2_HEADERS, **given)


def written(answer: httpx.Response) -> tuple[int, int, int]:
    samples, histograms, exemplars = (
        int(answer.headers[f"X-Prometheus-Remote-Write-{what}-Written"])
        for what in ("Samples", "Histograms", "Exemplars")
    )
    return samples, histograms, exemplars


def taken(tmp_path) -> dict[tuple[str, float | None], float]:
    return {(str(s.column), s.bound): value for s, _, value in readings(tmp_path)}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("floats", [False, True])
def test_an_exponential_histogram_becomes_classic_buckets(tmp_path, version, floats):
    one = native(NOW, [3, 2, 6], schema=1, first=-3, zero=1, total=4.25, floats=floats)
    answer = send(tmp_path, one, version=version)

    assert (answer.status_code, written(answer)) == (204, (0, 1, 0))
    found = taken(tmp_path)
    ends = [2 ** (k / 2) for k in (-4, -3, -2, -1)]
    assert [found["latency_bucket", end] for end in ends] == [1, 4, 6, 12]
    assert found["latency_bucket", math.inf] == found["count", None] == 12
    assert found["latency_sum_s", None] == 4.25
    assert len(found) == len(LATENCY_BOUNDS) + 3


@pytest.mark.parametrize("version", [1, 2])
def test_custom_buckets_keep_their_bounds(tmp_path, version):
    spans = [(0, 1), (1, 2)]
    one = native(NOW, [3, 2, 6], schema=CUSTOM, spans=spans, custom=[0.1, 0.5, 1.0], total=9.0)
    answer = send(tmp_path, one, version=version)

    assert (answer.status_code, written(answer)) == (204, (0, 1, 0))
    assert taken(tmp_path) == {
        ("latency_bucket", 0.1): 3,
        ("latency_bucket", 0.5): 3,
        ("latency_bucket", 1.0): 5,
        ("latency_bucket", math.inf): 11,
        ("count", None): 11,
        ("latency_sum_s", None): 9.0,
    }


def test_more_custom_buckets_than_a_row_holds_are_folded(tmp_path):
    bounds = [k / 100 for k in range(1, 101)]
    send(tmp_path, native(NOW, [1] * 101, schema=CUSTOM, custom=bounds))

    found = taken(tmp_path)
    assert len(found) == len(LATENCY_BOUNDS) + 3
    assert found["latency_bucket", 0.5] == 50
    assert found["latency_bucket", math.inf] == 101


def test_the_unit_of_a_rule_places_the_bounds(tmp_path):
    rule = MeterRule("app_took_ms", histogram=True, resource="pool:web", scale=0.001)
    one = native(NOW, [4], schema=3, first=56, total=500.0)  # 128 ms
    labels = {"__name__": "app_took_ms", "tenant": "acme"}
    assert send(tmp_path, one, labels=labels, meters=(rule,)).status_code == 204

    found = taken(tmp_path)
    below = {b: v for (c, b), v in found.items() if c == "latency_bucket" and b is not None}
    assert sorted(b for b in below if b < math.inf) == pytest.approx(LATENCY_BOUNDS)
    assert min(b for b, value in below.items() if value == 4) == pytest.approx(2**-2.5)
    assert found["latency_sum_s", None] == 0.5


BROKEN = [
    (native(NOW, [3, 2], count=6), "the count says 6"),
    (native(NOW, [3.0, 2.0], count=6.5, floats=True), "the count says 6.5"),
    (native(NOW, [3, 2], count=4), "the count says 4"),
    (native(NOW, [3, 2], spans=[(0, 3)]), "spans of 3 buckets with 2 counts"),
    (native(NOW, [3, 2], spans=[(0, 1), (-2, 1)]), "overlap"),
    (native(NOW, [3, -2, 4]), "negative count"),
    (native(NOW, [3.0, math.nan], count=3, floats=True), "negative count"),
    (native(NOW, [3], schema=9), "schema 9"),
    (native(NOW, [3], negative=[2]), "below zero"),
    (native(NOW, [3], hint=3), "gauge"),
    (native(NOW, [3], schema=CUSTOM, custom=[1.0], zero=1), "zero bucket"),
    (native(NOW, [3, 1, 1], schema=CUSTOM, custom=[1.0]), "beyond custom_values"),
    (native(NOW, [3], schema=CUSTOM, custom=[1.0, 1.0]), "do not rise"),
    (native(NOW, [3], schema=CUSTOM, custom=[-1.0, 1.0]), "below zero"),
    (native(NOW, [], spans=[(0, 2**32 - 1)]) + field(11, b"\x10\xff\xff\xff\xff\x0f"), "4096"),
]


@pytest.mark.parametrize(("broken", "word"), BROKEN, ids=[word for _, word in BROKEN])
@pytest.mark.parametrize("version", [1, 2])
def test_a_histogram_that_contradicts_itself_is_refused_alone(tmp_path, broken, word, version):
    answer = send(tmp_path, broken, native(NOW, [5]), version=version)

    assert (answer.status_code, written(answer)) == (400, (0, 1, 0)), answer.text
    assert word in answer.json()["detail"]
    assert taken(tmp_path)["count", None] == 5


@pytest.mark.parametrize("version", [1, 2])
def test_histograms_of_metrics_nobody_named_are_passed_over(tmp_path, version):
    labels = {**NAMED, "__name__": "go_gc_pauses_seconds"}
    answer = send(
        tmp_path, native(NOW, [3]), native(NOW, [4], hint=3), labels=labels, version=version
    )

    assert (answer.status_code, written(answer)) == (204, (0, 2, 0))
    assert readings(tmp_path) == []


@pytest.mark.parametrize("version", [1, 2])
def test_exemplars_are_passed_over_and_counted(tmp_path, version):
    number = 3 if version == 1 else 4
    more = field(number, EXEMPLAR) * 2
    assert written(send(tmp_path / "a", native(NOW, [3]), version=version, more=more)) == (0, 1, 2)
    assert written(send(tmp_path / "b", version=version, more=more)) == (0, 0, 2)
    nameless = {k: v for k, v in NAMED.items() if k != "__name__"}
    answer = send(tmp_path / "c", native(NOW, [3]), labels=nameless, version=version, more=more)
    assert (answer.status_code, written(answer)) == (400, (0, 0, 0))
    assert "missing-metric-name" in answer.json()["detail"]


def test_too_many_histograms_in_a_body_are_refused_by_their_count(tmp_path, monkeypatch):
    monkeypatch.setattr(native_histogram, "MAX_HISTOGRAMS", 3)
    answer = send(tmp_path, *(native(NOW + n, [1]) for n in range(4)))

    assert (answer.status_code, answer.json()["type"]) == (400, "too-many-fields")
    assert written(answer) == (0, 0, 0)


def test_a_failed_request_says_zero_of_everything(tmp_path):
    answer = post(tmp_path, b"\x0a\x7f", RW2_HEADERS)

    assert (answer.status_code, written(answer)) == (400, (0, 0, 0))


def test_a_stale_marker_ends_the_histogram(tmp_path):
    answer = send(tmp_path, native(NOW, [], total=STALE))

    assert (answer.status_code, written(answer)) == (204, (0, 1, 0))
    assert all(math.isnan(value) for value in taken(tmp_path).values())


def test_an_observed_nan_leaves_the_sum_unknown(tmp_path):
    assert send(tmp_path, native(NOW, [3], count=4, total=math.nan)).status_code == 204

    found = taken(tmp_path)
    assert found["count", None] == 4
    assert ("latency_sum_s", None) not in found


def test_when_a_histogram_began_is_kept(tmp_path):
    own = native(NOW, [3], start_ms=NOW - 7)
    created = b"\x30" + varint(NOW - 9)
    send(tmp_path, own, native(NOW + 1, [4]), version=2, more=created)

    found = [frame.start_ms for _, frame in frames(tmp_path) if isinstance(frame, Samples)]
    assert {int(ms) for starts in found if starts is not None for ms in starts} == {
        NOW - 7,
        NOW - 9,
    }


def test_a_histogram_over_a_limit_is_refused_whole_and_once(tmp_path):
    limits = LimitSettings(tenants=(TenantLimits("acme", samples_per_s=1, burst=50),))
    answer = send(tmp_path, native(NOW, [3]), native(NOW + 1, [4]), limits=limits)

    assert (answer.status_code, written(answer)) == (400, (0, 1, 0))
    assert "1 tenant-rate-limit" in answer.json()["detail"]
    assert len(readings(tmp_path)) == len(LATENCY_BOUNDS) + 3


def test_plain_samples_beside_histograms_are_counted_apart(tmp_path):
    plain = {**NAMED, "__name__": "partywall_errors_total"}
    body = write_request(
        series(plain, [(1.0, NOW), (2.0, NOW + 1)]),
        series(NAMED, []) + field(4, native(NOW, [3])),
        series({**plain, "__name__": "unheard_of"}, [(1.0, NOW)]),
    )
    answer = post(tmp_path, body, RW1_HEADERS)

    assert (answer.status_code, written(answer)) == (204, (3, 1, 0))
    assert sum(s.column == "errors" for s, _, _ in readings(tmp_path)) == 2


def exact_quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[max(math.ceil(q * len(values)) - 1, 0)]


def bucket_ends(values: Iterable[float], schema: int) -> list[tuple[int, float]]:
    return [(math.ceil(math.log2(value) * 2**schema - 1e-12), 1) for value in values]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.001, 30), min_size=1, max_size=200),
    st.integers(-1, 8),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_quantiles_are_right_within_one_bucket(values, schema, q):
    counts = folded(schema, bucket_ends(values, schema))
    assert sum(counts) == len(values)
    answer = float(quantile(np.array([counts]), LATENCY_BOUNDS, q)[0])
    truth = exact_quantile(values, q)
    width = max(2**0.5, 2.0 ** (2.0**-schema))  # the wider of the sender's bucket and ours

    assert truth / width / 2**0.5 * (1 - 1e-9) <= answer <= truth * width * 2**0.5 * (1 + 1e-9)


def test_bounds_of_another_unit_are_the_default_ones():
    assert bounds_in(1.0) is LATENCY_BOUNDS
    assert bounds_in(0.001)[20] == pytest.approx(1000.0)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_histograms_are_read_or_refused_and_never_crash(rng):
    body = bytearray(native(NOW, [3, 2, 6], zero=1, custom=[1.0], negative=[1]))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(body))
        body[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
    try:
        one = read(bytes(body), 0, len(body))
    except Rejected:
        return
    assert len(list(one.samples(1.0))) <= len(LATENCY_BOUNDS) + 3
