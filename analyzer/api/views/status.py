"""How the analyzer itself is."""

from __future__ import annotations

from datetime import datetime

from analyzer.api.views.base import View


class Health(View):
    """`/api/v1/status`: what the global bar and the overview need at a glance."""

    version: str
    data_version: int  # grows when anything a page shows may have changed
    now: datetime
    newest_window: datetime | None  # end of the newest complete window
    data_age_s: float | None
    tenants: int
    resources: int
    open_incidents: int
    affected_tenants: int
    hottest_resource: str | None
    hottest_utilisation: float | None
    deliveries_pending: int
    deliveries_failed: int
    stale_sources: list[str]
    longest_calm_s: float | None
    sentence: str  # who is hurting whom now, or that nobody is
    backfilling: str = ""  # progress words while history is loaded
