"""What every tenant costs."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from analyzer.api.views.base import View


class CostLine(View):
    """One line of the cost table; amounts are decimal strings that add up as shown."""

    tenant: str
    plan: str
    direct: str
    idle: str
    shared: str
    total: str
    revenue: str | None
    margin: str | None
    share: float
    change: float | None  # against the week before, as a ratio
    own: str = "0"  # reserved and not used
    credit: str = "0"  # credits, negative
    names: int = 1  # tenants in this line: more than one under `__other__`
    thousand_direct: str | None = None  # cost of 1,000 operations, `CostPage.counted`
    thousand_loaded: str | None = None  # the same with idle and shared cost
    why: CostWhy | None = None


class CostWhy(View):
    """Of the change since the week before; the six sum to it as shown."""

    price: str
    usage: str
    neighbours: str
    policy: str = "0"
    moves: str = "0"
    restatement: str = "0"


class CostPage(View):
    week: str  # or a month: 2026-11
    start: datetime
    end: datetime
    hours: int
    zone: str
    currency: str
    status: str  # estimate | provisional | final | restated
    version: int
    bill: str
    allocated: str
    idle: str
    unattributed: str
    coverage: float | None
    lines: list[CostLine]  # dearest first, those after `limit` summed under `__other__`
    resources: list[ResourceCost]
    weeks: list[str]
    months: list[str] = Field(default_factory=list)
    counted: str = ""  # request | queue | query | cache: what unit costs are told of
    reconciled: float | None = None  # part of the bill that providers' bills say, not prices
    notes: list[str] = Field(default_factory=list)


class ResourceCost(View):
    resource: str
    bill: str
    allocated: str
    idle: str
    unattributed: str
    coverage: float | None
    kind: str = ""  # unmatched: lines of a bill that no rule gives to a resource
    billed: str | None = None  # what a provider's bill says of it
    estimate: str | None = None  # what the price sheet said of the same time
    adjustment: str | None = None  # billed - estimate


class CostLeaf(View):
    """What one tenant costs on one resource; `margin` is of the tenant's whole revenue."""

    resource: str
    plan: str
    tenant: str  # `__other__`: all the smaller ones of the plan there
    cost: str
    margin: float | None


class CostTree(View):
    """Resource > plan > tenant, of what is paid (credits of more than the cost are left out)."""

    week: str
    currency: str
    leaves: list[CostLeaf]
