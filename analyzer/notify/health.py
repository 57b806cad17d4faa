"""How an endpoint is: ok, failing (told after a quarter of an hour), disabled. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analyzer.model import EventType
from analyzer.notify.endpoints import Endpoint
from analyzer.notify.wire.answer import Answer, Verdict, judge, probe_pause, retry_after

TELL_AFTER = timedelta(minutes=15)
DISABLE_AFTER = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Checkup:
    """The endpoint after an attempt, and what to tell the others (None: nothing)."""

    endpoint: Endpoint
    news: EventType | None = None


def after(
    endpoint: Endpoint, answer: Answer, *, now: datetime, jitter: float, last_one: bool
) -> Checkup:
    """`last_one`: no other endpoint is enabled, so this one is never switched off for failing."""
    verdict = judge(answer)
    if verdict is Verdict.GONE:
        return Checkup(replace(endpoint, state="disabled"), EventType.ENDPOINT_DISABLED)
    if verdict in (Verdict.DELIVERED, Verdict.REFUSED):
        return Checkup(_well(endpoint))
    if verdict is Verdict.THROTTLED:
        pause = retry_after(answer.headers, now)
        return Checkup(replace(endpoint, hold_until=now + pause if pause else None))
    return _failed(endpoint, answer, verdict, now, jitter, last_one=last_one)


def _well(endpoint: Endpoint) -> Endpoint:
    if endpoint.state == "disabled":
        return endpoint
    return replace(
        endpoint, state="ok", failures=0, failing_since=None, told_failing=False, hold_until=None
    )


def _failed(
    endpoint: Endpoint,
    answer: Answer,
    verdict: Verdict,
    now: datetime,
    jitter: float,
    *,
    last_one: bool,
) -> Checkup:
    since = endpoint.failing_since or now
    failures = endpoint.failures + 1
    pause = max(probe_pause(failures, jitter), retry_after(answer.headers, now) or timedelta(0))
    failing = replace(
        endpoint,
        state="failing",
        failures=failures,
        failing_since=since,
        hold_until=now + pause if pause else None,
    )
    if now - since >= DISABLE_AFTER and not last_one:
        return Checkup(replace(failing, state="disabled"), EventType.ENDPOINT_DISABLED)
    wrong = verdict is Verdict.MISCONFIGURED or now - since >= TELL_AFTER
    if wrong and not endpoint.told_failing:
        return Checkup(replace(failing, told_failing=True), EventType.ENDPOINT_FAILING)
    return Checkup(failing)
