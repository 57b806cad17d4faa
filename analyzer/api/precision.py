"""The route about people's labels: `/precision`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from analyzer.api.views.precision import (
    KindPrecision,
    PrecisionLine,
    PrecisionView,
    ReliabilityBin,
)
from analyzer.incidents.flags import FlagPolicy
from analyzer.incidents.labels import (
    Labelled,
    TuningSettings,
    brier,
    precision,
    reliability,
    threshold,
)
from analyzer.journal.learning import labelled
from analyzer.model import Kind
from analyzer.store.database import Store


def router(
    store: Store, clock: Callable[[], datetime], flags: FlagPolicy, tuning: TuningSettings
) -> APIRouter:
    """`/precision`: labels counted at each request, there are never many."""
    routes = APIRouter(tags=["incidents"])

    @routes.get("/precision")
    def measured() -> PrecisionView:
        return precision_view(labelled(store, tuning, clock()), flags, tuning)

    return routes


def precision_view(
    labels: list[Labelled], flags: FlagPolicy, tuning: TuningSettings
) -> PrecisionView:
    """The labels as the page shows them."""
    asked = threshold(labels, tuning, flags.min_confidence)
    kinds = {kind: [one for one in labels if one.kind is kind] for kind in Kind}
    return PrecisionView(
        days=tuning.days,
        overall=_line(labels),
        kinds=[
            KindPrecision(kind=kind.value, precision=_line(some))
            for kind, some in kinds.items()
            if some
        ],
        bins=[
            ReliabilityBin(
                said=one.said,
                precision=PrecisionLine.model_validate(one.precision, from_attributes=True),
            )
            for one in reliability(labels)
        ],
        brier=brier(labels),
        configured=flags.min_confidence,
        threshold=asked.value,
        in_force=asked.value if tuning.enabled else flags.min_confidence,
        tuning=tuning.enabled,
        reason=asked.reason,
    )


def _line(labels: list[Labelled]) -> PrecisionLine:
    return PrecisionLine.model_validate(precision(labels), from_attributes=True)
