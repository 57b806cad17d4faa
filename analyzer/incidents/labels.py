"""How often people say we were right, and what that says of the threshold. Pure.

A person's label (`confirmed` or `false_alarm`) is the only truth an installation has. Precision is
the part confirmed, with the interval of Wilson (1927); per confidence it is a reliability curve,
and the Brier score is the mean squared distance of what was said from what was so.

The threshold that may be tuned is `flags.min_confidence`: an incident less sure does not open. What
never opened is never labelled, so labels alone cannot lower it again; therefore they are forgotten
after `days`, and the threshold comes back down with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from analyzer.model import IncidentId, Kind

_Z = 1.96
"""Of a 95 % interval."""

BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0)
"""Edges of the confidences told together."""

STEP = 0.05
"""Between two thresholds that are tried."""

_ABOVE = 5
"""Labels above a threshold, at least, for its precision to mean anything."""


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """TOML section `[tuning]`. With `enabled`, people's labels of the last `days` may raise
    `flags.min_confidence` within `lowest` and `highest`, so that at least the part `precision` of
    what opens is confirmed; `at_least` labels are needed first. Without, it is only suggested.
    """

    enabled: bool = False
    precision: float = 0.9
    lowest: float = 0.35
    highest: float = 0.85
    at_least: int = 20
    days: int = 90

    def problems(self) -> list[str]:
        """Every invalid value at once, as "key: what, remedy"."""
        found = [
            f"tuning.{name}: is a part, set it between 0 and 1"
            for name in ("precision", "lowest", "highest")
            if not 0 <= getattr(self, name) <= 1
        ]
        if self.lowest > self.highest:
            found.append("tuning.lowest: must not be above tuning.highest")
        if self.at_least < _ABOVE:
            found.append(f"tuning.at_least: must be at least {_ABOVE}")
        if not 1 <= self.days <= 3650:
            found.append("tuning.days: must lie between 1 and 3650")
        return found


@dataclass(frozen=True, slots=True)
class Labelled:
    """An incident people judged: how sure we were, and whether it was so."""

    incident: IncidentId
    kind: Kind
    confidence: float
    right: bool


@dataclass(frozen=True, slots=True)
class Precision:
    """Part confirmed of what was judged, with its 95 % interval; None where nothing was."""

    right: int
    judged: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Incidents of a like confidence: `said` is its mean."""

    said: float
    precision: Precision


@dataclass(frozen=True, slots=True)
class Threshold:
    """`value` for `flags.min_confidence`, and why; `moved` where labels ask for another than the
    one configured.
    """

    value: float
    reason: str
    moved: bool


def precision(labels: Sequence[Labelled]) -> Precision:
    """Of these labels."""
    n = len(labels)
    right = sum(one.right for one in labels)
    if not n:
        return Precision(0, 0, None, None, None)
    p = right / n
    middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    return Precision(right, n, p, max(middle - half, 0.0), min(middle + half, 1.0))


def reliability(labels: Sequence[Labelled]) -> list[Bin]:
    """What was said against what was so, by confidence; bins without a label are left out."""
    found = []
    for low, high in pairwise(BINS):
        inside = [
            one for one in labels if low <= one.confidence < high or one.confidence == high == 1
        ]
        if inside:
            said = sum(one.confidence for one in inside) / len(inside)
            found.append(Bin(said, precision(inside)))
    return found


def brier(labels: Sequence[Labelled]) -> float | None:
    """Mean squared distance of confidence and truth; 0 is perfect. None without labels."""
    if not labels:
        return None
    return sum((one.confidence - one.right) ** 2 for one in labels) / len(labels)


def threshold(labels: Sequence[Labelled], settings: TuningSettings, usual: float) -> Threshold:
    """The lowest `flags.min_confidence` at which enough of what opens is confirmed.

    `usual` is the one configured. A precision counts (right + ½)/(n + 1), so that a few labels do
    not prove much.
    """
    if len(labels) < settings.at_least:
        missing = settings.at_least - len(labels)
        said = f"{missing} more labels are needed before they say anything of the threshold"
        return Threshold(usual, said, moved=False)
    base = min(max(usual, settings.lowest), settings.highest)
    tries = [base]
    while tries[-1] + STEP <= settings.highest + 1e-9:
        tries.append(round(tries[-1] + STEP, 6))
    for value in tries:
        above = [one for one in labels if one.confidence >= value]
        if len(above) >= _ABOVE and _shrunk(above) >= settings.precision:
            return _told(value, usual, above, len(labels) - len(above))
    above = [one for one in labels if one.confidence >= tries[-1]]
    held = precision(above)
    said = (
        f"no threshold up to {settings.highest:.2f} makes {settings.precision:.0%} right: "
        f"at the highest {held.right} of {held.judged} labelled were"
    )
    return Threshold(tries[-1], said, moved=tries[-1] != usual)


def _shrunk(labels: Sequence[Labelled]) -> float:
    return (sum(one.right for one in labels) + 0.5) / (len(labels) + 1)


def _told(value: float, usual: float, above: Sequence[Labelled], below: int) -> Threshold:
    right = sum(one.right for one in above)
    said = f"{right} of {len(above)} labelled incidents this sure were confirmed"
    if value == usual:
        return Threshold(value, said, moved=False)
    return Threshold(value, f"{said}; {below} less sure would not have opened", moved=True)
