from __future__ import annotations

from datetime import UTC, datetime, timedelta

from analyzer.routing import Policy, Reason, Recipient, Route
from analyzer.routing.rehearsal import Happened, Thresholds, rehearse

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PAGER, CHAT = Recipient("1", "pager"), Recipient("2", "chat")


def happened(n: int, minute: float, **changes) -> Happened:
    given = {"kind": "noisy_neighbour", "resource": f"db:{n}", "severity": "page", **changes}
    confidence, victims = given.pop("confidence", 0.9), given.pop("victims", 3)
    end = given.pop("ends", minute + 5)
    at = NOON + timedelta(minutes=minute)
    return Happened(
        f"INC-{n}", "incident.opened", at, NOON + timedelta(minutes=end),
        {label: (value,) for label, value in given.items()}, confidence, 2.0, victims,
    )  # fmt: skip


def test_a_route_to_try_counts_what_it_would_have_told():
    history = [happened(n, n * 60, severity="page" if n % 3 == 0 else "ticket") for n in range(9)]
    draft = Route("pages", ("severity = page",), ("pager",))
    found = rehearse(history, Policy(routes=(draft,)), (PAGER, CHAT))
    assert found.fired("pages") == 3
    assert found.fired() == 9
    assert (found.told_by("1"), found.told_by("2")) == (9, 6)
    assert found.skipped_by("2") == {Reason.NOT_ROUTED: 3}


def test_thresholds_leave_out_what_does_not_reach_them():
    history = [happened(n, n * 60, confidence=n / 10, victims=n) for n in range(10)]
    found = rehearse(history, Policy(), (PAGER,), Thresholds(0.5, 1.0, 7))
    assert (found.fired(), found.below) == (3, 7)


def test_storms_are_replayed_at_their_own_time():
    history = [happened(n, n / 10) for n in range(25)] + [happened(99, 60)]
    found = rehearse(history, Policy(), (PAGER,))
    assert found.told_by("1") == 11
    assert found.skipped_by("1") == {Reason.STORM: 15}


def test_what_fired_then_explains_what_opened_then():
    source = happened(1, 0, ends=30)
    explained = happened(2, 10, kind="capacity", resource="db:1")
    later = happened(3, 40, kind="capacity", resource="db:1")
    found = rehearse([later, source, explained], Policy(), (PAGER,))
    reasons = [each.choices[0].reason for each in found.judged]
    assert reasons == [Reason.DEFAULT, Reason.INHIBITED, Reason.DEFAULT]
