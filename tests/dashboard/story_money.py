"""The money of the story: one tenant's account, who works when, what to move."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from fastapi import HTTPException

from analyzer.accounts.account import (
    Account,
    Amount,
    Anomaly,
    Columns,
    Effects,
    Forecast,
    Harm,
    Item,
    UnitCost,
)
from analyzer.api.views.cost import CostLeaf, CostTree
from analyzer.api.views.placement import (
    CostBeforeAfter,
    KeptView,
    MoveView,
    PlanView,
    SideView,
    WhatIfView,
)
from analyzer.api.views.resources import (
    HoursOfWeek,
    LoadsTogether,
    PairOfResources,
    ResourceWeekView,
)
from tests.dashboard.story import RESOURCES, Story

MONDAY = datetime(2026, 11, 9, tzinfo=UTC)


def what_if(tenant: str, source: str, target: str) -> WhatIfView:
    return WhatIfView(
        tenant=tenant,
        source=SideView(
            resource=source, capacity=16, packing_before=0.94, packing_after=0.61,
            headroom_before=0.06, headroom_after=0.39, full_hours=0, risk_before=0.2,
            risk_after=0.0,
        ),
        target=SideView(
            resource=target, capacity=16, packing_before=0.3, packing_after=0.63,
            headroom_before=0.7, headroom_after=0.37, full_hours=0, risk_before=0.0,
            risk_after=0.01,
        ),
        costs=[CostBeforeAfter(tenant=tenant, before="12.10", after="11.02")],
        currency="EUR",
        unchanged=198,
    )  # fmt: skip


def together(s: Story) -> LoadsTogether:
    if not s.tenants:
        return LoadsTogether(resources=[], correlation=[], hours=0, apart=[])
    n = len(RESOURCES)
    table = [
        [1.0 if i == j else round(math.cos(0.9 * (i - j)), 3) for j in range(n)] for i in range(n)
    ]
    table[n - 1] = [None] * n  # type: ignore[list-item]
    for row in table:
        row[n - 1] = None  # type: ignore[call-overload]
    return LoadsTogether(
        resources=RESOURCES,
        correlation=table,
        hours=672,
        apart=[
            PairOfResources(one=RESOURCES[0], other=RESOURCES[3], correlation=-0.9, common=0.61)
        ],
    )


def weeks(s: Story) -> list[ResourceWeekView]:
    if not s.tenants:
        return []
    return [
        ResourceWeekView(
            resource=name,
            week=f"2026-W{44 + k}",
            packing=round(0.3 + 0.07 * k + 0.04 * n, 3),
            incident_hours=0.8 if (name, k) == ("db:shard-3", 3) else 0.0,
        )
        for n, name in enumerate(RESOURCES[:-1])
        for k in range(4)
    ]


def tree(s: Story) -> CostTree:
    leaves = [
        CostLeaf(
            resource=name,
            plan=("pro", "free", "")[k % 3],
            tenant=s.names[k],
            cost=f"{40 / (1 + k) + n:.4f}",
            margin=(0.6, -0.4, None)[k % 3],
        )
        for n, name in enumerate(RESOURCES[:4])
        for k in range(min(9, s.tenants))
    ]
    if leaves:
        leaves.append(
            CostLeaf(resource=RESOURCES[0], plan="pro", tenant="__other__", cost="7", margin=None)
        )
    return CostTree(week="2026-W47", currency="EUR", leaves=leaves)


def hours(s: Story, resource: str) -> HoursOfWeek:
    names = [s.names[k] for k in range(min(12, s.tenants))]
    return HoursOfWeek(
        resource=resource,
        tenants=names,
        values=[
            [
                round(
                    0.08 * (1 + math.sin((h % 24 - 6 + 4 * k) / 24 * 2 * math.pi)) / (1 + k / 4), 6
                )
                for h in range(168)
            ]
            for k in range(len(names))
        ],
    )


def plan(s: Story) -> PlanView:
    moves = []
    if not s.calm:
        moves = [
            MoveView(
                tenant="acme", source="db:shard-3", target="db:shard-7", purpose="relief",
                source_before=0.94, source_after=0.61, target_before=0.31, target_after=0.66,
                saving=None, reason="cools db:shard-3 from 94% to 61%",
            )
        ]  # fmt: skip
    return PlanView(
        moves=moves, kept=[KeptView(name="db:shard-1", why="nobody is on it")],
        before=12, after=12, bound=7, saving="0.00", currency="EUR",
    )  # fmt: skip


def amount(text: str) -> Amount:
    return Amount(f"{text}00", text)


def account(s: Story, week: str, tenant: str) -> Account:
    if tenant not in s.names:
        raise HTTPException(404)
    columns = Columns(
        amount("41.20"), amount("3.10"), amount("12.40"), amount("2.00"), amount("-1.50"),
        amount("57.20"),
    )  # fmt: skip
    why = Effects(
        amount("2.10"), amount("6.40"), amount("3.20"), amount("0.00"), amount("0.00"),
        amount("-0.30"),
    )  # fmt: skip
    return Account(
        week=week, version=1, start=MONDAY, end=MONDAY + timedelta(days=7), zone="UTC", hours=168,
        measured_hours=168, status="provisional", coverage=0.99, currency="EUR", decimals=2,
        policy="0badcafe", tenant=tenant, name=tenant.title(), plan="team", columns=columns,
        items=(
            Item("db:shard-3", "database", "DB time or reservation", "s", "86400", "0.52",
                 "0.0004768519", columns),
        ),
        revenue=amount("49.00"), margin=amount("-8.20"), margin_ratio=-0.167347,
        before=amount("45.80"), change=amount("11.40"), why=why,
        units=(
            UnitCost("requests", "1,000 requests", "812000", "0.0507", "0.0704"),
            UnitCost("jobs", "1,000 jobs", "0", None, None),
            UnitCost("storage", "GB-month", "0.000000", None, None),
        ),
        anomaly=Anomaly("odd", "44.100000", 4.2, 0.01),
        forecast=Forecast("58.10", "49.30", "68.50", 0.9, 0.88, 0.071),
        harms=(Harm("INC-42", "db:shard-3", MONDAY, 90.0, 0.5, amount("4.10")),),
        harmed=amount("4.10"), caused=amount("0.00"), percentile=0.8,
        weeks=(("2026-W45", "45.80"), (week, "57.20")),
    )  # fmt: skip
