"""The report as one tidy CSV: every row says in `record` what it is about."""

from __future__ import annotations

import csv
import io

from analyzer.reports.document import Document
from analyzer.reports.records import common, records

COLUMNS = (
    "record", "week", "version", "status", "zone", "start", "end", "hours", "currency", "decimals",
    "tenant", "name", "plan", "resource", "kind", "bill", "allocated", "direct", "own_idle", "idle",
    "shared", "credit", "unattributed", "total", "revenue", "margin", "before", "change",
    "coverage",
    "counted", "operations", "per_1000_direct", "per_1000_loaded", "by_price", "by_usage",
    "by_neighbours", "by_policy", "by_moves", "by_restatement", "driver", "unit", "quantity",
    "share", "unit_price", "requests", "per_1000_requests_direct", "per_1000_requests", "jobs",
    "per_1000_jobs_direct", "per_1000_jobs", "gb_months", "per_gb_month_direct", "per_gb_month",
    "forecast", "forecast_low", "forecast_high", "forecast_error", "unusual", "harmed", "policy",
)  # fmt: skip

_PLACES = {name: place for place, name in enumerate(COLUMNS)}
_WORDS = ("tenant", "name", "plan", "resource")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def render_csv(document: Document) -> bytes:
    """Records `statement`, `resource`, `tenant`, `part`; for a tenant only its own two.

    Every decimal is kept, however many the currency has; `decimals` says how many.
    """
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    blank = common(document)
    empty = [blank.get(name, "") for name in COLUMNS]
    for row in records(document):
        line = empty.copy()
        for name, text in row.items():
            line[_PLACES[name]] = inert(text) if name in _WORDS else text
        writer.writerow(line)
    out.flush()
    return data.getvalue()


def inert(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
