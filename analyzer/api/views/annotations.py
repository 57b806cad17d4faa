"""What others tell us."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from analyzer.api.views.base import View


class AnnotationView(View):
    id: str
    at: datetime
    title: str
    detail: str
    resource: str | None
    tenant: str | None
    source: str  # api | alertmanager | pagerduty


class AnnotationIn(BaseModel):
    """`POST /api/v1/annotations`: a deploy or another outside event, for the evidence timeline."""

    model_config = ConfigDict(extra="forbid")
    at: datetime | None = None
    title: str
    detail: str = ""
    resource: str | None = None
    tenant: str | None = None
