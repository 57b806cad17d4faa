"""The engine without one of its parts, for the table's last column. Only the bench does this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from analyzer.detect import DetectSettings, normal, relief, scene, suspects
from analyzer.incidents.flags import FlagPolicy

NEVER = 1e-9
"""A threshold everything passes."""


@contextmanager
def _patched(module: Any, name: str, made: Callable[..., Any]) -> Iterator[None]:
    kept = getattr(module, name)
    setattr(module, name, made)
    try:
        yield
    finally:
        setattr(module, name, kept)


@contextmanager
def _told_capacity() -> Iterator[None]:
    def told(*_: Any, prior: float, floor: float, **__: Any) -> float:
        return max(prior, floor)

    with _patched(normal, "fit_capacity", told), _patched(scene, "fit_capacity", told):
        yield


@contextmanager
def _no_common_factors() -> Iterator[None]:
    def ones(work: Any, _: Any) -> Any:
        return np.ones(work.arrivals.shape[1])

    def both(*given: Any) -> Any:
        return ones(*given), ones(*given)

    with _patched(scene, "common_arrivals", ones), _patched(scene, "common_cost", both):
        yield


@contextmanager
def _alone_only() -> Iterator[None]:
    kept = relief.relieve

    def alone(seen: Any, indices: Any) -> Any:
        found = [kept(seen, indices[[k]]) for k in range(indices.size)]
        if not found:
            return kept(seen, indices)
        return replace(kept(seen, indices), part=np.concatenate([one.part for one in found]))

    with _patched(suspects, "relieve", alone):
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield


Ablation = tuple[Callable[[], Any], DetectSettings, FlagPolicy]

ABLATIONS: dict[str, Ablation] = {
    "": (_nothing, DetectSettings(), FlagPolicy()),
    "no fitted capacity": (_told_capacity, DetectSettings(), FlagPolicy()),
    "no common factors": (_no_common_factors, DetectSettings(), FlagPolicy()),
    "no joint relief": (_alone_only, DetectSettings(), FlagPolicy()),
    "no relief test": (_nothing, DetectSettings(relief=NEVER, explained=NEVER), FlagPolicy()),
    "no association": (_nothing, DetectSettings(association=NEVER), FlagPolicy()),
    "no harm test": (_nothing, DetectSettings(harm=1.0 + NEVER, breadth=NEVER), FlagPolicy()),
    "first window fires": (
        _nothing, DetectSettings(), FlagPolicy(hits=1, of=1, sure_hits=1, sure_of=1),
    ),
}  # fmt: skip
