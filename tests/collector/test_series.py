import numpy as np
import pytest

from collector.config import LimitSettings, MeterRule
from collector.model import Column, Family, MeterKind, Rejection, TenantId
from collector.series import IGNORED, REFUSED, Origin, SeriesBook, identity
from tests.collector.books import book

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
WRITE = Origin("remote_write")


def learn(known: SeriesBook, name: str, *, now_s: float = 0, **labels: str) -> int:
    every = {"__name__": name, "tenant": "acme", **labels}
    return known.learn(WRITE, repr(sorted(every.items())).encode(), every, now_s=now_s)


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("partywall_arrived_total", {}, [("arrived", "request")]),
        ("partywall_busy_seconds_total", {"resource": "db:x"}, [("busy_s", "query")]),
        ("partywall_wait_seconds_total", {"family": "queue"}, [("wait_s", "queue")]),
        ("partywall_latency_seconds_sum", {}, [("latency_sum_s", "request")]),
        ("http_server_request_duration_seconds_count", {}, [("count", "request")]),
        (
            "http_server_request_duration_seconds_count",
            {"http_response_status_code": "503"},
            [("count", "request"), ("errors", "request")],
        ),
        (
            "http_server_request_duration_seconds_count",
            {"http_response_status_code": "404"},
            [("count", "request")],
        ),
        (
            "db_client_operation_duration_seconds_count",
            {"error_type": "timeout"},
            [("count", "query"), ("errors", "query")],
        ),
        ("go_goroutines", {}, []),
        ("partywall_latency_seconds", {}, []),
    ],
)
def test_a_metric_feeds_the_columns_the_catalog_says(name, labels, expected):
    known = book()
    slot = learn(known, name, **labels)

    assert [(str(s.column), str(s.family)) for s in known.fresh] == expected
    assert known.columns.state[slot] == (0 if expected else IGNORED)


def test_a_rule_maps_a_metric_of_the_platform():
    rule = MeterRule(
        name="pg_query_(time)_ms",
        column=Column.BUSY,
        family=Family.QUERY,
        resource="db:{datname}",
        labels={"kind": "exec"},
        scale=0.001,
    )
    known = book(rule)
    slot = learn(known, "pg_query_time_ms", datname="one", kind="exec")
    learn(known, "pg_query_time_ms", datname="one", kind="plan")
    learn(known, "not_pg_query_time_ms", datname="one", kind="exec")

    (series,) = known.fresh
    assert (series.resource, series.column, series.family) == ("db:one", "busy_s", "query")
    assert known.columns.scale[slot] == 0.001


def test_a_histogram_rule_scales_its_bounds_and_sum_but_not_its_count():
    known = book(MeterRule(name="took_ms", histogram=True, scale=0.001))
    slots = [
        learn(known, "took_ms_bucket", le="50"),
        learn(known, "took_ms_sum"),
        learn(known, "took_ms_count"),
    ]

    assert [s.bound for s in known.fresh] == [0.05, None, None]
    assert known.columns.scale[slots].tolist() == [1.0, 0.001, 1.0]


def test_waiting_is_a_gauge_whatever_the_door_says():
    known = book()
    origin = Origin("otlp", kind=MeterKind.DELTA)
    for name in ("partywall_waiting", "partywall_arrived_total"):
        known.learn(origin, name.encode(), {"__name__": name}, now_s=0)

    assert [s.kind for s in known.fresh] == ["gauge", "delta"]


def test_buckets_of_one_histogram_share_its_key_and_those_of_others_do_not():
    known = book()
    for tenant in ("acme", "globex"):
        for le in ("0.1", "1", "+Inf"):
            learn(known, "partywall_latency_seconds_bucket", tenant=tenant, le=le)

    keys = [series.histogram for series in known.fresh]
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert keys[0] != keys[3]
    assert len({series.identity for series in known.fresh}) == 6


def test_the_identity_is_the_same_in_every_run_and_depends_on_every_part():
    labels = {"__name__": "m", "a": "1", "b": "2"}
    same = identity(ACME, Column.COUNT, dict(reversed(labels.items())))
    others = {
        identity(GLOBEX, Column.COUNT, labels),
        identity(ACME, Column.ERRORS, labels),
        identity(ACME, Column.COUNT, {**labels, "b": "3"}),
        identity(ACME, Column.COUNT, {"__name__": "m", "a": "1b", "": "2"}),
    }

    assert same == identity(ACME, Column.COUNT, labels)
    assert len(others | {same}) == 5


def test_idle_series_are_forgotten_and_make_room():
    known = book(limits=LimitSettings(active_series=2, series_idle_s=100))
    for number in range(2):
        learn(known, "partywall_waiting", now_s=0, n=str(number))
    full = learn(known, "partywall_waiting", now_s=0, n="x")
    assert known.refusal(full).reason is Rejection.TENANT_SERIES
    known.columns.seen_s[0] = 90

    known.sweep(now_s=150)
    slot = learn(known, "partywall_waiting", now_s=150, n="x")

    assert len(known) == 2
    assert known.columns.state[slot] == 0
    assert slot != 0


def test_a_series_that_comes_back_keeps_its_sid():
    known = book(limits=LimitSettings(series_idle_s=10))
    first = known.columns.sid[learn(known, "partywall_waiting", now_s=0)]
    known.sweep(now_s=100)
    second = known.columns.sid[learn(known, "partywall_waiting", now_s=100)]

    assert first == second
    assert len(known.fresh) == 1


def test_dead_series_cannot_fill_the_book():
    known = book(limits=LimitSettings(series_total=100))
    ignored = {learn(known, f"metric_{n}") for n in range(500)}
    refused = {learn(known, "partywall_waiting", family="sql", n=str(n)) for n in range(500)}
    fine = learn(known, "partywall_waiting")

    assert len(known) < 120
    assert {int(known.columns.state[slot]) for slot in ignored} == {IGNORED}
    assert {int(known.columns.state[slot]) for slot in refused} == {REFUSED}
    assert known.columns.state[fine] == 0


def test_the_book_grows_beyond_its_first_arrays():
    known = book()
    slots = [learn(known, "partywall_waiting", n=str(n)) for n in range(3000)]

    assert known.columns.sid[np.array(slots)].tolist() == list(range(3000))
    assert (known.columns.scale[np.array(slots)] == 1.0).all()
