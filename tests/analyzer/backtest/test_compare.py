"""Two runs over one recording: which incidents are the same, and which one alone told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from analyzer.backtest.compare import compare
from analyzer.backtest.replay import Verdict

AT = datetime(2026, 11, 2, tzinfo=UTC)


def told(
    begins: int, ends: int | None, whom: str = "acme", *, resource: str = "db:1", late: int = 2
) -> Verdict:
    """Minutes after AT."""
    return Verdict(
        resource=resource,
        kind="noisy_neighbour" if whom else "capacity",
        aggressors=(whom,) if whom else (),
        victims=(),
        started_at=AT + timedelta(minutes=begins),
        detected_at=AT + timedelta(minutes=begins + late),
        ended_at=None if ends is None else AT + timedelta(minutes=ends),
        confidence=0.9,
        action=None,
        limit=None,
    )


def test_the_same_harm_is_one_pair_and_what_one_alone_tells_is_left():
    first = [told(0, 10), told(60, None, "globex", resource="db:2")]
    second = [told(1, 12), told(30, 40)]
    compared = compare(first, second)
    assert compared.both == ((first[0], second[0]),)
    assert compared.first == (first[1],)
    assert compared.second == (second[1],)


def test_another_tenant_resource_kind_or_time_is_another_incident():
    one = told(0, 10)
    others = [told(0, 10, "globex"), told(0, 10, resource="db:2"), told(0, 10, ""), told(11, 20)]
    assert compare([one], others).both == ()


def test_of_two_partners_the_longer_together_is_taken():
    long, short = told(0, 60), told(50, 70)
    assert compare([told(5, 55)], [short, long]).both == ((told(5, 55), long),)


def test_how_much_sooner_the_second_tells_is_a_median():
    first = [told(0, 10, late=4), told(20, 30, late=4), told(40, 50, late=4)]
    second = [told(0, 10, late=3), told(20, 30, late=2), told(40, 50, late=9)]
    assert compare(first, second).sooner_s == 60
    assert compare(first, second[:2]).sooner_s == 90
    assert compare(first, []).sooner_s is None


verdicts = st.lists(
    st.builds(
        lambda begins, length, whom: told(begins, begins + length, whom),
        st.integers(0, 100), st.integers(0, 50), st.sampled_from(["acme", "globex", ""]),
    ),
    max_size=8,
)  # fmt: skip


@given(verdicts, verdicts)
def test_nothing_is_lost_or_counted_twice(first, second):
    compared = compare(first, second)
    mine = [*(a for a, _ in compared.both), *compared.first]
    other = [*(b for _, b in compared.both), *compared.second]
    assert sorted(mine, key=repr) == sorted(first, key=repr)
    assert sorted(other, key=repr) == sorted(second, key=repr)


@given(verdicts)
def test_a_run_against_itself_tells_the_same(first):
    alike = compare(first, first)
    assert len(alike.both) == len(first)
    assert alike.first == alike.second == ()
