"""`/status` for the global bar; `/healthz`, `/readyz` and `/metrics` for machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from analyzer.api.views.status import Health
from analyzer.journal import records
from analyzer.journal.records import IncidentFilter
from analyzer.model import Incident, IncidentState, Kind
from analyzer.notify.clock import aware, stored
from analyzer.notify.sentence import about
from analyzer.pulse import Beat, Pulse
from analyzer.store.database import Store

SHOWN = (IncidentState.FIRING, IncidentState.FLAPPING)

_CALM_WITHIN = timedelta(days=1)

_WORST = (Kind.NOISY_NEIGHBOUR, Kind.CAPACITY, Kind.DEGRADED, Kind.SELF_INFLICTED)


def router(store: Store, clock: Callable[[], datetime], pulse: Pulse) -> APIRouter:
    """`GET /status`."""
    routes = APIRouter(tags=["status"])

    @routes.get("/status")
    def status() -> Health:
        return health(store, pulse.beat, clock())

    return routes


def machine_router(clock: Callable[[], datetime], pulse: Pulse, *, cycle_s: float) -> APIRouter:
    """Probes and metrics, outside the versioned API and open without a token."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz")
    def readyz() -> JSONResponse:
        reasons = unready(pulse.beat, clock(), cycle_s=cycle_s)
        status = "ready" if not reasons else "not ready"
        return JSONResponse({"status": status, "reasons": reasons}, 503 if reasons else 200)

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(pulse.registry), media_type=CONTENT_TYPE_LATEST)

    return routes


def unready(beat: Beat, now: datetime, *, cycle_s: float) -> list[str]:
    """Why no traffic should come here; empty when all is well."""
    if beat.cycle_at is None:
        return ["no cycle has finished yet"]
    reasons = []
    if beat.failures:
        reasons.append(f"the last {beat.failures} cycles failed: {beat.error}")
    late = now - beat.cycle_at
    if late > timedelta(seconds=max(60.0, 10 * cycle_s)):
        reasons.append(f"no cycle for {late.total_seconds():.0f} s")
    return reasons


def health(store: Store, beat: Beat, now: datetime) -> Health:
    """One small answer from counts and the open incidents."""
    shown = records.incidents(store, IncidentFilter(states=SHOWN, limit=1000, parts=False))
    with store.reader() as reader:
        tenants, resources = reader.rows("status_counts")[0]
        pending, failed = reader.rows("status_deliveries")[0]
        hottest = reader.row("status_hottest", since=_naive(beat.until, now, minutes=2))
        stale = reader.rows("status_stale", since=_naive(beat.until, now, minutes=3))
        fired = reader.rows("calm_spans", since=stored(now - _CALM_WITHIN))
        begun = reader.rows("first_judged")[0][0]
    return Health(
        version=version("partywall"),
        data_version=beat.data_version,
        now=now,
        newest_window=beat.until,
        data_age_s=(now - beat.until).total_seconds() if beat.until else None,
        tenants=tenants,
        resources=resources,
        open_incidents=len(shown),
        affected_tenants=len({h.tenant for i in shown for h in i.finding.victims}),
        hottest_resource=hottest[0] if hottest else None,
        hottest_utilisation=hottest[1] if hottest else None,
        deliveries_pending=pending,
        deliveries_failed=failed,
        stale_sources=[resource for (resource,) in stale],
        longest_calm_s=longest_calm(
            [(aware(start), aware(end)) for start, end in fired],
            since=max(now - _CALM_WITHIN, aware(begun)) if begun else None,
            until=beat.until,
        ),
        sentence=sentence(shown, beat),
    )


def longest_calm(
    fired: Sequence[tuple[datetime, datetime | None]],
    *,
    since: datetime | None,
    until: datetime | None,
) -> float | None:
    """Seconds of the longest time in since..until in which nothing fired; None before any data.

    `fired`: (begun, ended or None), by their beginning; they may overlap.
    """
    if since is None or until is None or until <= since:
        return None
    longest, calm_from = 0.0, since
    for start, end in fired:
        longest = max(longest, (min(start, until) - calm_from).total_seconds())
        calm_from = max(calm_from, end or until)
    return max(longest, (until - calm_from).total_seconds())


def sentence(shown: list[Incident], beat: Beat) -> str:
    """Who is hurting whom now, worst first; or that nobody is."""
    if beat.until is None:
        return "No data yet: send a first sample to the collector."
    if not shown:
        return "Nobody is hurting anybody."
    worst = min(shown, key=lambda i: (_WORST.index(i.kind), -len(i.finding.victims)))
    more = f" And {len(shown) - 1} more." if len(shown) > 1 else ""
    return about(worst) + more


def _naive(until: datetime | None, now: datetime, *, minutes: int) -> datetime:
    return ((until or now) - timedelta(minutes=minutes)).replace(tzinfo=None)
