"""Matchers: `plan = enterprise|team`, `resource != db:test-*`. Globs, so no pattern can hang us.

All matchers of a rule must hold. A label may have several values (the tenants blamed): `=` holds
when one of them fits, `!=` when none does. A label the event does not have has no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

Labels = Mapping[str, tuple[str, ...]]

LABELS: Mapping[str, str] = {
    "event": "incident.opened, decision.proposed, report.ready ...",
    "incident": "the incident's id",
    "kind": "noisy_neighbour, capacity, degraded or self_inflicted",
    "severity": "page or ticket",
    "resource": "the resource it is about",
    "tenant": "who is blamed, or whom a decision is about",
    "plan": "the plans of those tenants",
    "victim": "who suffers",
    "victim_plan": "the plans of those who suffer",
}
"""Every label an event may have."""

_TEXT = re.compile(r"^\s*(\w+)\s*(!?=)\s*(.*?)\s*$", re.DOTALL)
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Matcher:
    """`choices` are globs with `*` and `?`; one of them must fit (or none, when `negated`)."""

    label: str
    choices: tuple[str, ...]
    negated: bool = False

    def holds(self, labels: Labels) -> bool:
        values = labels.get(self.label, ())
        fits = any(_fits(value, choice) for value in values for choice in self.choices)
        return fits is not self.negated


@lru_cache(maxsize=4096)
def parse(text: str) -> Matcher:
    """Raises ValueError, with the remedy, on text that is no matcher."""
    found = _TEXT.match(text)
    if found is None or len(text) > MAX_TEXT:
        raise ValueError(f"{text[:80]!r} is no matcher, write for example plan = enterprise")
    label, operator, pattern = found.groups()
    if label not in LABELS:
        raise ValueError(f"{label!r} is no label, choose one of {', '.join(LABELS)}")
    if len(pattern) > 1 and pattern[0] == pattern[-1] and pattern[0] in "\"'":
        pattern = pattern[1:-1]
    if not pattern:
        raise ValueError(f"{text!r} names no value, write for example {label} = *")
    return Matcher(label, tuple(pattern.split("|")), operator == "!=")


def matched(matchers: Iterable[str], labels: Labels) -> bool:
    """Whether all of them hold; no matchers at all match everything."""
    return all(parse(text).holds(labels) for text in matchers)


def matcher_problems(matchers: Iterable[str], where: str) -> list[str]:
    """What is wrong with them, as `key: what, remedy`."""
    found = []
    for text in matchers:
        try:
            parse(text)
        except ValueError as wrong:
            found.append(f"{where}: {wrong}")
    return found


def _fits(value: str, choice: str) -> bool:
    return fnmatchcase(value, choice.replace("[", "[[]"))
