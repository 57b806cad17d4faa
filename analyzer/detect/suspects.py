"""Who could be to blame, and which way of being to blame each suspect is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.detect.arrays import Floats
from analyzer.detect.by_cache import by_cache, movers
from analyzer.detect.by_load import MEMORY, SUSPICIOUS, by_load, by_trigger, surge
from analyzer.detect.by_locks import Waits, by_locks, holders, waits
from analyzer.detect.relief import Indices, Relief, relieve
from analyzer.detect.scene import Scene
from analyzer.detect.suspect import Suspect, Way, check
from collector.model import UNKNOWN_TENANT


@dataclass(frozen=True, slots=True)
class Examined:
    """Every suspect, with what they were judged by."""

    suspects: list[Suspect]
    relief: Relief | None
    waits: Waits


def examine(scene: Scene) -> Examined:
    """Weigh every suspect in each way that comes into question."""
    found = waits(scene)
    loud = _loud(scene)
    relief = relieve(scene, loud) if loud.size else None
    ways: dict[int, list[Way]] = {}
    for i in holders(found):
        ways.setdefault(i, []).append(by_locks(scene, found, i))
    by_size = _by_size(scene, relief, found)
    for i, way in by_size:
        ways.setdefault(i, []).append(way)
    if not any(way.proven for _, way in by_size):  # a collapse is what load does not explain
        for i, way in by_size:
            ways[i] += [by_trigger(scene, way)] if way.excess > 0 else []
    for i in movers(scene):
        ways.setdefault(i, []).append(by_cache(scene, i))
    suspects = [
        _suspect(scene, i, some)
        for i, some in ways.items()
        if scene.windows.tenants[i] != UNKNOWN_TENANT
    ]
    return Examined(suspects, relief, found)


def _by_size(scene: Scene, relief: Relief | None, found: Waits) -> list[tuple[int, Way]]:
    if relief is None:
        return []
    return [
        (int(i), by_load(scene, relief, k, found.explained)) for k, i in enumerate(relief.suspects)
    ]


def _loud(scene: Scene) -> Indices:
    """Indices of tenants far above what is expected of them, largest excess first."""
    ahead: Floats = (scene.demand - scene.expected)[:, -MEMORY:].max(axis=1)
    found = np.nonzero((surge(scene) > SUSPICIOUS) & (ahead > 0))[0]
    ranked = found[np.argsort(-ahead[found], kind="stable")]
    return ranked[: scene.settings.max_suspects]


def _suspect(scene: Scene, i: int, ways: list[Way]) -> Suspect:
    """Held against the first way that is proven, else the one that comes closest."""
    settings = scene.settings
    harm = float(scene.others_slowdown[i, -1])
    breadth = float(scene.others_breadth[i, -1])
    felt = (
        check("others_slower", np.exp(harm), settings.harm,
              "others are {v:.2f} times slower than their normal (needs {t:.2f})"),
        check("breadth", breadth, settings.breadth,
              "{v:.0%} of the other tenants are hurt (needs {t:.0%})"),
    )  # fmt: skip
    proven = next((way for way in ways if way.proven), None)
    return Suspect(i, harm, breadth, felt, proven or max(ways, key=lambda way: way.passed))
