"""Routes about delivered reports: what went to whom, and a round at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from analyzer.api.views.reports import ReportDeliveryView, ReportRound
from analyzer.cost.usage import aware
from analyzer.reports.delivery.plan import Line
from analyzer.reports.delivery.round import Round
from analyzer.store.database import Store


def router(
    store: Store, clock: Callable[[], datetime], bring: Callable[[datetime], Round]
) -> APIRouter:
    """`/report-deliveries`."""
    routes = APIRouter()

    @routes.get("/report-deliveries")
    def listed(
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> list[ReportDeliveryView]:
        rows = store.records("report_deliveries", limit=limit)
        return [
            ReportDeliveryView.model_validate(
                {
                    **row,
                    "created_at": aware(row["created_at"]),
                    "sent_at": aware(row["sent_at"]),
                }
            )
            for row in rows
        ]

    @routes.post("/report-deliveries")
    def deliver() -> ReportRound:
        """Deliver what is due now; what was delivered before is not sent again."""
        done = bring(clock())
        return ReportRound(
            deliveries=done.deliveries,
            sent=[_words(line) for line in done.sent],
            failed=[f"{_words(line)}: {why}" for line, why in done.failed],
        )

    return routes


def _words(line: Line) -> str:
    whom = line.recipient or line.tenant
    return f"{line.week} v{line.version} by {line.delivery}" + (f" to {whom}" if whom else "")
