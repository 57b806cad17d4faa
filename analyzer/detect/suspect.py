"""A tenant that could be to blame, and the ways in which it could be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.arrays import Floats
from analyzer.model import Check


@dataclass(frozen=True, slots=True)
class Way:
    """One way of hurting others (by load, by locks, by the cache, by setting off a collapse), with
    its numbers at the newest window.

    `deviation` is how many spreads its signal lies above expectation, `excess` its signal above
    expectation (in the unit of the way), `share` its part of all such excess, `relief` the part of
    the harm its absence would undo, `explained` the part of the harm this way explains at all,
    `association` how well signal and harm agree in time. `undone` is the claim of the
    counterfactual (None: no number can be given). The blame is proven when all `checks` passed.
    """

    name: str
    deviation: float
    excess: float
    share: float
    relief: float
    explained: float
    association: float
    undone: float | None
    checks: tuple[Check, ...]

    @property
    def proven(self) -> bool:
        """Every test of this way passed."""
        return all(c.passed for c in self.checks)

    @property
    def passed(self) -> float:
        """Part of the tests that passed."""
        return sum(bool(c.passed) for c in self.checks) / max(len(self.checks), 1)


@dataclass(frozen=True, slots=True)
class Suspect:
    """One tenant: what the others suffer (log slowdown, share of them hurt), the tests of that, and
    the way that proves it to blame, else the one that comes closest."""

    index: int
    others_slowdown: float
    breadth: float
    harm: tuple[Check, ...]
    way: Way

    @property
    def blamed(self) -> bool:
        """Others are hurt and one way is proven."""
        return self.way.proven and all(c.passed for c in self.harm)

    @property
    def checks(self) -> tuple[Check, ...]:
        """All tests, in the order they are told."""
        return self.harm + self.way.checks

    @property
    def why_not(self) -> str:
        """The first failed test in words."""
        return next((c.detail for c in self.checks if not c.passed), "weaker than the blamed")


def check(name: str, value: float, threshold: float, words: str) -> Check:
    """A test passed from `threshold` on; `words` may name {v} and {t}."""
    value = float(value)
    return Check(name, value >= threshold, value, threshold, words.format(v=value, t=threshold))


def leads(follows: float, most: float) -> Check:
    """The surge comes before the harm: who only follows it is a victim or sends again."""
    return check(
        "leads", -follows, -most,
        "its surge comes before the harm, not after (lead {v:.2f}, needs {t:.2f})",
    )  # fmt: skip


def times_above(now: Floats, expected: Floats) -> Floats:
    """Log of now over expected, kept finite."""
    ratio: Floats = np.log(np.maximum(now, 1e-9) / np.maximum(expected, 1e-9))
    return ratio
