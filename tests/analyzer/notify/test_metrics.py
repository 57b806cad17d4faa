from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from analyzer.notify import HttpTransport, Sender
from analyzer.notify.metrics import outbox_numbers
from analyzer.pulse import Pulse
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


def test_every_attempt_is_counted_once_by_endpoint_and_result(store):
    pulse = Pulse(CollectorRegistry())
    with receiver([500, 400]) as hook:
        settings = listening(store, hook, parallel=1)
        sender = Sender(
            store, settings, HttpTransport(settings), seen=pulse.attempted, chance=lambda: 0.5
        )
        write(store, opened(), opened("INC-2"), now=at(1))
        for minute in (1.5, 2):
            sender.tick(at(minute))
            sender.wait()
        sender.close()
    page = generate_latest(pulse.registry).decode()
    for result in ("retried", "dead", "delivered"):
        line = f'partywall_deliveries_total{{endpoint="hook-0",result="{result}"}} 1.0'
        assert line in page
    assert "partywall_delivery_seconds_count 1.0" in page
    assert 'partywall_delivery_seconds_bucket{le="60.0"} 0.0' in page
    assert 'partywall_delivery_seconds_bucket{le="300.0"} 1.0' in page


def test_an_empty_outbox_has_no_age(store):
    numbers = outbox_numbers(store, now=at(0))
    assert (numbers.depth, numbers.oldest_s, numbers.dead) == (0, 0.0, 0)
