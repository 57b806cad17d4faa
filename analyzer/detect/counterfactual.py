"""What the victims would feel without the blamed excess, and where no number can be given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.by_load import MEMORY
from analyzer.detect.relief import PARTS, undone_by
from analyzer.detect.scene import Scene
from analyzer.detect.suspect import Suspect

COLLAPSE = (
    "the load model cannot follow this collapse: without the surge the victims {verb} recover, "
    "by how much is not said"
)

AGAIN = (
    "everybody asks for more since it began: if callers send again what takes too long, a limit "
    "that takes only a part of the excess may not bring the others back"
)

GREW = 1.3
"""Shared growth of arrivals from which callers are taken to send again."""

BACK = 0.3
"""Log slowdown up to which victims are back: as much as a calm day shows."""


@dataclass(frozen=True, slots=True)
class Claim:
    """`undone` part of the (logarithmic) harm that goes with all blamed excess, None without a
    number; `curve` the same for parts of the excess; `recovers` whether the victims come back."""

    undone: float | None
    curve: tuple[tuple[float, float], ...]
    recovers: bool
    caveats: tuple[str, ...]


def claimed(scene: Scene, blamed: list[Suspect]) -> Claim:
    """The blamed together: by load as the model has it, by locks and cache as far as they explain
    the harm, and only yes or no when a collapse was set off."""
    if any(s.way.name == "trigger" for s in blamed):
        back = _fits(scene, blamed)
        verb = "would" if back else "would not"
        return Claim(None, (), back, (COLLAPSE.format(verb=verb),))
    by_load = np.array([s.index for s in blamed if s.way.name == "load"], np.intp)
    other = sum(s.way.undone or 0.0 for s in blamed if s.way.name != "load")
    undone = min(other, 1.0)
    curve: tuple[tuple[float, float], ...] = ()
    if by_load.size:
        parts = undone_by(scene, by_load)
        undone = min(other + float(parts[-1]), 1.0)
        curve = tuple((part, float(u)) for part, u in zip(PARTS, parts, strict=True))
    harm = max(s.others_slowdown for s in blamed)
    back = harm * (1.0 - undone) <= BACK
    if curve and _sent_again(scene):
        return Claim(undone, curve[-1:], back, (AGAIN,))
    return Claim(undone, curve if not other else (), back, ())


def _sent_again(scene: Scene) -> bool:
    """Everybody's arrivals grew with the harm: callers send again what takes too long, and load
    that feeds itself does not shrink with a part of its cause."""
    growth = float(scene.growth[-2 * scene.settings.smooth :].mean())
    return growth > GREW


def _fits(scene: Scene, blamed: list[Suspect]) -> bool:
    """Without the excess the load is what the resource is known to carry."""
    total = float(scene.demand[:, -MEMORY:].sum(axis=0).mean())
    rest = total - sum(s.way.excess for s in blamed)
    return rest < 0.9 * max(scene.normal.capacity, scene.normal.carried)
