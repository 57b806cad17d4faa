"""Writes down what came of an attempt: the delivery, the log, the endpoint's health, the news."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from analyzer.model import EventType
from analyzer.notify.answer import Answer, Verdict, judge, next_try
from analyzer.notify.channels.message import Message
from analyzer.notify.clock import stored
from analyzer.notify.endpoints import Endpoint, endpoint, endpoints
from analyzer.notify.event import Event, cut, event_id
from analyzer.notify.health import after
from analyzer.notify.outbox import Claim, post
from analyzer.notify.settings import redacted
from analyzer.store import Store, Transaction

_SECRET_HEADERS = {"authorization", "cookie", "set-cookie", "proxy-authorization", "location"}


class Settled(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    DEAD = "dead"
    SKIPPED = "skipped"
    LOST_LEASE = "lost_lease"


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent and what came back. No message: the channel has no use for the event."""

    message: Message | None
    headers: Mapping[str, str]
    answer: Answer | None
    started: datetime


def settle(
    store: Store,
    taken: Claim,
    to: Endpoint,
    sent: Sent,
    *,
    now: datetime,
    jitter: float,
    give_up: timedelta,
) -> Settled:
    """One transaction per attempt. Who lost the lease meanwhile changes nothing."""
    with store.transaction() as tx:
        if tx.row("notify_holds", id=taken.delivery, attempt=taken.attempt) is None:
            return Settled.LOST_LEASE
        if sent.answer is None or sent.message is None:
            _finish(tx, taken, "skipped", Answer(None), None, None)
            return Settled.SKIPPED
        answer = sent.answer
        _log(tx, taken, to, sent.message, sent, answer)
        again = next_try(
            answer,
            attempt=taken.attempt,
            queued_at=taken.queued_at,
            now=now,
            jitter=jitter,
            give_up=give_up,
        )
        outcome = _outcome(answer, again)
        state = "pending" if outcome is Settled.RETRIED else outcome.value
        done = now if outcome is Settled.DELIVERED else None
        _finish(tx, taken, state, answer, again, done)
        _check_up(tx, to, taken.event, answer, now, jitter)
    return outcome


def _outcome(answer: Answer, again: datetime | None) -> Settled:
    if judge(answer) is Verdict.DELIVERED:
        return Settled.DELIVERED
    return Settled.RETRIED if again is not None else Settled.DEAD


def _finish(
    tx: Transaction,
    taken: Claim,
    state: str,
    answer: Answer,
    again: datetime | None,
    done: datetime | None,
) -> None:
    tx.execute(
        "notify_settle",
        id=taken.delivery,
        state=state,
        next_at=stored(again),
        delivered_at=stored(done),
        status=answer.status,
        ms=answer.ms,
        error=cut(answer.error),
    )


def _log(
    tx: Transaction, taken: Claim, to: Endpoint, message: Message, sent: Sent, answer: Answer
) -> None:
    body = message.body.decode("utf-8", "replace")
    if to.routing_key:
        body = body.replace(to.routing_key, "…")
    tx.execute(
        "notify_attempt_insert",
        delivery=taken.delivery,
        n=taken.attempt,
        started_at=stored(sent.started),
        ms=answer.ms,
        status=answer.status,
        error=cut(answer.error),
        request_headers=_shown(sent.headers),
        request_body=body,
        response_headers=_shown(dict(answer.headers)),
        response_body=answer.body.decode("utf-8", "replace"),
    )


def _shown(headers: Mapping[str, str]) -> str:
    return json.dumps(
        {
            name: "…" if name.lower() in _SECRET_HEADERS else cut(value)
            for name, value in headers.items()
        }
    )


def _check_up(
    tx: Transaction, to: Endpoint, event: Event, answer: Answer, now: datetime, jitter: float
) -> None:
    fresh = endpoint(tx, to.id)
    if fresh is None or fresh.state == "disabled":
        return
    others = [e for e in endpoints(tx) if e.id != to.id and e.state != "disabled"]
    checkup = after(fresh, answer, now=now, jitter=jitter, last_one=not others)
    health = checkup.endpoint
    if health != fresh:
        tx.execute(
            "notify_endpoint_health",
            id=health.id,
            state=health.state,
            failures=health.failures,
            failing_since=stored(health.failing_since),
            told_failing=health.told_failing,
            hold_until=stored(health.hold_until),
        )
    if health.state == "disabled":
        tx.execute(
            "notify_bury_endpoint", endpoint=health.id, error="the endpoint was switched off"
        )
    if checkup.news is not None:
        post(tx, _news(health, checkup.news, event, answer, now))


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
