"""An incident in a few sentences: who asks for how much, whom it hurts, what would have been."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.api.views.incidents import BlameView, HarmView, IncidentDetail
from dashboard import wording

HALF = 0.5
"""Part of the excess a gentler limit takes: told beside the whole."""


@dataclass(frozen=True, slots=True)
class Felt:
    """Geometric means over the victims that felt latency, in seconds."""

    before_s: float
    during_s: float


def felt(harms: Sequence[HarmView]) -> Felt | None:
    """None when nobody felt latency (victims of errors have no seconds)."""
    known = [h for h in harms if h.signal == "latency" and h.before_s > 0 and h.during_s > 0]
    if not known:
        return None
    return Felt(
        math.exp(sum(math.log(h.before_s) for h in known) / len(known)),
        math.exp(sum(math.log(h.during_s) for h in known) / len(known)),
    )


def gist(view: IncidentDetail) -> list[str]:
    """Two or three sentences. Where nobody's excess is to blame, the analyzer's own."""
    if view.kind != "noisy_neighbour" or not view.blames:
        return view.explanation[1:4]
    return [_who(view, view.blames[0]), *_whom(view), *_without(view)]


def _who(view: IncidentDetail, blame: BlameView) -> str:
    asks = "asked" if view.ended_at else "asks"
    more = "work nobody expected of it"
    if blame.times_expected > 0:
        more = f"{_times(blame.times_expected)} times its usual load"
    share = wording.percent(blame.share)
    said = f"{blame.tenant} {asks} for {more}, {share} of all work on {view.resource}"
    return f"{said}, from {view.started_at:%H:%M:%S} UTC on{_noticed(view)}."


def _noticed(view: IncidentDetail) -> str:
    if view.detected_at is None:
        return ""
    late = (view.detected_at - view.started_at).total_seconds()
    return f", noticed after {wording.span(late)}"


def _whom(view: IncidentDetail) -> list[str]:
    typical = felt(view.harms)
    if typical is None:
        return []
    wait = "waited" if view.ended_at else "wait"
    worst = max(
        (h for h in view.harms if h.signal == "latency" and h.before_s > 0),
        key=lambda h: h.during_s / h.before_s,
    )
    callers = f"Callers of {wording.plural(len(view.harms), 'tenant')}"
    change = f"{wording.seconds(typical.during_s)} instead of {wording.seconds(typical.before_s)}"
    if len(view.harms) == 1:
        return [f"{callers} {wait} {change}."]
    return [
        f"{callers} typically {wait} {change}; worst off is {worst.tenant} "
        f"with {wording.seconds(worst.during_s)}."
    ]


def _without(view: IncidentDetail) -> list[str]:
    if view.stretch_without is None:
        return _recovers(view)
    words = (
        f"Without the excess the model puts them at {_times(view.stretch_without)} times their "
        f"normal latency, not {_times(view.stretch)}"
    )
    half = dict(view.relief_curve).get(HALF)
    return [f"{words}; with half of it gone, at {_times(half)}." if half else f"{words}."]


def _recovers(view: IncidentDetail) -> list[str]:
    """On a collapse every number is a guess: only whether they would be back is told."""
    if view.recovers is None:
        return []
    would = "would be back inside their normal" if view.recovers else "would still not be back"
    return [f"Without the excess they {would}; by how much, no model can tell here."]


def _times(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
