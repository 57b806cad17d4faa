"""The story's alerts: routes, silences, planned work, one message on the wire."""

from __future__ import annotations

from datetime import timedelta

from analyzer.api.views.alerts import AttemptView, DeliveryDetail
from analyzer.api.views.routing import (
    MaintenanceView,
    RehearsalIn,
    RehearsalView,
    RehearsedEndpoint,
    RouteView,
    SilenceView,
    StepView,
)
from tests.dashboard import story_incident
from tests.dashboard.story import Story


def routes(s: Story) -> list[RouteView]:
    default = RouteView(
        id="rt_0", name="default", source="config", match=[], to=["*"], continues=False,
        repeat_s=14_400, storm_openings=10, fallback="", steps=[], unknown=[],
    )  # fmt: skip
    if not s.tenants:
        return [default]
    pages = RouteView(
        id="rt_1", name="pages", source="api", match=["severity = page"], to=["chat", "pagre"],
        continues=False, repeat_s=7200, storm_openings=10, fallback="ops-webhook",
        steps=[StepView(after_s=600, to=["ops-webhook"])], unknown=["pagre"],
    )  # fmt: skip
    return [pages, default]


def silences(s: Story) -> list[SilenceView]:
    if not s.tenants:
        return []
    return [
        SilenceView(
            id="sil_1", match=["resource = db:shard-3"], author="ada", reason="migration 42",
            starts_at=s.now - timedelta(minutes=20), ends_at=s.now + timedelta(minutes=100),
            state="active", mutes=["INC-42"],
        ),
        SilenceView(
            id="sil_0", match=["tenant = acme"], author="bob", reason="load test",
            starts_at=s.now - timedelta(days=2), ends_at=s.now - timedelta(days=1),
            state="expired", mutes=[],
        ),
    ]  # fmt: skip


def windows(s: Story) -> list[MaintenanceView]:
    if not s.tenants:
        return []
    return [
        MaintenanceView(
            id="mw_1", source="config", name="vacuum", match=["resource = db:*"], starts_at=None,
            ends_at=None, days=["sat", "sun"], at="02:00", minutes=90, zone="Europe/Berlin",
            author="", reason="vacuum full", state="planned",
            next_start=s.now + timedelta(hours=9), next_end=s.now + timedelta(hours=10.5),
        )
    ]  # fmt: skip


def rehearsal(s: Story, asked: RehearsalIn) -> RehearsalView:
    return RehearsalView(
        sentence=f"Route 'this route' would have fired 4 times in {asked.days:.3g} days.",
        since=s.now - timedelta(days=asked.days), until=s.now, openings=9, below_thresholds=0,
        fired=4, endpoints=[
            RehearsedEndpoint(endpoint="chat", told=4, skipped={"not_routed": 5})
        ], incidents=[],
    )  # fmt: skip


def delivery(s: Story, key: str) -> DeliveryDetail:
    rows = {row.id: row for row in story_incident.deliveries(s)}
    row = rows.get(key) or next(iter(rows.values()))
    attempt = AttemptView(
        n=1, started_at=row.created_at, ms=row.ms, status=row.status, error=row.error,
        request_headers={"Content-Type": "application/json", "webhook-id": "evt_1",
                         "webhook-signature": "…"},
        request_body='{"type":"incident.opened","summary":"<b>acme</b> slows 3 tenants"}',
        response_headers={"Content-Length": "2"}, response_body="ok",
    )  # fmt: skip
    return DeliveryDetail(**row.model_dump(), attempts=[attempt])
