"""The address bar is the state, and a stranger's input."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard import address


def test_the_address_is_read_in_grafanas_names():
    at = address.read("/incidents", "?from=now-24h&to=now&var-state=firing&var-resource=db:shard-3")
    assert (at.start, at.end, at.state, at.resource) == ("now-24h", "now", "firing", "db:shard-3")


def test_nothing_given_means_the_last_six_hours():
    at = address.read(None, None)
    assert (at.path, at.start, at.end) == ("/", "now-6h", "now")


@pytest.mark.parametrize("query", ["?from", "?=&&==", "?from=&to=", "%%%", "?" + "x" * 100_000])
def test_broken_queries_are_no_errors(query):
    assert address.read("/", query).start == "now-6h"


def test_overlong_values_are_cut():
    assert len(address.read("/", f"?search={'a' * 3000}").search) == address.LONGEST


@given(st.text(min_size=1, max_size=60))
@example("%")
@example("50%25")
@example("a/b")
def test_any_tenant_id_survives_the_way_through_a_link(name):
    path = address.link("tenants", name)
    assert address.read(path, "").last == name
    again = address.read(path, "").link(**{"from": "now-1h"})
    assert address.read(again.partition("?")[0], "").last == name


def test_a_filter_keeps_the_others_and_can_be_taken_away():
    at = address.read("/incidents", "?from=now-24h&var-kind=capacity")
    assert at.link(**{"var-state": "firing"}) == (
        "/incidents?from=now-24h&var-kind=capacity&var-state=firing"
    )
    assert at.link(**{"var-kind": ""}) == "/incidents?from=now-24h"


def test_an_id_cannot_leave_its_segment_of_the_api_path():
    assert address.quoted("../../x?y#z") == "..%2F..%2Fx%3Fy%23z"
