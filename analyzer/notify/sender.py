"""Takes due deliveries from the outbox and sends them, a worker per endpoint.

At least once: a delivery is claimed with a lease before it is sent and settled after; who dies in
between leaves a lease that runs out, and the same event goes out again under the same id.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from analyzer.notify.answer import BREAKER_AFTER
from analyzer.notify.channels import render
from analyzer.notify.channels.message import Message
from analyzer.notify.clock import stored
from analyzer.notify.endpoints import Endpoint, endpoint
from analyzer.notify.outbox import Claim, claim
from analyzer.notify.settings import NotifySettings
from analyzer.notify.settle import Sent, Settled, settle
from analyzer.notify.signature import signed_headers
from analyzer.notify.transport import Transport
from analyzer.store import Store

Random = Callable[[], float]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round did, in attempts by result."""

    delivered: int = 0
    retried: int = 0
    dead: int = 0
    skipped: int = 0
    lost_lease: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(
            self.delivered + other.delivered,
            self.retried + other.retried,
            self.dead + other.dead,
            self.skipped + other.skipped,
            self.lost_lease + other.lost_lease,
        )


def deliver_due(
    store: Store,
    *,
    now: datetime,
    transport: Transport,
    settings: NotifySettings | None = None,
    limit: int = 1000,
    chance: Random = random.random,
) -> Delivered:
    """Send everything due, every endpoint in its own thread, and wait for all of them.

    `limit` is per endpoint. Time passes inside: a retry is planned from the moment of the answer.
    """
    sender = Sender(store, settings or NotifySettings(), transport, chance=chance, limit=limit)
    try:
        sender.tick(now)
        return sender.wait()
    finally:
        sender.close()


class Sender:
    """Keeps one worker per endpoint busy, so that a slow endpoint delays nobody else.

    Call `tick` every second; it starts workers for idle endpoints that have work, and returns.
    """

    def __init__(
        self,
        store: Store,
        settings: NotifySettings,
        transport: Transport,
        *,
        chance: Random = random.random,
        limit: int = 1000,
    ) -> None:
        self._store, self._settings, self._transport = store, settings, transport
        self._chance, self._limit = chance, limit
        self._workers = ThreadPoolExecutor(max_workers=32, thread_name_prefix="deliver")
        self._busy: dict[str, Future[Delivered]] = {}

    def tick(self, now: datetime) -> Delivered:
        """Start what is due; returns what has finished since the last tick."""
        done = self._collect()
        clock = _running(now)
        for (key,) in self._store.rows("notify_due_endpoints", now=stored(now)):
            if key not in self._busy:
                self._busy[key] = self._workers.submit(self._drain, key, clock)
        return done

    def wait(self) -> Delivered:
        """Let all workers finish."""
        return sum((future.result() for future in self._busy.values()), Delivered())

    def close(self) -> None:
        """Stop. What was claimed and not sent is sent by whoever comes after the lease."""
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _collect(self) -> Delivered:
        finished = [key for key, future in self._busy.items() if future.done()]
        return sum((self._busy.pop(key).result() for key in finished), Delivered())

    def _drain(self, key: str, clock: Clock) -> Delivered:
        """Send the endpoint's due lanes, some at a time, until none is left or `limit` is met."""
        total: Counter[Settled] = Counter()
        with ThreadPoolExecutor(max_workers=self._settings.parallel) as pool:
            while total.total() < self._limit:
                claims, to = self._take(key, clock())
                if to is None or not claims:
                    break
                total.update(pool.map(partial(self._send, to, clock), claims))
        return _delivered(total)

    def _take(self, key: str, now: datetime) -> tuple[list[Claim], Endpoint | None]:
        with self._store.reader() as reader:
            to = endpoint(reader, key)
        if to is None or to.state == "disabled" or (to.hold_until and to.hold_until > now):
            return [], None
        limit = 1 if to.failures >= BREAKER_AFTER else self._settings.parallel
        lease = timedelta(seconds=self._settings.lease_s)
        return claim(self._store, to, now=now, lease=lease, limit=limit), to

    def _send(self, to: Endpoint, clock: Clock, taken: Claim) -> Settled:
        return send(self._store, taken, to, clock, self._transport, self._settings, self._chance)


def send(
    store: Store,
    taken: Claim,
    to: Endpoint,
    clock: Clock,
    transport: Transport,
    settings: NotifySettings,
    chance: Random = random.random,
) -> Settled:
    """One attempt: render, sign, post, settle."""
    started = clock()
    message = render(taken.event, to.addressee, to.format)
    headers = _headers(taken, to, message, started) if message else {}
    answer = transport.send(message, headers) if message else None
    return settle(
        store,
        taken,
        to,
        Sent(message, headers, answer, started),
        now=clock(),
        jitter=chance(),
        give_up=timedelta(seconds=settings.give_up_s),
    )


def _headers(taken: Claim, to: Endpoint, message: Message, at: datetime) -> Mapping[str, str]:
    headers = {
        "Content-Type": message.content_type,
        "User-Agent": "Partywall",
        "Idempotency-Key": taken.event.id,
        "X-Partywall-Attempt": str(taken.attempt),
        **signed_headers(taken.event.id, at, message.body, to.secret),
    }
    return {**headers, "X-Partywall-Replay": "1"} if taken.replay else headers


def _running(now: datetime) -> Clock:
    """A clock that goes on from `now`."""
    started = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - started)


def _delivered(total: Counter[Settled]) -> Delivered:
    return Delivered(
        delivered=total[Settled.DELIVERED],
        retried=total[Settled.RETRIED],
        dead=total[Settled.DEAD],
        skipped=total[Settled.SKIPPED],
        lost_lease=total[Settled.LOST_LEASE],
    )
