"""Takes due deliveries from the outbox and sends them, a worker per endpoint.

At least once: a delivery is claimed with a lease before it is sent and settled after; who dies in
between leaves a lease that runs out, and the same event goes out again under the same id.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from analyzer.notify.channels import CHANNELS, render
from analyzer.notify.channels.message import Message
from analyzer.notify.clock import stored
from analyzer.notify.endpoints import Endpoint, endpoint
from analyzer.notify.feed import EVERY, fed, feed
from analyzer.notify.outbox import Claim, claim, replan
from analyzer.notify.settings import NotifySettings
from analyzer.notify.settle import Seen, Sent, Settled, Tried, settle
from analyzer.notify.wire.answer import BREAKER_AFTER, Answer, Verdict, judge
from analyzer.notify.wire.pace import Pace
from analyzer.notify.wire.signature import signed_headers
from analyzer.notify.wire.transport import Transport
from analyzer.store.database import Store

_SLACK = timedelta(seconds=2)
"""How far a clock may be slewed back without being called set back."""

GATHER_S = 0.02
"""How long answers are gathered after the first before they are settled together."""

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
    given_back: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(
            self.delivered + other.delivered,
            self.retried + other.retried,
            self.dead + other.dead,
            self.skipped + other.skipped,
            self.lost_lease + other.lost_lease,
            self.given_back + other.given_back,
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
        seen: Seen | None = None,
    ) -> None:
        self._store, self._settings, self._transport = store, settings, transport
        self._seen = seen
        self._chance, self._limit = chance, limit
        self._workers = ThreadPoolExecutor(max_workers=32, thread_name_prefix="deliver")
        self._busy: dict[str, Future[Delivered]] = {}
        self._paces: dict[str, Pace] = {}
        self._closing = threading.Event()
        self._feeds: dict[str, Future[int]] = {}
        self._fed_at = datetime.min.replace(tzinfo=UTC)
        self._ticked_at: datetime | None = None

    def tick(self, now: datetime) -> Delivered:
        """Start what is due; returns what has finished since the last tick."""
        done = self._collect()
        clock = _running(now)
        self._mind_the_clock(now)
        for (key,) in self._store.rows("notify_due_endpoints", now=stored(now)):
            if key not in self._busy:
                self._busy[key] = self._workers.submit(self._drain, key, clock)
        self._repeat(now)
        return done

    def _mind_the_clock(self, now: datetime) -> None:
        """At the start, and when the clock was set back, nothing may wait for times undone."""
        jumped = self._ticked_at is not None and now < self._ticked_at - _SLACK
        if jumped or self._ticked_at is None:
            replan(self._store, now=now, jumped=jumped)
        self._ticked_at = now

    def _repeat(self, now: datetime) -> None:
        """Alertmanagers are told once a minute what they must not forget."""
        if timedelta(0) <= now - self._fed_at < EVERY:
            return
        self._fed_at = now
        for to in fed(self._store):
            if to.id not in self._feeds or self._feeds[to.id].done():
                self._feeds[to.id] = self._workers.submit(
                    feed, self._store, to, now=now, transport=self._transport
                )

    @property
    def feeding(self) -> bool:
        """Whether a repetition is under way."""
        return any(not each.done() for each in self._feeds.values())

    def wait(self) -> Delivered:
        """Let all workers finish."""
        return sum((future.result() for future in self._busy.values()), Delivered())

    def close(self) -> None:
        """Stop: let running sends end (15 s at most) and give back what was claimed ahead."""
        self._closing.set()
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _collect(self) -> Delivered:
        finished = [key for key, future in self._busy.items() if future.done()]
        return sum((self._busy.pop(key).result() for key in finished), Delivered())

    def _drain(self, key: str, clock: Clock) -> Delivered:
        """Send the endpoint's due lanes until none is left or `limit` is met.

        Answers are settled as they come, all that are there in one transaction, so that one slow
        answer holds back its own lane only.
        """
        total: Counter[Settled] = Counter()
        flight: set[Future[Tried]] = set()
        with ThreadPoolExecutor(max_workers=self._settings.parallel) as pool:
            while True:
                free = self._limit - total.total() - len(flight)
                to, claims = self._take(key, clock(), flying=len(flight), free=free)
                if to is not None:
                    streak = _Streak(max(1, BREAKER_AFTER - to.failures))
                    flight |= {pool.submit(self._try, each, to, clock, streak) for each in claims}
                if not flight:
                    return _delivered(total)
                done, flight = wait(flight, return_when=FIRST_COMPLETED)
                if flight:  # quick answers come in swarms: one commit for all of them
                    more, flight = wait(flight, timeout=GATHER_S)
                    done |= more
                total += settle(
                    self._store,
                    key,
                    [future.result() for future in done],
                    now=clock(),
                    chance=self._chance,
                    give_up=timedelta(seconds=self._settings.give_up_s),
                    seen=self._seen,
                )

    def _take(
        self, key: str, now: datetime, *, flying: int, free: int
    ) -> tuple[Endpoint | None, list[Claim]]:
        if self._closing.is_set():
            return None, []
        with self._store.reader() as reader:
            to = endpoint(reader, key)
        if to is None or to.state == "disabled" or (to.hold_until and to.hold_until > now):
            return None, []
        ahead = _ahead(to, self._settings.parallel)
        if free < 1 or flying > ahead // 2:
            return None, []
        lease = timedelta(seconds=self._settings.lease_s)
        pace = self._pace(to)
        room = min(ahead - flying, free, pace.left() if pace else free)
        if room < 1:
            return None, []
        claims = claim(self._store, to, now=now, lease=lease, limit=room)
        if pace:
            pace.take(len(claims))
        return to, claims

    def _pace(self, to: Endpoint) -> Pace | None:
        """Shared by all endpoints of one address."""
        channel = CHANNELS.get(to.format)
        if channel is None or channel.a_second is None:
            return None
        return self._paces.setdefault(to.url, Pace(channel.a_second))

    def _try(self, taken: Claim, to: Endpoint, clock: Clock, streak: _Streak) -> Tried:
        late = clock() + timedelta(seconds=self._settings.total_timeout_s) > taken.lease_until
        if late or streak.broken or self._closing.is_set():
            return Tried(taken, None)
        tried = attempt(taken, to, clock, self._transport)
        streak.note(tried)
        return tried


def attempt(taken: Claim, to: Endpoint, clock: Clock, transport: Transport) -> Tried:
    """Render, sign, post."""
    started = clock()
    try:
        message = render(taken.event, to.addressee(taken.thread), to.format)
    except (ValueError, LookupError, TypeError, ArithmeticError) as broken:
        # One odd event must not stop the endpoint: it dies, with its reason in the log.
        refused = Answer(None, error=f"cannot be written: {broken!r}", unsendable=True)
        return Tried(taken, Sent(None, {}, refused, started))
    if message is None:
        return Tried(taken, Sent(None, {}, None, started))
    headers = _headers(taken, to, message, started)
    answer = _understood(transport.send(message, headers), message, to.format)
    return Tried(taken, Sent(message, headers, answer, started))


def _understood(answer: Answer, message: Message, style: str) -> Answer:
    """The answer as its channel reads it, with what is to be said of the message itself."""
    read = CHANNELS[style].understood
    answer = read(answer, message) if read is not None else answer
    if not message.note:
        return answer
    return replace(answer, error=f"{message.note}; {answer.error}".rstrip("; "))


class _Streak:
    """Straight failures among claims made together; when broken the rest is given back unsent."""

    def __init__(self, allowed: int) -> None:
        self._allowed, self._failures = allowed, 0

    @property
    def broken(self) -> bool:
        return self._failures >= self._allowed

    def note(self, tried: Tried) -> None:
        answer = tried.sent.answer if tried.sent else None
        verdict = judge(answer) if answer else Verdict.DELIVERED
        if verdict in (Verdict.DELIVERED, Verdict.REFUSED):
            self._failures = 0
        elif verdict in (Verdict.GONE, Verdict.THROTTLED):
            self._failures = self._allowed
        else:
            self._failures += 1


def _ahead(to: Endpoint, parallel: int) -> int:
    """How many claims to hold at once: plenty while all is well, one to probe with."""
    if to.failures >= BREAKER_AFTER:
        return 1
    return parallel if to.failures else 8 * parallel


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
        given_back=total[Settled.GIVEN_BACK],
    )
