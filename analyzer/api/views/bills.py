"""Bills as the API tells them. Amounts are decimal strings with every decimal of the bill."""

from __future__ import annotations

from datetime import datetime

from analyzer.api.views.base import View


class BillTotal(View):
    """Of one currency: what is invoiced, and what is amortised."""

    currency: str
    billed: str
    effective: str


class BillMatch(View):
    """Lines of one resource; with `resource` empty, of a service that no rule fits."""

    resource: str
    service: str
    lines: int
    currency: str
    billed: str
    effective: str


class BillBadRow(View):
    """A row that was kept aside."""

    part: str
    row: int
    what: str
    text: str


class BillView(View):
    """A bill. `counts`: for how many of its billing `periods` it is the one that counts."""

    id: str  # empty in a preview
    shape: str  # focus-1.0 to focus-1.4, aws-cur, azure-ea
    name: str
    lines: int
    bad: int
    since: datetime | None
    until: datetime | None
    periods: int
    counts: int
    state: str  # preview | counted | partly counted | replaced | withdrawn
    imported_at: datetime | None
    sha256: str
    totals: list[BillTotal]
    notes: list[str]
    known: bool = False  # it was imported before; nothing was written


class BillDetail(BillView):
    """With what the rules make of it, unmatched last, and the first rows that were kept aside."""

    matches: list[BillMatch]
    bad_rows: list[BillBadRow]


class BillLineView(View):
    """A line and the resource the rules give it to; empty: none."""

    row: int
    resource: str
    provider: str
    account: str
    subaccount: str
    service: str
    sku: str
    resource_id: str
    resource_name: str
    category: str
    charge_class: str
    description: str
    currency: str
    billed: str | None
    effective: str | None
    start: datetime
    end: datetime


class AdjustmentView(View):
    """What a bill said of a resource against the price sheet, in one version of a week."""

    week: str
    version: int
    resource: str
    currency: str
    estimate: str
    billed: str
    adjustment: str
    at: datetime
