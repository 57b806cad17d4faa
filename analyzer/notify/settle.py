"""Writes down what came of an attempt: the delivery, the log, the endpoint's health, the news."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import pyarrow as pa

from analyzer.model import EventType
from analyzer.notify.addressing import pages
from analyzer.notify.channels.message import FORGET, Message
from analyzer.notify.clock import stored
from analyzer.notify.endpoints import Endpoint, endpoint, endpoints
from analyzer.notify.event import Event, cut, event_id
from analyzer.notify.health import DISABLE_AFTER, after
from analyzer.notify.outbox import Claim, post
from analyzer.notify.rules import policy
from analyzer.notify.settings import redacted
from analyzer.notify.wire.answer import Answer, Verdict, judge, next_try
from analyzer.store.database import Store
from analyzer.store.reader import Transaction

MAX_LOGGED = 2048
"""Bytes of an answer's body that are kept."""

_SECRET_HEADERS = {"authorization", "cookie", "set-cookie", "proxy-authorization", "location"}


class Settled(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    DEAD = "dead"
    SKIPPED = "skipped"
    LOST_LEASE = "lost_lease"
    GIVEN_BACK = "given_back"


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent and what came back. No message: the channel has no use for the event."""

    message: Message | None
    headers: Mapping[str, str]
    answer: Answer | None
    started: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """A claim and what was done with it; `sent` None: nothing, it goes back unsent."""

    claim: Claim
    sent: Sent | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended, for the meters: `seconds` from the event to its arrival, None for
    what did not arrive or was sent again by a person."""

    endpoint: str
    result: Settled
    seconds: float | None = None


Seen = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class _End:
    """The new state of a delivery, a row of the batch `notify_settle` reads."""

    id: str
    attempt: int
    state: str
    next_at: datetime | None
    delivered_at: datetime | None = None
    status: int | None = None
    ms: float | None = None
    error: str = ""


def settle(
    store: Store,
    endpoint_id: str,
    tries: Sequence[Tried],
    *,
    now: datetime,
    chance: Callable[[], float],
    give_up: timedelta,
    seen: Seen | None = None,
) -> Counter[Settled]:
    """One transaction for all; `seen` is told of each when it is committed. Who lost the lease
    meanwhile changes nothing."""
    with store.transaction() as tx:
        held = dict(tx.rows("notify_held", ids=[each.claim.delivery for each in tries]))
        ours = [each for each in tries if held.get(each.claim.delivery) == each.claim.attempt]
        ends = [_ended(each, now, chance(), give_up) for each in ours]
        if ends:
            tx.load("notify_settle", _settled_table(ends))
        to = endpoint(tx, endpoint_id)
        answers = [(e.claim.event, e.sent.answer) for e in ours if e.sent and e.sent.answer]
        for event, answer in answers:
            if answer.thread:
                _thread(tx, endpoint_id, event.lane, answer.thread)
        if to is not None and answers:
            tx.load("notify_attempts_insert", _log_table(ours, to.secrets))
            _check_up(tx, to, answers, now, chance())
    total: Counter[Settled] = Counter()
    for end, each in zip(ends, ours, strict=True):
        total[result := _name(end, each)] += 1
        if seen is not None and to is not None and result is not Settled.GIVEN_BACK:
            seen(Outcome(to.name, result, _seconds(each, result, now)))
    total[Settled.LOST_LEASE] += len(tries) - len(ours)
    return total


def _thread(tx: Transaction, endpoint_id: str, lane: str, reference: str) -> None:
    """What the receiver made of the lane, or that it is there no more."""
    tx.execute("notify_thread_forget", endpoint=endpoint_id, lane=lane)
    if reference != FORGET:
        tx.execute("notify_thread_keep", endpoint=endpoint_id, lane=lane, reference=reference)


def _ended(tried: Tried, now: datetime, jitter: float, give_up: timedelta) -> _End:
    taken, sent = tried.claim, tried.sent
    if sent is None:
        return _End(taken.delivery, taken.attempt - 1, "pending", stored(now))
    if sent.answer is None:
        return _End(taken.delivery, taken.attempt, "skipped", None)
    again = next_try(
        sent.answer,
        attempt=taken.attempt,
        queued_at=taken.queued_at,
        now=now,
        jitter=jitter,
        give_up=give_up,
    )
    well = judge(sent.answer) is Verdict.DELIVERED
    return _End(
        id=taken.delivery,
        attempt=taken.attempt,
        state="delivered" if well else "pending" if again else "dead",
        next_at=stored(again),
        delivered_at=stored(now) if well else None,
        status=sent.answer.status,
        ms=sent.answer.ms,
        error=cut(sent.answer.error),
    )


def _name(end: _End, tried: Tried) -> Settled:
    if tried.sent is None:
        return Settled.GIVEN_BACK
    return Settled.RETRIED if end.state == "pending" else Settled(end.state)


def _seconds(tried: Tried, result: Settled, now: datetime) -> float | None:
    if result is not Settled.DELIVERED or tried.claim.replay:
        return None
    return max((now - tried.claim.event.created_at).total_seconds(), 0.0)


_ENDS = pa.schema(
    [
        ("id", pa.string()),
        ("attempt", pa.int64()),
        ("state", pa.string()),
        ("next_at", pa.timestamp("us")),
        ("delivered_at", pa.timestamp("us")),
        ("status", pa.int32()),
        ("ms", pa.float64()),
        ("error", pa.string()),
    ]
)

_LOG = pa.schema(
    [
        ("delivery", pa.string()),
        ("n", pa.int64()),
        ("started_at", pa.timestamp("us")),
        ("ms", pa.float64()),
        ("status", pa.int32()),
        ("error", pa.string()),
        ("request_headers", pa.string()),
        ("request_body", pa.string()),
        ("response_headers", pa.string()),
        ("response_body", pa.string()),
    ]
)


def _settled_table(ends: Sequence[_End]) -> pa.Table:
    return pa.Table.from_pylist([asdict(end) for end in ends], schema=_ENDS)


def _log_table(tries: Sequence[Tried], secrets: Sequence[str]) -> pa.Table:
    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "…")
        return text

    rows = [
        {
            "delivery": each.claim.delivery,
            "n": each.claim.attempt,
            "started_at": stored(each.sent.started),
            "ms": each.sent.answer.ms,
            "status": each.sent.answer.status,
            "error": clean(cut(each.sent.answer.error)),
            "request_headers": clean(_shown(each.sent.headers)),
            "request_body": clean(_text(each.sent.message.body if each.sent.message else b"")),
            "response_headers": clean(_shown(dict(each.sent.answer.headers))),
            "response_body": clean(_text(each.sent.answer.body[:MAX_LOGGED])),
        }
        for each in tries
        if each.sent is not None and each.sent.answer is not None
    ]
    return pa.Table.from_pylist(rows, schema=_LOG)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _shown(headers: Mapping[str, str]) -> str:
    return json.dumps(
        {
            name: "…" if name.lower() in _SECRET_HEADERS else cut(value)
            for name, value in headers.items()
        },
        ensure_ascii=False,
    )


def _check_up(
    tx: Transaction,
    had: Endpoint,
    answers: Sequence[tuple[Event, Answer]],
    now: datetime,
    jitter: float,
) -> None:
    if had.state == "disabled":
        return
    since = had.failing_since
    last_one = since is not None and now - since >= DISABLE_AFTER and _last_one(tx, had)
    to = had
    for event, answer in answers:
        checkup = after(to, answer, now=now, jitter=jitter, last_one=last_one)
        to = checkup.endpoint
        if checkup.news is not None:
            post(tx, _news(to, checkup.news, event, answer, now))
        if to.state == "disabled":
            tx.execute("notify_bury_endpoint", endpoint=to.id, error="the endpoint is switched off")
            break
    if to != had:
        _write_health(tx, to)


def _last_one(tx: Transaction, had: Endpoint) -> bool:
    """Whether nobody else would hear of a page, or of anything, without this endpoint."""
    others = [e for e in endpoints(tx) if e.id != had.id and e.state != "disabled"]
    rules = policy(tx)
    return not others or (pages(had, rules) and not any(pages(e, rules) for e in others))


def _write_health(tx: Transaction, to: Endpoint) -> None:
    tx.execute(
        "notify_endpoint_health",
        id=to.id,
        state=to.state,
        failures=to.failures,
        failing_since=stored(to.failing_since),
        told_failing=to.told_failing,
        hold_until=stored(to.hold_until),
    )


def _news(to: Endpoint, kind: EventType, event: Event, answer: Answer, now: datetime) -> Event:
    """Told to the other endpoints, never to the one it is about."""
    word = "was switched off" if kind is EventType.ENDPOINT_DISABLED else "fails"
    error = cut(answer.error) or f"status {answer.status}"
    return Event(
        id=event_id(now),
        type=kind.value,
        lane=to.lane,
        seq=0,
        at=now,
        created_at=now,
        summary=f"The endpoint {to.name} {word}: {error}",
        url=f"{event.links.base}/settings",
        facts=(("endpoint", to.name), ("url", redacted(to.url)), ("error", error)),
        links=event.links,
    )
