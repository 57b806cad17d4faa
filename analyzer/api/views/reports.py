"""Weekly reports and their deliveries."""

from __future__ import annotations

from datetime import datetime

from analyzer.api.views.base import View


class ReportView(View):
    week: str
    version: int
    status: str
    created_at: datetime
    total: str
    currency: str
    formats: list[str]
    path: str


class ReportDeliveryView(View):
    """One report to one recipient. `tenant` and `recipient` are empty where there is none."""

    week: str
    version: int
    delivery: str
    tenant: str
    recipient: str
    state: str  # queued | sent | skipped | superseded | withdrawn | dead
    attempt: int
    created_at: datetime
    sent_at: datetime | None
    error: str  # why it failed, or why it was skipped


class ReportRound(View):
    """What one round of deliveries did, in words; `deliveries` counts those that are configured."""

    deliveries: int
    sent: list[str]
    failed: list[str]
