"""What an open incident still needs: an escalation, a reminder, word after a mute. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analyzer.routing.judge import OPENINGS, Notice, Recipient, Source, muted, route
from analyzer.routing.matchers import Labels
from analyzer.routing.rules import Policy, Step, named
from analyzer.routing.standing import MUTED, Past, Standing, standing


@dataclass(frozen=True, slots=True)
class Open:
    """An incident that fires: its labels, the events of its lane as (type, when), and what each
    endpoint heard of it."""

    incident: str
    labels: Labels
    acknowledged: bool
    events: tuple[tuple[str, datetime], ...]
    past: Mapping[str, tuple[Past, ...]]


@dataclass(frozen=True, slots=True)
class Attention:
    """What to do now. `escalate`: endpoints by the step they stand in; `remind` and `release` are
    endpoints: to tell again, and to tell at last."""

    escalate: tuple[tuple[Step, tuple[str, ...]], ...] = ()
    remind: tuple[str, ...] = ()
    release: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        return bool(self.escalate or self.remind or self.release)


def attention(
    one: Open,
    policy: Policy,
    recipients: Sequence[Recipient],
    *,
    firing: Sequence[Source],
    now: datetime,
) -> Attention:
    """Nothing for what somebody acknowledged: people know. Nothing while it is muted."""
    notice = Notice("incident.opened", one.labels, one.incident)
    if one.acknowledged or muted(notice, policy, firing, now=now):
        return Attention()
    told = [each.endpoint for each in route(notice, policy, recipients, now=now) if each.sends]
    stands = {key: standing(past, now=now) for key, past in one.past.items()}
    return Attention(
        escalate=_escalations(one, policy, recipients, now),
        remind=tuple(
            each.id
            for each in recipients
            if _reminds(each, stands.get(each.id)) and _overdue(one, each, policy, now)
        ),
        release=tuple(
            key
            for key in told
            if key in stands and stands[key].kept in MUTED and not stands[key].told
        ),
    )


def _reminds(to: Recipient, stands: Standing | None) -> bool:
    """Whether reminders are for it at all."""
    heard = stands is not None and stands.told and not stands.flapping
    return heard and to.enabled and not to.feeds and to.wants("incident.reminder")


def steps_of(policy: Policy, labels: Labels) -> tuple[Step, ...]:
    """The steps of all routes an incident takes, the earliest first."""
    steps = (step for way in policy.routes_of(labels) for step in way.steps)
    return tuple(sorted(steps, key=lambda step: step.after_s))


def _escalations(
    one: Open, policy: Policy, recipients: Sequence[Recipient], now: datetime
) -> tuple[tuple[Step, tuple[str, ...]], ...]:
    """Each step once since it opened last: the events of the lane say how many were taken."""
    opened = max((at for kind, at in one.events if kind in OPENINGS), default=None)
    if opened is None:
        return ()
    done = sum(1 for kind, at in one.events if kind == "incident.escalated" and at >= opened)
    due = [
        step
        for step in steps_of(policy, one.labels)[done:]
        if now - opened >= timedelta(seconds=step.after_s)
    ]
    return tuple(
        (step, tuple(r.id for r in recipients if r.enabled and named(r.name, step.to)))
        for step in due
    )


def _overdue(one: Open, to: Recipient, policy: Policy, now: datetime) -> bool:
    ways = policy.routes_of(one.labels)
    way = next((each for each in ways if each.reaches(to.name)), None)
    if way is None or not way.repeat_s:
        return False
    heard = max((each.at for each in one.past.get(to.id, ()) if each.sent), default=None)
    return heard is not None and now - heard >= timedelta(seconds=way.repeat_s)
