"""An incident of acme's: globex and initech are twice as slow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from analyzer.model import (
    Blame,
    Finding,
    Harm,
    Incident,
    IncidentId,
    IncidentState,
    Kind,
    Signal,
)
from collector.model import ResourceId, TenantId

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
DB = ResourceId("db:shard-1")


def incident(minutes: float, victims: tuple[str, ...] = ("globex", "initech")) -> Incident:
    end = NOON + timedelta(minutes=minutes)
    finding = Finding(
        resource=DB,
        kind=Kind.NOISY_NEIGHBOUR,
        window_start=NOON,
        window_end=end,
        aggressors=(Blame(TenantId("acme"), 0.9, 1.6, 0.25, 0.46),),
        victims=tuple(Harm(TenantId(v), Signal.LATENCY, 0.1, 0.2, 0.1) for v in victims),
        rivals=(),
        checks=(),
        caveats=(),
        confidence=0.95,
        stretch=2.0,
        stretch_without=1.0,
        utilisation=0.9,
    )
    return Incident(
        id=IncidentId("INC-1"),
        resource=DB,
        kind=Kind.NOISY_NEIGHBOUR,
        state=IncidentState.RESOLVED,
        severity="page",
        started_at=NOON,
        updated_at=end,
        finding=finding,
        detected_at=NOON,
        ended_at=end,
    )
