"""A report as a webhook: the whole statement as JSON, signed. The same report has the same id."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from analyzer.notify.channels.message import Message, as_json, rfc3339
from analyzer.reports.delivery.parcel import Parcel
from analyzer.reports.delivery.settings import DeliverySettings
from analyzer.reports.document import Document
from analyzer.reports.json_file import said

TYPE = "report.statement"


def post(parcel: Parcel, delivery: DeliverySettings, link: str) -> Message:
    """The body: `type`, `id`, `timestamp` (when this version was made) and `data`, which is the
    report as its `json` file has it. Over `max_bytes` the tenants are left out, `complete` is
    false, and `link` is where they are.
    """
    document = parcel.document
    data = said(document)
    body = _body(document, delivery, {**data, "complete": True})
    if len(body) > delivery.max_bytes:
        where = f"{link}/reports/{quote(document.statement.week, safe='')}"
        data = {**data, "tenants": [], "complete": False, "link": where}
        body = _body(document, delivery, data)
    return Message(delivery.target, body)


def post_id(document: Document, delivery: DeliverySettings) -> str:
    """`report_2026-W47_2_0123456789abcdef`: of what is told and to where, not of the try."""
    scope = f"{document.view}|{document.tenant or ''}|{delivery.target}|{document.sha256}"
    digest = hashlib.sha256(scope.encode()).hexdigest()[:16]
    return f"report_{document.statement.week}_{document.version}_{digest}"


def _body(document: Document, delivery: DeliverySettings, data: dict[str, Any]) -> bytes:
    made = document.issued_at or document.statement.end
    return as_json(
        {
            "type": TYPE,
            "id": post_id(document, delivery),
            "timestamp": rfc3339(made),
            "data": data,
        }
    )
