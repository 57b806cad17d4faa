"""What a move would change and whether it pays."""

from __future__ import annotations

from analyzer.api.views.base import View


class SideView(View):
    """One resource of a move; packing is p95 load over capacity."""

    resource: str
    capacity: float | None
    packing_before: float | None
    packing_after: float | None
    headroom_before: float | None
    headroom_after: float | None
    full_hours: int | None  # hours of the week with more load than capacity, after
    risk_before: float | None  # chance that a coming week has such an hour
    risk_after: float | None


class CostBeforeAfter(View):
    tenant: str
    before: str
    after: str


class WhatIfView(View):
    """The week replayed with the tenant on the target. `costs`: the mover, then whoever's changes;
    `unchanged` counts the tenants who pay the same.
    """

    tenant: str
    source: SideView
    target: SideView
    costs: list[CostBeforeAfter]
    currency: str
    unchanged: int = 0


class MoveView(View):
    """One step of a plan. Fullness is the busiest hour over capacity."""

    tenant: str
    source: str
    target: str
    purpose: str  # relief | consolidation
    source_before: float
    source_after: float
    target_before: float
    target_after: float
    saving: str | None  # a month, at the step that empties a resource
    reason: str
    reversible: bool = True


class PlanView(View):
    """Every prefix is safe. `bound`: no plan needs fewer resources."""

    moves: list[MoveView]
    kept: list[KeptView]
    before: int
    after: int
    bound: int
    saving: str  # a month
    currency: str


class KeptView(View):
    name: str
    why: str


class BreakevenView(View):
    """Amounts a week, in `currency`. `charged` is what the report shows, not used."""

    tenant: str
    resource: str
    tier: str
    verdict: str  # promote | demote | stay
    weeks_for: int
    weeks: int
    avoidable: str
    externality: str
    uplift: str
    isolated: str
    move: str  # once
    charged: str
    gain: str
    threshold: str
    payback_weeks: float | None
    tornado: list[TornadoBar]
    needed: list[str]
    sentences: list[str]
    currency: str
    back: WayBack | None = None


class WayBack(View):
    """Out of a tier of its own into a pool, without a reason against it. Loads in busy seconds per
    second, amounts a week.
    """

    source: str
    pool: str
    p99: float
    headroom: float
    n1_headroom: float | None
    weeks_for: int
    saving: str
    threshold: str
    payback_weeks: float | None
    against: list[str]


class TornadoBar(View):
    what: str
    low: str
    high: str
