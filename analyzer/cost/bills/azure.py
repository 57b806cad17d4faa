"""The native cost export of an Azure Enterprise Agreement: actual or amortised cost, CSV."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from analyzer.cost.bills.cells import Row, amount, first, instant, tags, text
from analyzer.cost.bills.line import Line
from analyzer.cost.bills.rules import Face

NAME = "azure-ea"
NEEDED = ("Date", "ChargeType", "MeterCategory")
_COSTS = ("CostInBillingCurrency", "Cost")
READ = frozenset({
    *NEEDED, *_COSTS, "PricingModel", "BillingPeriodStartDate", "BillingPeriodEndDate",
    "BillingCurrency", "BillingCurrencyCode", "SubscriptionId", "PartNumber", "MeterId",
    "ResourceId", "ResourceName", "Tags", "BillingAccountId", "Product", "MeterName",
})  # fmt: skip
_COMMITTED = ("Reservation", "SavingsPlan")
_CATEGORIES: Mapping[str, str] = {
    "Usage": "Usage", "Purchase": "Purchase", "Refund": "Credit", "Tax": "Tax",
    "UnusedReservation": "Usage", "UnusedSavingsPlan": "Usage",
    "RoundingAdjustment": "Adjustment", "Adjustment": "Adjustment",
}  # fmt: skip


def detects(header: Collection[str]) -> bool:
    return set(NEEDED) <= set(header) and bool(set(_COSTS) & set(header))


def column(name: str) -> str:
    """What a column is called here; empty for one that is not read."""
    return name if name in READ else ""


def version(_: Collection[str]) -> str:
    return ""


def read(rows: Sequence[tuple[int, Row]], currency: str) -> list[Line | ValueError]:
    """The file has one cost column; which of the two costs it is shows in its rows: only amortised
    files charge for committed usage or for what of a commitment was not used, only actual ones for
    the purchase. Without commitments both costs are the same.
    """
    basis = _basis([row for _, row in rows])
    found = []
    for number, row in rows:
        line = _line(number, row, currency)
        if isinstance(line, Line) and basis == "actual":
            line = replace(line, effective=None)
        if isinstance(line, Line) and basis == "amortized":
            line = replace(line, billed=None)
        found.append(line)
    return found


def _basis(rows: Sequence[Row]) -> str:
    kinds = {text(row, "ChargeType") for row in rows}
    if kinds & {"UnusedReservation", "UnusedSavingsPlan"}:
        return "amortized"
    committed = [row for row in rows if text(row, "PricingModel") in _COMMITTED]
    if any(text(row, "ChargeType") == "Purchase" for row in committed):
        return "actual"
    usage = [_cost(row) for row in committed if text(row, "ChargeType") == "Usage"]
    if usage:
        return "amortized" if any(usage) else "actual"
    return "both"


def _cost(row: Row) -> Decimal:
    try:
        return _amount(row) or Decimal(0)
    except ValueError:
        return Decimal(0)


def _amount(row: Row) -> Decimal | None:
    return amount(row, _COSTS[0]) if _COSTS[0] in row else amount(row, _COSTS[1])


def _line(number: int, row: Row, currency: str) -> Line | ValueError:
    try:
        day, cost = instant(row, "Date"), _amount(row)
        since = instant(row, "BillingPeriodStartDate")
        last = instant(row, "BillingPeriodEndDate")
    except ValueError as bad:
        return bad
    code = first(row, "BillingCurrency", "BillingCurrencyCode") or currency
    if day is None:
        return ValueError("Date is empty")
    if not code:
        return ValueError("BillingCurrency is empty")
    face = Face(
        provider="Microsoft",
        subaccount=text(row, "SubscriptionId"),
        service=text(row, "MeterCategory"),
        sku=first(row, "PartNumber", "MeterId"),
        resource_id=text(row, "ResourceId"),
        resource_name=text(row, "ResourceName"),
        category=_CATEGORIES.get(text(row, "ChargeType"), "Usage"),
        tags=tags(text(row, "Tags")),
    )
    return Line(
        row=number, face=face, account=text(row, "BillingAccountId"), currency=code,
        billed=cost, effective=cost, start=day, end=_after(day), since=since or day,
        until=_after(last) if last else _after(day),
        description=first(row, "ChargeType", "Product") + ": " + text(row, "MeterName"),
    )  # fmt: skip


def _after(day: datetime) -> datetime:
    """Azure writes the last day of a period, not the first after it."""
    return day + timedelta(days=1)
