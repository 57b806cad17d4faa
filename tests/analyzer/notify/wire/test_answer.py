from __future__ import annotations

import email.utils
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.notify.wire.answer import (
    SCHEDULE_S,
    Answer,
    Verdict,
    judge,
    next_try,
    probe_pause,
    retry_after,
)
from tests.analyzer.journal.cast import NOON, at

DAY = timedelta(days=1)


def again(answer: Answer, attempt: int = 1, minutes: float = 0, jitter: float = 0.5):
    return next_try(
        answer, attempt=attempt, queued_at=NOON, now=at(minutes), jitter=jitter, give_up=DAY
    )


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (202, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (301, Verdict.MISCONFIGURED),
        (307, Verdict.MISCONFIGURED),
        (400, Verdict.REFUSED),
        (401, Verdict.MISCONFIGURED),
        (403, Verdict.MISCONFIGURED),
        (404, Verdict.MISCONFIGURED),
        (408, Verdict.RETRY),
        (410, Verdict.GONE),
        (413, Verdict.REFUSED),
        (422, Verdict.REFUSED),
        (425, Verdict.RETRY),
        (429, Verdict.THROTTLED),
        (500, Verdict.RETRY),
        (502, Verdict.RETRY),
        (503, Verdict.RETRY),
        (None, Verdict.RETRY),
    ],
)
def test_an_answer_means_one_thing(status, verdict):
    assert judge(Answer(status)) is verdict


def test_the_schedule_is_dense_at_first_and_goes_on_for_a_day():
    waits = [again(Answer(500), n) - NOON for n in range(1, 12)]
    assert [int(wait.total_seconds()) for wait in waits] == [*SCHEDULE_S, 900, 900]
    assert again(Answer(500), 99, minutes=24 * 60 - 16) is not None
    assert again(Answer(500), 99, minutes=24 * 60) is None


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 50))
def test_jitter_stays_within_a_fifth(jitter, attempt):
    wait = (again(Answer(500), attempt, jitter=jitter) - NOON).total_seconds()
    base = SCHEDULE_S[min(attempt, len(SCHEDULE_S)) - 1]
    assert 0.8 * base <= wait <= 1.2 * base


def test_a_wrong_address_is_tried_slowly_for_an_hour():
    assert again(Answer(404)) == at(1)
    assert again(Answer(404), 9, minutes=40) is not None
    assert again(Answer(404), 9, minutes=50) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("999999999999999999", 3600),
        (email.utils.format_datetime(at(2), usegmt=True), 120),
        (email.utils.format_datetime(at(-5), usegmt=True), 0),
        (email.utils.format_datetime(at(600), usegmt=True), 3600),
    ],
)
def test_retry_after_is_read_and_capped(text, seconds):
    assert retry_after((("Retry-After", text),), NOON) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "²", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_strange_retry_after_is_ignored(text):
    assert retry_after((("retry-after", text),), NOON) is None
    assert again(Answer(429, (("retry-after", text),))) == NOON + timedelta(seconds=2)


def test_probes_are_at_most_a_minute_apart():
    assert probe_pause(4, 0.5) == timedelta(0)
    assert probe_pause(5, 0.5) == timedelta(seconds=2)
    assert probe_pause(500, 0.99) == timedelta(seconds=60)
