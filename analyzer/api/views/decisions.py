"""What is proposed, by whom it was answered, and what became of it."""

from __future__ import annotations

from datetime import datetime

from analyzer.api.views.base import View


class DecisionView(View):
    id: str
    action: str
    state: str
    tenant: str
    resource: str
    incident: str | None
    reason: str
    created_at: datetime
    expires_at: datetime
    limit: float | None
    limit_low: float | None
    limit_high: float | None
    limit_unit: str
    target: str | None
    mode: str
    decided_by: str | None
    evidence: list[str]
    outcome: str = ""  # why it is in the state it is in
