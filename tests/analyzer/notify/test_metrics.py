from __future__ import annotations

from analyzer.notify.metrics import outbox_numbers
from tests.analyzer.journal.cast import at, opened
from tests.analyzer.notify.house import deliver, listening, write
from tests.analyzer.notify.receiver import receiver


def test_the_outbox_is_counted(store):
    with receiver([200, 400, 500]) as hook:
        settings = listening(store, hook, parallel=1)
        write(store, *(opened(f"INC-{n}") for n in range(3)), now=at(1))
        before = outbox_numbers(store, now=at(2))
        deliver(store, settings, at(2))
        after = outbox_numbers(store, now=at(3))
    assert (before.depth, before.oldest_s, before.dead) == (3, 60.0, 0)
    assert (after.depth, after.oldest_s, after.dead) == (1, 120.0, 1)
    assert after.results == {
        ("hook-0", "dead"): 1,
        ("hook-0", "delivered"): 1,
        ("hook-0", "pending"): 1,
    }


def test_an_empty_outbox_has_no_age(store):
    numbers = outbox_numbers(store, now=at(0))
    assert (numbers.depth, numbers.oldest_s, numbers.dead) == (0, 0.0, 0)
