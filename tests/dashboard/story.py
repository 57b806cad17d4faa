"""A believable story as public views: acme takes db:shard-3, its neighbours wait.

Everything is drawn from one seed, and times hang on the given `now`, so two runs look alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property

import numpy as np

from analyzer.api.views.cost import CostLine, CostPage, CostWhy, ResourceCost
from analyzer.api.views.incidents import IncidentSummary
from analyzer.api.views.resources import (
    DensityDimension,
    DensityRow,
    Heatmap,
    ResourceView,
    TenantShare,
)
from analyzer.api.views.status import Health
from analyzer.api.views.tenants import TenantSummary

CAST = ["acme", "globex", "initech", "umbrella", "hooli"]
PLANS = ["free", "team", "business", "enterprise"]
SHARDS = [f"db:shard-{k}" for k in range(1, 13)]
RESOURCES = [*SHARDS, "pool:web", "queue:exports", "cache:redis-1"]
KIND_OF = {"db": "database", "pool": "compute", "queue": "queue", "cache": "cache"}
INCIDENT = "INC-42"


@dataclass
class Story:
    """`now` is data time. `calm` has no incident, `tenants` 0 is a fresh start."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 16, 30, tzinfo=UTC))
    tenants: int = 200
    calm: bool = False
    version: int = 1
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        extra = [f"acct-{k:05d}" for k in range(max(0, self.tenants - len(CAST)))]
        self.names = [*CAST, *extra][: self.tenants]
        self.rng = np.random.default_rng(7)
        self.noise = np.exp(self.rng.normal(0, 0.18, max(self.tenants, 1)))
        self.size = np.exp(self.rng.normal(0, 1.1, max(self.tenants, 1)))
        if self.tenants:
            self.noise[0] = 1.05 if self.calm else 6.4

    @property
    def started(self) -> datetime:
        return self.now - timedelta(minutes=24)

    def shard(self, k: int) -> str:
        return "db:shard-3" if k < 5 else SHARDS[k % len(SHARDS)]

    @cached_property
    def neighbours(self) -> list[str]:
        return [n for k, n in enumerate(self.names) if self.shard(k) == "db:shard-3" and k][:18]


def health(s: Story) -> Health:
    open_ = 0 if s.calm or not s.tenants else 2
    sentence = (
        "acme is slowing 18 tenants on db:shard-3: their typical latency rose from 71 ms to "
        "163 ms; without it the model puts them at 73 ms."
        if open_
        else "Nobody is hurting anybody."
    )
    return Health(
        version="0.1.0",
        data_version=s.version,
        now=s.now,
        newest_window=s.now - timedelta(seconds=12) if s.tenants else None,
        data_age_s=12.0 if s.tenants else None,
        tenants=s.tenants,
        resources=len(RESOURCES) if s.tenants else 0,
        open_incidents=open_,
        affected_tenants=18 if open_ else 0,
        hottest_resource="db:shard-3" if s.tenants else None,
        hottest_utilisation=(0.94 if open_ else 0.61) if s.tenants else None,
        deliveries_pending=1 if open_ else 0,
        deliveries_failed=1 if open_ else 0,
        stale_sources=[],
        longest_calm_s=9 * 86_400.0,
        sentence=sentence if s.tenants else "No data yet: nobody has sent a sample.",
    )


def heatmap(s: Story, limit: int = 40) -> Heatmap:
    width = 144
    clock = [s.now - timedelta(seconds=150 * (width - k)) for k in range(width)]
    rng = np.random.default_rng(11)
    rows: list[list[float | None]] = []
    order = np.argsort(-s.noise[: len(s.names)])[:limit]
    for index in order:
        values = rng.normal(0, 0.28, width) + np.sin(np.arange(width) / 17 + index) * 0.15
        if s.names[index] == "acme" and not s.calm:
            values[-10:] = np.linspace(1.2, 2.7, 10)
        elif rng.random() < 0.35:
            at = int(rng.integers(0, width - 12))
            values[at : at + int(rng.integers(3, 10))] += rng.uniform(0.8, 2.2)
        row: list[float | None] = [float(v) for v in values.round(3)]
        if index % 9 == 3:
            row[40:52] = [None] * 12
        rows.append(row)
    return Heatmap(
        tenants=[s.names[k] for k in order],
        clock=clock,
        window_s=150,
        values=rows,
        shown=len(rows),
        of=s.tenants,
    )


def density(s: Story) -> list[DensityRow]:
    if not s.tenants:
        return []
    rng = np.random.default_rng(3)
    return [_density_row(s, name, rng) for name in RESOURCES]


def _density_row(s: Story, name: str, rng: np.random.Generator) -> DensityRow:
    hot = name == "db:shard-3"
    capacity = None if name.startswith("cache") else 16.0
    full = 0.94 if hot else float(rng.uniform(0.28, 0.78))
    top = (
        ["acme", "globex", "initech", "umbrella"]
        if hot
        else [s.names[k] for k in rng.integers(0, len(s.names), 4)]
    )
    parts = [0.52, 0.08, 0.06, 0.04] if hot else sorted(rng.uniform(0.02, 0.16, 4), reverse=True)
    shares = [TenantShare(tenant=str(t), share=float(p)) for t, p in zip(top, parts, strict=True)]
    shares.append(TenantShare(tenant="__other__", share=float(1 - sum(parts))))
    return DensityRow(
        resource=name,
        kind=KIND_OF[name.split(":")[0]],
        capacity=capacity,
        tenants=max(1, s.tenants // 12),
        active_tenants=max(1, s.tenants // 15),
        p95_load=16 * full,
        packing=full if capacity else None,
        headroom=1 - full if capacity else None,
        multiplexing_gain=float(rng.uniform(1.4, 3.1)),
        effective_tenants=float(rng.uniform(4, 12)),
        gini=float(rng.uniform(0.3, 0.7)),
        top_tenant=str(top[0]),
        top_share=float(parts[0]),
        room=None if capacity is None else int((1 - full) * 40),
        days_to_full=None if full < 0.6 else float((1 - full) * 60),
        shares=shares,
        n1_headroom=None if capacity is None else 1 - full * 1.08,
        binding=None if capacity is None else "time",
        dimensions=[]
        if capacity is None
        else [
            DensityDimension(name="in flight", full=full * 0.8),
            DensityDimension(name="time", full=full),
        ],
        reservation=None if capacity is None else 0.3,
        lorenz=[round((k / 20) ** (1.5 + full * 2), 6) for k in range(21)],
    )


def resources(s: Story) -> list[ResourceView]:
    return [
        ResourceView(
            id=row.resource,
            kind=row.kind,
            parent=None,
            capacity=row.capacity,
            tenants=row.tenants,
            utilisation=row.packing,
            state="noisy_neighbour" if row.resource == "db:shard-3" and not s.calm else "calm",
        )
        for row in density(s)
    ]


def tenant(s: Story, k: int) -> TenantSummary:
    name = s.names[k]
    hurt = not s.calm and name in s.neighbours
    loud = not s.calm and name == "acme"
    return TenantSummary(
        id=name,
        name=name.capitalize(),
        plan="team" if loud else PLANS[k % 4],
        isolation="shared" if k % 17 else "schema",
        resources=[s.shard(k)],
        noise=round(float(s.noise[k]), 3),
        share=0.52 if loud else round(float(s.size[k]) / 90, 4),
        p95_s=None if k % 31 == 30 else (0.163 if hurt else 0.04 + 0.05 * (k % 7) / 7),
        error_ratio=0.012 if hurt else 0.0004 * (k % 5),
        requests_per_s=round(float(s.size[k]) * 11, 2),
        cost=f"{Decimal(repr(round(float(s.size[k]) * 3.1, 2))):.2f}",
        margin=f"{Decimal(repr(round(40 - float(s.size[k]) * 9, 2))):.2f}",
        state="loud" if loud else "hurt" if hurt else "calm",
    )


def incident_summary(s: Story, number: int = 42) -> IncidentSummary:
    kinds = {42: "noisy_neighbour", 41: "capacity", 40: "noisy_neighbour", 39: "degraded"}
    kind = kinds.get(number, "self_inflicted")
    resource = "db:shard-3" if number == 42 else SHARDS[number % 12]
    ago = timedelta(hours=(42 - number) * 5)
    state = "firing" if number >= 41 else "resolved"
    blamed = {"noisy_neighbour": ["acme"] if number == 42 else ["hooli"]}.get(kind, [])
    return IncidentSummary(
        id=f"INC-{number}",
        resource=resource,
        kind=kind,
        state=state,
        severity="page" if number == 42 else "ticket",
        sentence=_sentence(kind, blamed, resource),
        aggressors=blamed,
        victims=18 if number == 42 else (43 - number) * 2,
        confidence=0.97 if number == 42 else 0.81,
        started_at=s.started - ago,
        detected_at=s.started - ago + timedelta(minutes=2),
        ended_at=None if state == "firing" else s.started - ago + timedelta(minutes=48),
        acknowledged_by="mara" if number == 40 else None,
        label="confirmed" if number == 40 else None,
    )


def _sentence(kind: str, blamed: list[str], resource: str) -> str:
    if kind == "noisy_neighbour":
        return f"{blamed[0]} is slowing its neighbours on {resource}."
    if kind == "capacity":
        return f"Everybody on {resource} grew: it is full, nobody is to blame."
    if kind == "degraded":
        return f"{resource} itself became slow: nobody is to blame."
    return f"One tenant on {resource} is slow by its own queries."


def why(total: Decimal, k: int) -> CostWhy:
    """What made the cost of tenant `k` what it is."""
    tenth = (total / 10).quantize(Decimal("0.01"))
    return CostWhy(
        price=str(tenth), usage=str(tenth * (k % 3)), neighbours=str(-tenth), moves="0.00"
    )


def costs(s: Story) -> CostPage:
    lines = []
    for k in range(min(s.tenants, 400)):
        direct = Decimal(round(float(s.size[k]) * 310)) / 100
        idle, shared = (direct * Decimal("0.4")).quantize(Decimal("0.01")), Decimal("0.35")
        total = direct + idle + shared
        revenue = Decimal([0, 49, 199, 900][k % 4]) / 4
        lines.append(
            CostLine(
                tenant=s.names[k],
                plan=PLANS[k % 4],
                direct=str(direct),
                idle=str(idle),
                shared=str(shared),
                total=str(total),
                revenue=f"{revenue:.2f}" if k % 4 else None,
                margin=f"{revenue - total:.2f}" if k % 4 else None,
                share=0.0,
                change=math.sin(k) * 0.3,
                why=why(total, k),
            )
        )
    lines.sort(key=lambda line: -Decimal(line.total))
    allocated = sum((Decimal(line.direct) + Decimal(line.shared) for line in lines), Decimal(0))
    idle = sum((Decimal(line.idle) for line in lines), Decimal(0))
    bill = allocated + idle + Decimal("12.40")
    lines = [
        line.model_copy(update={"share": float(Decimal(line.total) / (bill or 1))})
        for line in lines
    ]
    return CostPage(
        week="2026-W47",
        start=datetime(2026, 11, 16, tzinfo=UTC),
        end=datetime(2026, 11, 23, tzinfo=UTC),
        hours=168,
        zone="UTC",
        currency="EUR",
        status="estimate",
        version=3,
        bill=f"{bill:.2f}",
        allocated=f"{allocated:.2f}",
        idle=f"{idle:.2f}",
        unattributed="12.40",
        coverage=0.992,
        lines=lines,
        resources=[
            ResourceCost(
                resource=name,
                bill="168.00",
                allocated="98.20",
                idle="68.30",
                unattributed="1.50",
                coverage=0.99,
            )
            for name in RESOURCES[:8]
        ],
        weeks=["2026-W47", "2026-W46", "2026-W45"],
    )
