"""Routes about moving tenants: what one move would change, a plan, and a tier of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from analyzer.api.views.placement import (
    BreakevenView,
    CostBeforeAfter,
    KeptView,
    MoveView,
    PlanView,
    SideView,
    TornadoBar,
    WayBack,
    WhatIfView,
)
from analyzer.cost.settings import CostSettings
from analyzer.cost.shown import shown_amount
from analyzer.density.breakeven import BreakevenSettings
from analyzer.density.demotion import Demotion
from analyzer.density.placement import Side, what_if
from analyzer.journal.advice import Advice, breakeven_of, plan_now
from analyzer.store.database import Store

Moves = Annotated[int, Query(ge=1, le=200, description="Moves at most.")]


def router(
    store: Store,
    clock: Callable[[], datetime],
    settings: CostSettings,
    terms: BreakevenSettings,
) -> APIRouter:
    """`/placement/what-if`, `/placement/plan`, `/placement/break-even`."""
    routes = APIRouter()

    @routes.get("/placement/what-if")
    def asked(tenant: str, source: str, target: str) -> WhatIfView:
        found = what_if(
            store, tenant=tenant, source=source, target=target, now=clock(), settings=settings
        )
        return WhatIfView(
            tenant=found.tenant,
            source=_side(found.source),
            target=_side(found.target),
            costs=[
                CostBeforeAfter(
                    tenant=one.tenant,
                    before=shown_amount(one.before, found.currency),
                    after=shown_amount(one.after, found.currency),
                )
                for one in found.costs
            ],
            currency=found.currency,
            unchanged=found.unchanged,
        )

    @routes.get("/placement/plan")
    def planned(most: Moves = 20) -> PlanView:
        found = plan_now(store, now=clock(), settings=settings, most=most)
        return PlanView(
            moves=[
                MoveView.model_validate(
                    asdict(move)
                    | {"saving": None if move.saving is None else _money(settings, move.saving)}
                )
                for move in found.moves
            ],
            kept=[KeptView(name=name, why=why) for name, why in found.kept],
            before=found.before,
            after=found.after,
            bound=found.bound,
            saving=_money(settings, found.saving),
            currency=settings.currency,
        )

    @routes.get("/placement/break-even")
    def breakeven(
        tenant: str, resource: str = "", tier: Literal["database", "schema"] = "database"
    ) -> BreakevenView:
        advice = breakeven_of(
            store, tenant, now=clock(), settings=settings, terms=terms, resource=resource, tier=tier
        )
        return _breakeven(advice, settings)

    return routes


def _money(settings: CostSettings, amount: float) -> str:
    return f"{amount:.{settings.precision}f}"


def _side(side: Side) -> SideView:
    before, after = side.packing_before, side.packing_after
    return SideView(
        resource=side.resource,
        capacity=side.capacity,
        packing_before=before,
        packing_after=after,
        headroom_before=None if before is None else 1 - before,
        headroom_after=None if after is None else 1 - after,
        full_hours=side.full_hours,
        risk_before=side.risk_before,
        risk_after=side.risk_after,
    )


def _breakeven(advice: Advice, settings: CostSettings) -> BreakevenView:
    found = advice.breakeven
    amounts = {name: _money(settings, value) for name, value in asdict(found.inputs).items()}
    return BreakevenView(
        tenant=found.tenant,
        resource=found.resource,
        tier=found.tier,
        verdict=advice.action.value if advice.action else "stay",
        weeks_for=found.weeks_for,
        weeks=found.weeks,
        **amounts,
        charged=_money(settings, found.charged),
        gain=_money(settings, found.gain),
        threshold=_money(settings, found.threshold),
        payback_weeks=found.payback_weeks,
        tornado=[
            TornadoBar(
                what=bar.what, low=_money(settings, bar.low), high=_money(settings, bar.high)
            )
            for bar in found.tornado
        ],
        needed=list(found.needed),
        sentences=list(advice.sentences(settings.currency, settings.precision)),
        currency=settings.currency,
        back=_way_back(advice.back, settings),
    )


def _way_back(found: Demotion | None, settings: CostSettings) -> WayBack | None:
    if found is None:
        return None
    return WayBack(
        source=found.source,
        pool=found.pool,
        p99=found.p99,
        headroom=found.headroom,
        n1_headroom=found.n1_headroom,
        weeks_for=found.weeks_for,
        saving=_money(settings, found.saving),
        threshold=_money(settings, found.threshold),
        payback_weeks=found.payback_weeks,
        against=list(found.against),
    )
