"""Which tenants to move where, so that hot resources cool and whole ones can be given up. Pure.

1. Relief: from each resource above the target its tenants are tried, largest first, until it fits.
2. Consolidation: the resources are tried for giving up, emptiest first. All tenants of one go, each
   where the summed hourly load still fits (first fit decreasing, on hours and not on peaks, so that
   a night tenant fits beside a day tenant); if one of them finds no place, none goes.

Only what fits is ever moved, and a move makes its source emptier: every prefix of the plan is safe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TARGET = 0.8
"""Part of the capacity that the busiest hour may take after a move."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """One resource: capacity in busy seconds per second, what it costs a month, if known."""

    id: str
    kind: str
    capacity: float
    monthly: float | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One step. Fullness is the busiest hour over capacity; `saving` a month, at the step that
    empties a resource.
    """

    tenant: str
    source: str
    target: str
    purpose: str  # relief or consolidation
    source_before: float
    source_after: float
    target_before: float
    target_after: float
    saving: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`kept`: (tenant or resource, why it stays). `bound`: no plan needs fewer resources."""

    moves: tuple[Move, ...]
    kept: tuple[tuple[str, str], ...]
    before: int
    after: int
    bound: int
    saving: float


@dataclass
class _State:
    shelves: Mapping[str, Shelf]
    loads: dict[str, Floats]
    tenants: dict[str, dict[str, Floats]]
    pinned: frozenset[str]
    most: int
    moves: list[Move] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def full(self, shelf: str, more: Floats | None = None) -> float:
        load = self.loads[shelf] if more is None else self.loads[shelf] + more
        return float(load.max(initial=0.0)) / self.shelves[shelf].capacity


def plan(
    shelves: Sequence[Shelf],
    series: Mapping[str, Mapping[str, Floats]],
    *,
    pinned: frozenset[str] = frozenset(),
    most: int = 20,
) -> Plan:
    """At most `most` moves. `series`: resource to tenant to its hourly load, on one clock."""
    known = {shelf.id: shelf for shelf in shelves if shelf.capacity > 0}
    hours = max((v.size for t in series.values() for v in t.values()), default=0)
    tenants = {name: dict(series.get(name, {})) for name in known}
    loads = {
        name: np.sum(list(mine.values()), axis=0) if mine else np.zeros(hours)
        for name, mine in tenants.items()
    }
    state = _State(known, loads, tenants, pinned, most)
    for name in sorted(known, key=lambda n: (-state.full(n), n)):
        _relieve(state, name)
    for name in sorted(known, key=lambda n: (float(state.loads[n].max(initial=0.0)), n)):
        _empty(state, name)
    saving = math.fsum(move.saving or 0.0 for move in state.moves)
    return Plan(
        tuple(state.moves),
        tuple(sorted(state.kept.items())),
        before=len(known),
        after=len(known) - len(state.gone),
        bound=_bound(state),
        saving=saving,
    )


def _relieve(state: _State, name: str) -> None:
    if state.full(name) <= TARGET:
        return
    for tenant, load in _largest_first(state, name):
        if state.full(name) <= TARGET or len(state.moves) >= state.most:
            return
        target = _place(state, name, load) if tenant not in state.pinned else None
        if target is not None:
            _go(state, tenant, name, target, "relief", None)
    if state.full(name) > TARGET:
        state.kept[name] = f"{state.full(name):.0%} full, and nothing left on it fits elsewhere"


def _empty(state: _State, name: str) -> None:
    """All of its tenants or none."""
    mine = _largest_first(state, name)
    held = [tenant for tenant, _ in mine if tenant in state.pinned]
    if held:
        state.kept.setdefault(name, f"{held[0]} is tied to it")
        return
    if not mine or len(state.moves) + len(mine) > state.most:
        why = "nobody is on it" if not mine else f"takes more than {state.most} moves"
        state.kept.setdefault(name, why)
        return
    before = len(state.moves), dict(state.loads), {k: dict(v) for k, v in state.tenants.items()}
    state.gone.add(name)
    for number, (tenant, load) in enumerate(mine):
        target = _place(state, name, load)
        if target is None:
            state.gone.discard(name)
            del state.moves[before[0] :]
            state.loads, state.tenants = before[1], before[2]
            state.kept.setdefault(name, f"{tenant} fits nowhere else")
            return
        last = number == len(mine) - 1
        _go(
            state,
            tenant,
            name,
            target,
            "consolidation",
            state.shelves[name].monthly if last else None,
        )


def _largest_first(state: _State, name: str) -> list[tuple[str, Floats]]:
    rows = state.tenants[name].items()
    return sorted(rows, key=lambda row: (-float(row[1].max(initial=0.0)), row[0]))


def _place(state: _State, source: str, load: Floats) -> str | None:
    """The fullest resource of the kind that it still fits, hour by hour."""
    kind = state.shelves[source].kind
    fits = [
        name
        for name, shelf in state.shelves.items()
        if name != source
        and name not in state.gone
        and shelf.kind == kind
        and state.full(name, load) <= TARGET
    ]
    return max(fits, key=lambda name: (state.full(name), name), default=None)


def _go(
    state: _State, tenant: str, source: str, target: str, purpose: str, saving: float | None
) -> None:
    load = state.tenants[source].pop(tenant)
    before = state.full(source), state.full(target)
    state.loads[source] = state.loads[source] - load
    state.loads[target] = state.loads[target] + load
    landed = state.tenants[target].get(tenant)
    state.tenants[target][tenant] = load if landed is None else landed + load
    after = max(0.0, state.full(source)), state.full(target)
    state.moves.append(
        Move(
            tenant, source, target, purpose, before[0], after[0], before[1], after[1], saving,
            _reason(purpose, source, target, before, after, saving),
        )
    )  # fmt: skip


def _reason(
    purpose: str,
    source: str,
    target: str,
    before: tuple[float, float],
    after: tuple[float, float],
    saving: float | None,
) -> str:
    fits = f"{target} is {after[1]:.0%} full in its busiest hour afterwards"
    if purpose == "relief":
        return f"cools {source} from {before[0]:.0%} to {after[0]:.0%}; {fits}"
    ends = f"; {source} is empty and can be given up" if saving is not None else ""
    return f"empties {source} ({after[0]:.0%} left); {fits}{ends}"


def _bound(state: _State) -> int:
    """Of each kind as many resources as its busiest hour needs, at the largest capacity."""
    found = 0
    for kind in {shelf.kind for shelf in state.shelves.values()}:
        mine = [shelf for shelf in state.shelves.values() if shelf.kind == kind]
        whole = np.sum([state.loads[shelf.id] for shelf in mine], axis=0)
        room = TARGET * max(shelf.capacity for shelf in mine)
        found += max(1, math.ceil(float(whole.max(initial=0.0)) / room - 1e-9))
    return found
