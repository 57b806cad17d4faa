from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.cost.held import Held

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Maker:
    """Counts what it makes; the nth answer is n."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, now: datetime) -> int:
        self.made += 1
        return self.made


def held(make: Maker) -> Held[int]:
    return Held(make, lambda _: MINUTE)


def test_an_answer_is_made_once_and_kept():
    one = held(Maker())
    assert [one.get(NOON), one.get(NOON + MINUTE), one.refresh(NOON)] == [1, 1, 1]


def test_the_timetable_renews_it_when_its_time_is_up():
    one = held(Maker())
    assert [one.refresh(NOON), one.refresh(NOON + MINUTE), one.get(NOON + MINUTE)] == [1, 2, 2]


def test_a_reader_renews_it_only_when_nobody_did_for_twice_its_time():
    one = held(Maker())
    assert [one.get(NOON), one.get(NOON + 1.9 * MINUTE), one.get(NOON + 2 * MINUTE)] == [1, 1, 2]


def test_an_answer_from_the_future_is_not_believed():
    one = held(Maker())
    assert [one.get(NOON), one.get(NOON - MINUTE)] == [1, 2]


def test_readers_get_the_old_answer_while_a_new_one_is_made():
    started, finish = threading.Event(), threading.Event()

    def slow(now: datetime) -> datetime:
        if now > NOON:
            started.set()
            assert finish.wait(5)
        return now

    one = Held(slow, lambda _: MINUTE)
    assert one.get(NOON) == NOON
    later = NOON + 5 * MINUTE
    thread = threading.Thread(target=one.refresh, args=(later,))
    thread.start()
    assert started.wait(5)
    assert one.get(later) == NOON
    finish.set()
    thread.join(5)
    assert one.get(later) == later


def test_a_making_that_fails_keeps_the_old_answer_and_is_tried_again():
    answers: Iterator[int | ValueError] = iter([1, ValueError("disk"), 3])

    def make(now: datetime) -> int:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    one = Held(make, lambda _: MINUTE)
    assert one.get(NOON) == 1
    later = NOON + 5 * MINUTE
    with pytest.raises(ValueError, match="disk"):
        one.refresh(later)
    assert one.refresh(later) == 3
