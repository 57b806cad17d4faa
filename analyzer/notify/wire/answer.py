"""What a receiver's answer means and when to try again (alerts design §1.7). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

SCHEDULE_S = (2, 5, 15, 30, 60, 120, 300, 600, 900)
"""Seconds to wait after the 1st, 2nd ... failure; the last one repeats. Dense at first: an alert
that arrives hours late is worse than none."""

SLOW_S = (60, 120, 300, 600, 900)
SLOW_FOR = timedelta(hours=1)
"""How long a wrong address or password is retried: people repair those."""

JITTER = 0.2
MAX_RETRY_AFTER = timedelta(hours=1)
BREAKER_AFTER = 5
"""Straight failures after which one delivery at a time probes the endpoint."""

PROBE_S = 60.0
"""Longest pause between two probes of an endpoint that fails."""


class Verdict(StrEnum):
    """What to do after an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    THROTTLED = "throttled"  # retry; the receiver is well and asked for patience
    MISCONFIGURED = "misconfigured"  # retry slowly for an hour, people repair it
    REFUSED = "refused"  # this message will never be taken
    GONE = "gone"  # the receiver wants nothing any more


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` None: nothing did, `error` says why; `blocked`: we did not try;
    `unsendable`: the event cannot be put into this channel's words; `thread` is how the receiver
    calls what it made of the message."""

    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""
    ms: float = 0.0
    blocked: bool = False
    unsendable: bool = False
    thread: str = ""


def judge(answer: Answer) -> Verdict:
    """Only a 2xx is a success; a redirect is never followed and so never one."""
    status = answer.status
    if answer.unsendable:
        return Verdict.REFUSED
    if answer.blocked:
        return Verdict.MISCONFIGURED
    if status is None or status >= 500 or status in (408, 425):
        return Verdict.RETRY
    if status < 300:
        return Verdict.DELIVERED
    if status == 429:
        return Verdict.THROTTLED
    if status == 410:
        return Verdict.GONE
    if status < 400 or status in (401, 403, 404, 407):
        return Verdict.MISCONFIGURED
    return Verdict.REFUSED


def next_try(
    answer: Answer,
    *,
    attempt: int,
    queued_at: datetime,
    now: datetime,
    jitter: float,
    give_up: timedelta,
) -> datetime | None:
    """When to try again, or None when it is over. `jitter` is random in [0, 1)."""
    verdict = judge(answer)
    if verdict in (Verdict.DELIVERED, Verdict.REFUSED, Verdict.GONE):
        return None
    slow = verdict is Verdict.MISCONFIGURED
    wait = _spread(SLOW_S if slow else SCHEDULE_S, attempt, jitter)
    asked = retry_after(answer.headers, now)
    at = now + max(wait, asked or timedelta(0))
    return at if at - queued_at <= (min(SLOW_FOR, give_up) if slow else give_up) else None


def probe_pause(failures: int, jitter: float) -> timedelta:
    """How long to leave an endpoint alone after so many straight failures; 0 below the breaker."""
    if failures < BREAKER_AFTER:
        return timedelta(0)
    return min(
        _spread(SCHEDULE_S, failures - BREAKER_AFTER + 1, jitter), timedelta(seconds=PROBE_S)
    )


def retry_after(headers: tuple[tuple[str, str], ...], now: datetime) -> timedelta | None:
    """The receiver's `Retry-After` (seconds or HTTP date, RFC 9110 §10.2.3), at most an hour."""
    text = next((value for name, value in headers if name.lower() == "retry-after"), "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), MAX_RETRY_AFTER.total_seconds()))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(0)), MAX_RETRY_AFTER)


def _spread(schedule: tuple[int, ...], attempt: int, jitter: float) -> timedelta:
    base = schedule[min(max(attempt, 1), len(schedule)) - 1]
    return timedelta(seconds=base * (1 - JITTER + 2 * JITTER * jitter))
