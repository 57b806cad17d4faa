"""How often people say we were right."""

from __future__ import annotations

from analyzer.api.views.base import View


class PrecisionLine(View):
    """Part confirmed of what people judged, with its 95 % interval (Wilson); null: none judged."""

    right: int
    judged: int
    value: float | None
    low: float | None
    high: float | None


class KindPrecision(View):
    kind: str
    precision: PrecisionLine


class ReliabilityBin(View):
    """Incidents of a like confidence: its mean, and the part confirmed."""

    said: float
    precision: PrecisionLine


class PrecisionView(View):
    """Measured on labels of the last `days`. `threshold` is what labels ask `flags.min_confidence`
    to be, `in_force` what it is now; they differ where tuning is not enabled.
    """

    days: int
    overall: PrecisionLine
    kinds: list[KindPrecision]
    bins: list[ReliabilityBin]
    brier: float | None
    configured: float
    threshold: float
    in_force: float
    tuning: bool
    reason: str
