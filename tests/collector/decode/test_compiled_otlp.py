"""The compiled loops say of OTLP what the general road says, whatever the body."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import keys, loops
from collector.config import LimitSettings
from collector.decode import otlp_scan
from collector.decode.compression import Plain
from collector.decode.otlp import Sink
from collector.keys import POINTS, SCAN, Contexts, PointIndex
from collector.model import Rejected
from collector.readings import Readings
from collector.series import SeriesBook
from collector.tenancy import ANYONE
from tests.collector.books import book
from tests.collector.decode.twins import T, Twins, told
from tests.collector.senders import field, otlp_point, otlp_request
from tests.collector.senders import otlp_protobuf as wire

KEEP = frozenset({"tenant", "service.name"})
BOUNDS = [0.01, 0.1, 1.0]
MILLISECONDS = [5.0, 25.0, 1000.0]


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    assert loops.load(SCAN, POINTS)
    yield
    loops._loaded.clear()


def read(data: bytes, known: SeriesBook, _most: int) -> Readings:
    return otlp_scan.read(data, known, ANYONE, KEEP, LimitSettings(), now_s=T / 1000)


def number(tenant: int, ts_ms: int = T, start_ms: int = 0, **value: object) -> dict[str, Any]:
    labels = {"tenant": f"acme-{tenant}", "shard": "x" * (tenant * 37 % 211)}
    return otlp_point(labels, ts_ms, start_ms, **(value or {"asDouble": 1.5}))


def histogram(tenant: int, counts: list[int], **more: object) -> dict[str, Any]:
    given_count = more.pop("count", sum(counts))
    told_bounds = more.pop("bounds", BOUNDS)
    return number(
        tenant, T, T - 60_000, bucketCounts=counts, explicitBounds=told_bounds, count=given_count,
        **more,
    )  # fmt: skip


def gauge(*points: dict[str, Any]) -> dict[str, Any]:
    return {"name": "partywall.waiting", "unit": "1", "gauge": {"dataPoints": list(points)}}


def total(name: str, *points: dict[str, Any], temporality: int = 2, rises: bool = True) -> Any:
    data = {
        "dataPoints": list(points), "aggregationTemporality": temporality, "isMonotonic": rises,
    }  # fmt: skip
    return {"name": name, "unit": "s" if name.endswith("busy") else "", "sum": data}


def latency(*points: dict[str, Any], temporality: int = 2) -> dict[str, Any]:
    data = {"dataPoints": list(points), "aggregationTemporality": temporality}
    return {"name": "partywall.latency", "unit": "s", "histogram": data}


def request(*metrics: dict[str, Any], **resource: str) -> bytes:
    return wire(otlp_request(list(metrics), resource or {"service.name": "shop"}))


numbers = st.builds(
    number,
    st.integers(0, 6),
    st.sampled_from([T, T + 1, 0]),
    st.sampled_from([0, T - 5]),
    asDouble=st.sampled_from([0.0, -0.0, 2.5, float("nan"), float("inf"), -3.0]),
    flags=st.sampled_from([0, 0, 0, 1]),
) | st.builds(number, st.integers(0, 6), asInt=st.sampled_from(["7", "-7", "0"]))
histograms = st.builds(
    histogram,
    st.integers(0, 6),
    st.sampled_from([[1, 2, 3, 4], [0, 0, 0, 0], [1, 2, 3], [], [9, 0, 0, 1]]),
    sum=st.sampled_from([1.0, 2.5]),
) | st.builds(
    histogram,
    st.integers(0, 6),
    st.just([1, 2, 3, 4]),
    bounds=st.sampled_from([BOUNDS, MILLISECONDS]),
    count=st.sampled_from([10, 11, 9]),
)
metrics = st.one_of(
    st.lists(numbers, max_size=6).map(lambda found: gauge(*found)),
    st.builds(
        lambda name, found, temporality, rises: total(
            name, *found, temporality=temporality, rises=rises
        ),
        st.sampled_from(["partywall.finished", "partywall.busy", "nobody.knows.this"]),
        st.lists(numbers, max_size=6),
        st.sampled_from([1, 2, 0]),
        st.booleans(),
    ),
    st.builds(
        lambda found, temporality: latency(*found, temporality=temporality),
        st.lists(histograms, max_size=6),
        st.sampled_from([1, 2, 2]),
    ),
)
resources = st.sampled_from([{"service.name": "shop"}, {"service.name": "mill", "host": "a"}])


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(resources, st.lists(metrics, max_size=4)), max_size=2),
        min_size=1,
        max_size=3,
    )
)
def test_bodies_with_anything_in_them(bodies) -> None:
    twins = Twins(read)
    for body in bodies:
        raw = b"".join(wire(otlp_request(found, resource)) for resource, found in body)
        for _ in range(2):  # the second time everything is known
            twins.agree(raw)


def whole() -> bytes:
    return request(
        gauge(*(number(n, T + n) for n in range(4))),
        total("partywall.finished", *(number(n, T, T - 5, asInt=str(n)) for n in range(4))),
        latency(*(histogram(n, [n, 1, 2, 3], sum=1.5) for n in range(4))),
    )


@settings(max_examples=250, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_bodies(rng: random.Random) -> None:
    Twins(read).agree_mutated(whole(), rng)


def test_what_fuzzing_found() -> None:
    Twins(read).agree_found("otlp_protobuf")


def test_a_body_cut_at_any_byte() -> None:
    Twins(read).agree_cut(whole())


def test_known_points_do_not_take_the_general_road(monkeypatch) -> None:
    known = book()
    first = told(read, whole(), known, 0)
    monkeypatch.setattr(Sink, "take", None)
    assert told(read, whole(), known, 0) == first
    assert len(first[1]) == 4 + 4 + 4 * 6
    backwards = request(gauge(*(number(n, T + n) for n in range(3, -1, -1))))
    assert len(told(read, backwards, known, 0)[1]) == 4


def test_the_same_points_elsewhere_are_other_series() -> None:
    twins = Twins(read)
    points = [number(n) for n in range(3)]
    everywhere = [
        request(gauge(*points)),
        request(gauge(*points), **{"service.name": "mill"}),
        request(total("partywall.finished", *points)),
        request(total("partywall.finished", *points, temporality=1)),
        request(total("partywall.arrived", *points)),
    ]
    seen = set()
    for body in everywhere * 2:
        for key, *_ in twins.agree(body)[1]:
            seen.add(key)
    assert len(seen) == 3 * len(everywhere)


def test_a_resource_that_cannot_be_read_refuses_the_body_even_without_points() -> None:
    twins = Twins(read)
    twins.agree(whole())
    bad = field(1, field(1, field(1, b"\x0a\xff")) + field(2, b""))
    assert twins.agree(bad)[0] == "malformed-body"
    assert twins.agree(whole() + bad)[0] == "malformed-body"
    assert twins.agree(bad + whole())[0] == "malformed-body"


def test_a_sum_that_comes_and_goes() -> None:
    twins = Twins(read)
    with_sum, without = (
        request(latency(histogram(1, [1, 0, 0, 0], **more))) for more in ({"sum": 0.5}, {})
    )
    for body in (with_sum, without, without, with_sum, with_sum):
        twins.agree(body)


def test_what_was_forgotten_is_learnt_again() -> None:
    """A slot that goes to another series must not keep the points of the first."""
    twins = Twins(read)
    first = whole()
    other = request(*(gauge(*(number(n) for n in range(20, 60))),))
    for body in (first, other, first):
        twins.agree(body)
        twins.agree(body)
        for one in (twins.fast, twins.plain):
            one.sweep(now_s=T / 1000 + 100_000)
            assert len(one) == 0


def test_more_samples_than_allowed_are_refused(monkeypatch) -> None:
    monkeypatch.setattr("collector.decode.otlp.MAX_SAMPLES", 30)
    monkeypatch.setattr(otlp_scan, "MAX_SAMPLES", 30)
    known = book()
    for _ in range(3):
        assert told(read, whole(), known, 0)[0] == "too-many-fields"
    few = request(gauge(*(number(n) for n in range(30))))
    for _ in range(2):
        assert len(told(read, few, known, 0)[1]) == 30


def test_keys_of_no_room_are_read_all_the_same(monkeypatch) -> None:
    monkeypatch.setattr(otlp_scan, "_KEY_ROOM", 100)
    twins = Twins(read)
    for _ in range(3):
        twins.agree(whole())


def test_forgotten_contexts_get_new_numbers(monkeypatch) -> None:
    monkeypatch.setattr(keys, "MOST_CONTEXTS", 2)
    contexts = Contexts()
    found = [contexts.number(name) for name in (b"a", b"b", b"a", b"c", b"a")]
    assert found == [0, 1, 0, 2, 3]


def test_an_index_of_points_grows_and_forgets_groups_by_their_slots() -> None:
    index, room = PointIndex(), b"".join(b"%06d" % n for n in range(3000))
    spans = np.array([(6 * n, 6 * n + 6) for n in range(3000)], np.int64)
    index.learn(
        Plain.of(room).room, spans, [([3 * n, 3 * n + 1, 3 * n + 2], 1, True) for n in range(3000)]
    )
    assert index.known == 3000
    assert index.groups[2999].tolist() == [8997, 1, 1]
    assert index.members[8997:9000].tolist() == [8997, 8998, 8999]
    index.forget(np.array([4, 7, 8]))
    assert np.flatnonzero(index.entries[:3000, 2] < 0).tolist() == [1, 2]


def test_a_body_of_many_empty_points_is_refused() -> None:
    with pytest.raises(Rejected):
        read(field(1, field(2, field(2, field(5, b"\x0a\x00" * 300_000)))), book(), 0)
