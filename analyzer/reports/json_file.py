"""The report as one JSON document: the same records as the CSV, nested, without empty ones."""

from __future__ import annotations

from typing import Any

from analyzer.notify.channels.message import as_json
from analyzer.reports.document import Document
from analyzer.reports.records import Record, common, records

SCHEMA = 1


def render_json(document: Document) -> bytes:
    """UTF-8; amounts are decimal strings, exact to the last unit."""
    return as_json(said(document))


def said(document: Document) -> dict[str, Any]:
    """`report` (which one it is), `statement`, `resources`, and `tenants`, each with its `parts`.
    A tenant's own has the one tenant alone.
    """
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "report": {
            **common(document),
            "view": document.view,
            "headline": document.headline(),
            "statement_sha256": document.sha256,
        },
    }
    tenants: dict[str, dict[str, Any]] = {}
    resources = []
    for record in records(document):
        mine = _filled(record)
        match record["record"]:
            case "statement":
                told["statement"] = mine
            case "resource":
                resources.append(mine)
            case "tenant":
                tenants[record["tenant"]] = {**mine, "parts": []}
            case _:
                del mine["tenant"]
                tenants[record["tenant"]]["parts"].append(mine)
    if document.tenant is None:
        told["resources"] = resources
    return {**told, "tenants": list(tenants.values())}


def _filled(record: Record) -> dict[str, Any]:
    return {name: text for name, text in record.items() if text and name != "record"}
