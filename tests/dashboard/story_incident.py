"""The incident of the story with its evidence, and what was told to whom about it."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from analyzer.api.precision import precision_view
from analyzer.api.views.alerts import DeliveryView, EndpointView
from analyzer.api.views.decisions import DecisionView
from analyzer.api.views.incidents import (
    Band,
    BlameView,
    CheckView,
    HarmView,
    IncidentDetail,
    RivalView,
    TimelineEntry,
)
from analyzer.api.views.precision import PrecisionView
from analyzer.api.views.reports import ReportView
from analyzer.api.views.tenants import PlacementView, ResourceUsage, TenantDetail, UsagePoint
from analyzer.incidents.flags import FlagPolicy
from analyzer.incidents.labels import Labelled, TuningSettings
from analyzer.model import IncidentId, Kind
from tests.dashboard import story
from tests.dashboard.story import INCIDENT, Story

WINDOWS = 144
STEP_S = 30


def precision(s: Story) -> PrecisionView:
    """Nineteen of twenty-four were right; labels ask for a higher bar."""
    judged = [
        Labelled(
            IncidentId(f"INC-{k}"),
            Kind.CAPACITY if k % 6 == 0 else Kind.NOISY_NEIGHBOUR,
            confidence,
            right=right,
        )
        for k, (confidence, right) in enumerate(
            [*[(0.96, True)] * 14, (0.96, False), *[(0.85, True)] * 4,
             (0.6, True), *[(0.6, False)] * 4]
        )
    ]  # fmt: skip
    return precision_view(judged if s.tenants else [], FlagPolicy(), TuningSettings())


def incident(s: Story) -> IncidentDetail:
    clock = [s.now - timedelta(seconds=STEP_S * (WINDOWS - k)) for k in range(WINDOWS)]
    surge = _surge(s, clock)
    aggressor, victims, resource = _bands(surge)
    summary = story.incident_summary(s).model_dump()
    summary["sentence"] = "acme is slowing 18 tenants on db:shard-3."
    return IncidentDetail(
        **summary,
        blames=[_blame()],
        harms=[_harm(name, k) for k, name in enumerate(s.neighbours)],
        rivals=[
            RivalView(
                tenant="globex", score=0.11, why_not="It rose 6 min after the victims slowed."
            ),
            RivalView(tenant="hooli", score=0.04, why_not="Its load stayed within its usual band."),
        ],
        checks=[],
        caveats=["3 of 48 windows of db:shard-3 are missing between 15:41 and 15:43."],
        stretch=2.3,
        stretch_without=1.03,
        utilisation=0.94,
        cost="18.40",
        currency="EUR",
        clock=clock,
        window_s=STEP_S,
        aggressor_bands=aggressor,
        victim_bands=victims,
        resource_bands=resource,
        timeline=_timeline(s),
        explanation=[
            "acme began to use db:shard-3 6.4 times as much as it does at this hour.",
            "18 neighbours slowed within 40 s; the more acme asked, the slower they were.",
            "Without acme's excess the model puts them at 73 ms instead of 163 ms.",
        ],
        decisions=[decision(s)],
    )


def _surge(s: Story, clock: list[datetime]) -> np.ndarray:
    """0 before the onset, then a quick rise to 1."""
    age = np.array([(at - s.started).total_seconds() for at in clock])
    return np.clip(age / 240, 0, 1)


def _band(name: str, role: str, unit: str, values: np.ndarray) -> Band:
    return Band(name=name, role=role, unit=unit, values=[float(v) for v in values.round(5)])


def _bands(surge: np.ndarray) -> tuple[list[Band], list[Band], list[Band]]:
    rng = np.random.default_rng(5)
    n = len(surge)
    cores = "busy cores"
    load = 1.3 + rng.normal(0, 0.08, n) + surge * (7.0 + rng.normal(0, 0.35, n))
    own = Band(name="acme", role="aggressor", unit=cores, values=[float(v) for v in load.round(3)])
    own = own.model_copy(update={"values": [*own.values[:98], None, None, None, *own.values[101:]]})
    expected = 1.3 + 0.1 * np.sin(np.arange(n) / 40)
    p50 = 0.071 + rng.normal(0, 0.002, n) + surge * (0.09 + rng.normal(0, 0.006, n))
    others = 5.6 + rng.normal(0, 0.15, n)
    return (
        [
            own,
            _band("expected low", "expected_low", cores, expected * 0.75),
            _band("expected high", "expected_high", cores, expected * 1.3),
        ],
        [
            _band("18 victims, median", "victims", "s", p50),
            _band("low", "victims_low", "s", p50 * 0.78),
            _band("high", "victims_high", "s", p50 * (1.25 + 0.15 * surge)),
            _band("without acme (model)", "without", "s", 0.072 + rng.normal(0, 0.001, n)),
            _band("promised 120 ms", "slo", "s", np.full(n, 0.12)),
        ],
        [
            _band("all others", "others", cores, others),
            own,
            _band("capacity", "capacity", cores, np.full(n, 16.0)),
        ],
    )


def _blame() -> BlameView:
    def check(name: str, detail: str, *, passed: bool | None = True) -> CheckView:
        return CheckView(name=name, passed=passed, value=1.0, threshold=0.5, detail=detail)

    return BlameView(
        tenant="acme",
        plan="team",
        contribution=0.96,
        demand=8.3,
        expected=1.3,
        times_expected=6.4,
        share=0.52,
        checks=[
            check("Rose first", "90 s before the victims slowed"),
            check("Dose and response", "victims follow its load, r = 0.94"),
            check("Only where it runs", "11 other shards did not change"),
            check("Nothing else moved", "the next suspect explains 11 %"),
            check(
                "Other resources as controls",
                "pool:web has too little traffic to tell",
                passed=None,
            ),
            check("No deploy near the onset", "globex deployed at 16:02", passed=False),
        ],
    )


def _harm(name: str, k: int) -> HarmView:
    return HarmView(
        tenant=name,
        plan=story.PLANS[k % 4],
        signal="latency" if k % 5 else "errors",
        before_s=0.071 + 0.002 * (k % 5) if k % 5 else 0.002,
        during_s=0.163 + 0.004 * (k % 9) if k % 5 else 0.034,
        without_s=0.073 if k % 5 else None,
        past_slo=None if k % 7 == 6 else k % 3 != 0,
    )


def _timeline(s: Story) -> list[TimelineEntry]:
    entries = [
        (0, "Harm began", "18 tenants on db:shard-3 slowed"),
        (2, "Opened", "page: found in 3 of 4 windows"),
        (2, "Delivered to ops-webhook", "1 attempt, 200 in 41 ms"),
        (3, "Throttle proposed for acme", "limit 2.1 busy cores"),
    ]
    return [
        TimelineEntry(at=s.started + timedelta(minutes=minute), what=what, detail=detail)
        for minute, what, detail in entries
    ]


def decision(s: Story) -> DecisionView:
    return DecisionView(
        id="DEC-7",
        action="throttle",
        state="proposed",
        tenant="acme",
        resource="db:shard-3",
        incident=INCIDENT,
        reason="acme's excess slows 18 neighbours",
        created_at=s.started + timedelta(minutes=3),
        expires_at=s.now + timedelta(hours=1),
        limit=2.1,
        limit_low=1.8,
        limit_high=2.6,
        limit_unit="busy seconds per second",
        target=None,
        mode="shadow",
        decided_by=None,
        evidence=[
            "At this rate the model puts the victims at 79 ms.",
            "acme keeps 1.6 times its usual load.",
        ],
    )


def usage(s: Story, name: str) -> list[ResourceUsage]:
    rng = np.random.default_rng(9)
    loud = name == "acme" and not s.calm
    points = []
    for k in range(144):
        at = s.now - timedelta(seconds=150 * (144 - k))
        surge = loud and at > s.started
        expected = 1.3 + 0.2 * float(np.sin(k / 30))
        busy = (8.2 if surge else expected) + float(rng.normal(0, 0.1))
        points.append(
            UsagePoint(
                ts=at,
                requests_per_s=busy * 30,
                busy=None if 60 < k < 64 else busy,
                expected=expected,
                p50_s=0.04,
                p95_s=0.11 + float(rng.normal(0, 0.004)),
                error_ratio=0.001,
                waiting=1.0,
                throttled=0.0,
            )
        )
    return [ResourceUsage(resource="db:shard-3", family="query", window_s=150, points=points)]


def tenant_detail(s: Story, k: int) -> TenantDetail:
    name = s.names[k]
    guilty = name == "acme" and not s.calm
    return TenantDetail(
        **story.tenant(s, k).model_dump(),
        created_at=s.now - timedelta(days=300),
        price="49.00",
        currency="EUR",
        pins=["eu"] if k % 2 else [],
        slo_ms=120.0,
        placements=[
            PlacementView(
                tenant=name,
                resource="db:shard-3",
                isolation="shared",
                from_ts=s.now - timedelta(days=40),
                to_ts=None,
            )
        ],
        usage=usage(s, name),
        as_aggressor=[story.incident_summary(s)] if guilty else [],
        as_victim=[story.incident_summary(s, 40)],
    )


def endpoints(s: Story) -> list[EndpointView]:
    if not s.tenants:
        return []
    made = s.now - timedelta(days=9)
    return [
        EndpointView(
            id="ep-1",
            name="ops-webhook",
            url="https://hooks.example.com",
            format="alertmanager",
            state="ok",
            created_at=made,
            delivered=412,
            failed=0,
        ),
        EndpointView(
            id="ep-2",
            name="chat",
            url="https://chat.example.com",
            format="alertmanager",
            state="failing",
            created_at=made,
            delivered=208,
            failed=3,
        ),
    ]


def deliveries(s: Story) -> list[DeliveryView]:
    if not s.tenants:
        return []
    rows = []
    for k in range(24):
        bad = k in {1, 6}
        at = s.started + timedelta(minutes=2) - timedelta(minutes=37 * k)
        rows.append(
            DeliveryView(
                id=f"dl-{k}",
                event_id=f"ev-{k // 2}",
                event_type="incident.opened" if k % 3 else "report.ready",
                incident=f"INC-{42 - k // 4}" if k % 3 else None,
                endpoint="chat" if bad or k % 2 else "ops-webhook",
                state="dead" if k == 6 else "pending" if k == 1 else "delivered",
                attempt=5 if bad else 1,
                next_at=s.now + timedelta(minutes=4) if k == 1 else None,
                created_at=at,
                delivered_at=None if bad else at + timedelta(seconds=1),
                status=503 if bad else 200,
                ms=None if bad else 41.0 + k,
                error="503 Service Unavailable" if bad else "",
            )
        )
    return rows


def reports(s: Story) -> list[ReportView]:
    if not s.tenants:
        return []
    return [
        ReportView(
            week=week,
            version=1,
            status="final",
            created_at=s.now - timedelta(days=age),
            total="1284.20",
            currency="EUR",
            formats=["html", "csv"],
            path=f"reports/{week}",
        )
        for week, age in (("2026-W46", 4), ("2026-W45", 11))
    ]
