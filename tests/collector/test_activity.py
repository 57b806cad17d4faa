"""Who works and who holds whom up, from samples: laws and the cases that go wrong easily."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receivers.activity import NOBODY, Activity, Session, growth


def working(tenant: str, statement: int | None = 1, pid: int = 1) -> Session:
    return Session(pid, tenant, statement)


def waiting(pid: int, tenant: str, *behind: int) -> Session:
    return Session(pid, tenant, 1, waits_for_lock=True, behind=behind)


def test_counted_time_is_divided_as_samples_say():
    activity = Activity()
    for k in range(100):
        activity.see([working("acme" if k % 4 else "globex")], 0.1)
    shares = activity.shares({1: 10.6})
    assert shares["acme"].busy_s == pytest.approx(10.6 * 0.75)
    assert shares["globex"].busy_s == pytest.approx(10.6 * 0.25)
    assert shares["acme"].in_flight_s == pytest.approx(7.5)


def test_a_statement_across_windows_counts_where_it_was_seen_and_once():
    first, second = Activity(), Activity()
    for _ in range(100):
        first.see([working("acme")], 0.1)
    second.see([working("acme")], 0.1)
    assert first.shares({})["acme"].busy_s == pytest.approx(10.0)
    assert second.shares({1: 10.1})["acme"].busy_s == pytest.approx(0.1)


def test_a_statement_that_was_never_seen_is_nobodys_and_a_long_one_was_told_before():
    assert Activity().shares({7: 0.2})[NOBODY].busy_s == pytest.approx(0.2)
    assert Activity().shares({7: 9.0}) == {}


def test_waiting_for_a_lock_is_not_work():
    activity = Activity()
    for _ in range(50):
        activity.see([waiting(1, "acme", 2), working("globex", pid=3)], 0.1)
    shares = activity.shares({1: 10.0})
    assert shares["acme"].busy_s == 0
    assert shares["acme"].in_flight_s == pytest.approx(5.0)
    assert shares["globex"].busy_s == pytest.approx(5.0)  # the other half was waiting


def test_the_head_of_a_queue_is_to_blame_not_who_waits_in_it():
    activity = Activity()
    hog = Session(1, "hog", None, working=False)
    activity.see_locks([hog, waiting(2, "a", 1), waiting(3, "b", 2)], 1.0)
    shares = activity.shares({})
    assert shares["hog"].blocking_s == pytest.approx(2.0)
    assert shares["a"].blocking_s == 0
    assert (shares["a"].blocked_s, shares["b"].blocked_s) == (1.0, 1.0)


def test_several_holders_divide_a_wait_and_own_locks_count_nowhere():
    activity = Activity()
    holders = [Session(1, "x", None, working=False), Session(2, "a", None, working=False)]
    activity.see_locks([*holders, waiting(3, "a", 1, 2)], 1.0)
    shares = activity.shares({})
    assert (shares["x"].blocking_s, shares["a"].blocked_s) == (0.5, 0.5)
    assert shares["a"].blocking_s == 0


def test_a_ring_of_waiters_and_holders_that_left_harm_nothing():
    activity = Activity()
    activity.see_locks([waiting(1, "a", 2), waiting(2, "b", 1), waiting(3, "c", 99)], 1.0)
    assert activity.shares({}) == {}


def test_a_counter_that_shrank_was_reset():
    assert growth({1: 5.0, 2: 5.0, 3: 1.0}, {1: 7.5, 2: 2.0, 3: 1.0, 4: 4.0}) == {
        1: 2.5,
        2: 2.0,
        4: 4.0,
    }


LOOKS = st.lists(
    st.lists(
        st.tuples(
            st.integers(1, 6),
            st.sampled_from(["a", "b", "c", ""]),
            st.booleans(),
            st.lists(st.integers(1, 6), max_size=3),
        ),
        max_size=6,
        unique_by=lambda one: one[0],
    ),
    min_size=1,
    max_size=8,
)


@given(LOOKS)
def test_blocked_equals_blocking_and_no_time_is_invented(looks):
    activity = Activity()
    waits = 0
    for look in looks:
        sessions = [
            Session(pid, tenant, pid, waits_for_lock=bool(w and behind), behind=tuple(behind))
            for pid, tenant, w, behind in look
        ]
        waits += sum(one.waits_for_lock for one in sessions)
        activity.see(sessions, 0.1)
        activity.see_locks(sessions, 1.0)
    shares = activity.shares({}).values()
    assert sum(one.blocked_s for one in shares) == pytest.approx(
        sum(one.blocking_s for one in shares)
    )
    assert sum(one.blocked_s for one in shares) <= waits + 1e-9
    assert all(one.busy_s <= one.in_flight_s + 1e-9 for one in shares)
