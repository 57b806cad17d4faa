from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.routing.matchers import matched, parse

LABELS = {
    "event": ("incident.opened",),
    "resource": ("db:shard-3",),
    "tenant": ("acme", "hooli"),
    "plan": ("enterprise",),
    "severity": ("page",),
}

CASES = [
    (["severity = page"], True),
    (["severity=page"], True),
    (["severity = ticket"], False),
    (["severity != ticket"], True),
    (["severity != page"], False),
    (["resource = db:*"], True),
    (["resource = db:shard-?"], True),
    (["resource = 'db:shard-3'"], True),
    (['resource = "cache:*|db:shard-3"'], True),
    (["tenant = hooli"], True),
    (["tenant != hooli"], False),
    (["tenant != globex"], True),
    (["plan = team|enterprise", "severity = page"], True),
    (["plan = team|enterprise", "severity = ticket"], False),
    (["victim = *"], False),
    (["victim != *"], True),
    ([], True),
]


@pytest.mark.parametrize(("matchers", "fits"), CASES)
def test_all_matchers_must_hold_and_any_value_may(matchers, fits):
    assert matched(matchers, LABELS) is fits


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no matcher"),
        ("severity", "no matcher"),
        ("severity ~ page", "no matcher"),
        ("colour = red", "choose one of"),
        ("severity =", "names no value"),
        ("severity = " + "x" * 600, "no matcher"),
    ],
)
def test_what_is_no_matcher_is_refused_with_a_remedy(text, says):
    with pytest.raises(ValueError, match=says):
        parse(text)


@given(st.text(max_size=40))
def test_a_tenants_odd_name_is_matched_by_itself(name):
    if "|" in name or "*" in name or "?" in name or name != name.strip() or not name:
        return
    if name[0] in "\"'":
        return
    assert matched([f"tenant = {name}"], {"tenant": (name,)})


def test_no_pattern_can_hang_us():
    started = time.monotonic()
    matched(["tenant = " + "*a" * 200 + "b"], {"tenant": ("a" * 2000,)})
    assert time.monotonic() - started < 5
