import gzip
import json
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import LimitSettings, TenancySettings
from collector.decode.buckets import bucketed, fold
from collector.decode.compression import inflate
from collector.decode.usage import SPOOLED_SCHEMA, Reading, Rows, decode_ndjson
from collector.model import BUCKETS, LATENCY_BOUNDS, USAGE_SCHEMA, Rejected, Rejection
from collector.tenancy import ANYONE, Resolver

NOW_S = 1_795_000_000
ROW = {"ts": NOW_S, "tenant": "acme", "resource": "db:shard-1", "family": "query"}


def reading(rows: int = 1000) -> Reading:
    names = Resolver(TenancySettings())
    return Reading(
        tenant=lambda name: names.tenant(name, ANYONE),
        resource=names.resource,
        limits=LimitSettings(rows_per_request=rows),
        now_ms=NOW_S * 1000,
    )


def read(*rows: object, most: int = 1000) -> Rows:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return decode_ndjson("\n".join(lines).encode(), reading(most))


def only(**fields: object) -> dict[str, object]:
    found = read({**ROW, **fields})
    assert not found.refused, found.refused
    (row,) = found.table.to_pylist()
    return dict(row)


def test_the_table_has_the_spooled_columns_even_when_empty():
    assert read().table.schema == SPOOLED_SCHEMA
    assert SPOOLED_SCHEMA.names[:-1] == USAGE_SCHEMA.names


def test_lock_waits_are_kept_as_microseconds_and_absent_ones_are_unknown():
    row = only(blocked_s=0.0, blocking_s=41.5)
    assert (row["blocked_us"], row["blocking_us"]) == (0, 41_500_000)
    assert (only()["blocked_us"], only()["blocking_us"]) == (None, None)
    assert [r.field for r in read({**ROW, "blocking_s": -1}).refused] == ["blocking_s"]


@pytest.mark.parametrize(
    "ts",
    [
        NOW_S,
        float(NOW_S),
        "2026-11-18T11:06:40Z",
        "2026-11-18T12:06:40+01:00",
        "2026-11-18T11:06:40",
    ],
)
def test_times_come_in_three_spellings(ts):
    assert only(ts=ts)["ts"] == datetime.fromtimestamp(NOW_S, UTC).replace(tzinfo=None)


def test_what_is_absent_is_unknown_and_what_is_zero_is_zero():
    row = only(count=0)

    assert row["count"] == 0
    assert row["errors"] is None
    assert row["b00"] is None
    assert row["waiting"] is None


def test_a_row_without_a_tenant_is_in_quarantine():
    assert only(tenant="")["tenant"] == "__unknown__"


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"ts": None}, Rejection.INVALID_FIELD, "ts"),
        ({"ts": "yesterday"}, Rejection.INVALID_FIELD, "ts"),
        ({"ts": NOW_S * 1000}, Rejection.TOO_NEW, "ts"),
        ({"ts": 1e308}, Rejection.TOO_NEW, "ts"),
        ({"ts": -1}, Rejection.TOO_OLD, "ts"),
        ({"ts": NOW_S - 15 * 86_400}, Rejection.TOO_OLD, "ts"),
        ({"ts": NOW_S + 700}, Rejection.TOO_NEW, "ts"),
        ({"window_s": 0}, Rejection.INVALID_FIELD, "window_s"),
        ({"tenant": "a\nb"}, Rejection.INVALID_FIELD, "tenant"),
        ({"tenant": "__all__"}, Rejection.INVALID_FIELD, "tenant"),
        ({"tenant": 7}, Rejection.INVALID_FIELD, "tenant"),
        ({"resource": ""}, Rejection.MISSING_FIELD, "resource"),
        ({"resource": "../x"}, Rejection.INVALID_FIELD, "resource"),
        ({"family": "sql"}, Rejection.INVALID_FIELD, "family"),
        ({"count": -1}, Rejection.NEGATIVE, "count"),
        ({"count": 1.5}, Rejection.INVALID_FIELD, "count"),
        ({"count": True}, Rejection.INVALID_FIELD, "count"),
        ({"count": 2**60}, Rejection.NOT_FINITE, "count"),
        ({"busy_s": -0.1}, Rejection.NEGATIVE, "busy_s"),
        ({"busy_s": 1e300}, Rejection.NOT_FINITE, "busy_s"),
        ({"busy_s": "1"}, Rejection.INVALID_FIELD, "busy_s"),
        ({"latency_buckets": [1, 2]}, Rejection.INVALID_FIELD, "latency_buckets"),
        ({"latency_buckets": [-1] * 32}, Rejection.NEGATIVE, "latency_buckets"),
        (
            {"latency_buckets": [1, 2, 3], "latency_bounds": [2, 1]},
            Rejection.INVALID_FIELD,
            "latency_bounds",
        ),
        (
            {"latency_buckets": [1], "latency_bounds": []},
            Rejection.INVALID_FIELD,
            "latency_bounds",
        ),
        (
            {"latency_buckets": [1, 1], "latency_bounds": [0]},
            Rejection.INVALID_FIELD,
            "latency_bounds",
        ),
    ],
)
def test_a_bad_field_is_refused_by_name_and_the_others_kept(fields, reason, field):
    found = read({**ROW, "count": 1}, {**ROW, **fields}, {**ROW, "count": 2})

    (refused,) = found.refused
    assert (refused.reason, refused.count, refused.field) == (reason, 1, field)
    assert refused.detail.startswith("row 2: ")
    assert found.table["count"].to_pylist() == [1, 2]


@pytest.mark.parametrize("line", ["{", "[]", "null", "7", "[" * 5000, '{"ts": 1' + "0" * 5000])
def test_what_is_no_row_is_refused_and_the_others_kept(line):
    found = read(line, {**ROW, "count": 1})

    assert sum(one.count for one in found.refused) == 1
    assert found.table.num_rows == 1


def test_a_missing_field_is_named():
    (refused,) = read({"ts": NOW_S, "family": "query"}).refused

    assert (refused.reason, refused.field) == (Rejection.MISSING_FIELD, "resource")


def test_too_many_rows_are_refused_at_once():
    with pytest.raises(Rejected) as caught:
        read(*["x"] * 20, most=10)
    assert caught.value.reason is Rejection.TOO_MANY_FIELDS


def test_own_bounds_travel_with_the_row():
    row = only(latency_buckets=[1, 2, 3], latency_bounds=[0.1, 1.0])

    assert [row[f"b{k:02d}"] for k in range(4)] == [1, 2, 3, 0]
    assert row["latency_bounds"] == [0.1, 1.0]


def test_default_bounds_are_recognised_as_they_are_printed():
    printed = [float(f"{bound:.6g}") for bound in LATENCY_BOUNDS]
    row = only(latency_buckets=list(range(32)), latency_bounds=printed)

    assert row["latency_bounds"] is None
    assert row["b31"] == 31


@given(st.lists(st.integers(0, 10**6), min_size=63, max_size=63))
def test_finer_buckets_fold_into_the_default_without_losing_any(counts):
    """Two buckets for each default one: an exponential histogram of scale 2."""
    bounds = tuple(2.0 ** (k / 4) for k in range(-41, 21))
    folded = fold(counts, bounds)

    assert sum(folded) == sum(counts)
    assert len(folded) == BUCKETS
    pairs = [counts[0] + counts[1]] + [counts[k] + counts[k + 1] for k in range(2, 62, 2)]
    assert list(folded) == [*pairs, counts[62]]


def test_a_histogram_with_more_buckets_than_a_row_has_is_folded():
    buckets = bucketed([1] * 101, [0.01 * (k + 1) for k in range(100)])

    assert buckets.bounds is None
    assert buckets.counts is not None
    assert sum(buckets.counts) == 101


@given(st.floats(0, 1e6))
def test_seconds_are_stored_to_the_microsecond(seconds):
    assert only(busy_s=seconds)["busy_us"] == round(seconds * 1e6)


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"x", "br", Rejection.UNSUPPORTED_TYPE),
        (b"no gzip", "gzip", Rejection.MALFORMED),
        (b"\x1f\x8b\x08\x00", "gzip", Rejection.MALFORMED),
        (None, "gzip", Rejection.BODY_TOO_LARGE),
        (None, "deflate", Rejection.BODY_TOO_LARGE),
    ],
)
def test_compression_is_undone_within_the_limit(body, encoding, reason):
    if body is None:
        bomb = bytes(10_000_000)
        body = gzip.compress(bomb) if encoding == "gzip" else zlib.compress(bomb)
    with pytest.raises(Rejected) as caught:
        inflate(body, encoding, 100_000)
    assert caught.value.reason is reason
