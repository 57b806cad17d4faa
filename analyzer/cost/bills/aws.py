"""The native Cost and Usage Report of AWS, Parquet (line_item_...) or CSV (lineItem/...)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from analyzer.cost.bills.cells import Row, amount, first, instant, text
from analyzer.cost.bills.line import Line
from analyzer.cost.bills.rules import Face

NAME = "aws-cur"
NEEDED = ("line_item_unblended_cost", "line_item_usage_start_date", "line_item_usage_end_date")

READ = frozenset({
    *NEEDED, "bill_billing_period_start_date", "bill_billing_period_end_date",
    "bill_payer_account_id", "line_item_currency_code", "line_item_line_item_type",
    "line_item_usage_account_id", "line_item_product_code", "line_item_usage_type",
    "line_item_resource_id", "line_item_line_item_description", "product_product_name",
    "product_sku", "reservation_effective_cost", "reservation_reservation_a_r_n",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee", "savings_plan_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date", "savings_plan_used_commitment",
})  # fmt: skip

_CATEGORIES: Mapping[str, str] = {
    "Tax": "Tax", "Credit": "Credit", "Refund": "Credit", "EdpDiscount": "Credit",
    "BundledDiscount": "Credit", "PrivateRateDiscount": "Credit", "SppDiscount": "Credit",
    "Fee": "Purchase", "RIFee": "Purchase", "SavingsPlanUpfrontFee": "Purchase",
    "SavingsPlanRecurringFee": "Purchase", "SavingsPlanNegation": "Adjustment",
}  # fmt: skip
_TAG = re.compile(r"resource_tags?_(?:user_)?(.+)")


def detects(header: Collection[str]) -> bool:
    return NEEDED[0] in {column(name) for name in header}


def column(name: str) -> str:
    """What a column is called here: `lineItem/UnblendedCost` is `line_item_unblended_cost`; empty
    for one that is not read.
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    plain = re.sub(r"[/:\s]+", "_", spaced).lower()
    return plain if plain in READ or _TAG.fullmatch(plain) else ""


def version(_: Collection[str]) -> str:
    return ""


def read(rows: Sequence[tuple[int, Row]], currency: str) -> list[Line | ValueError]:
    return [_line(number, row, currency) for number, row in rows]


def _line(number: int, row: Row, currency: str) -> Line | ValueError:
    try:
        start = instant(row, "line_item_usage_start_date")
        end = instant(row, "line_item_usage_end_date")
        since = instant(row, "bill_billing_period_start_date") or start
        until = instant(row, "bill_billing_period_end_date") or end
        billed = amount(row, "line_item_unblended_cost")
        effective = _effective(row, billed)
    except ValueError as bad:
        return bad
    code = text(row, "line_item_currency_code") or currency
    if start is None or end is None or since is None or until is None:
        return ValueError("line_item_usage_start_date or _end_date is empty")
    if not code:
        return ValueError("line_item_currency_code is empty")
    kind = text(row, "line_item_line_item_type")
    face = Face(
        provider="AWS",
        subaccount=text(row, "line_item_usage_account_id"),
        service=first(row, "product_product_name", "line_item_product_code"),
        sku=first(row, "product_sku", "line_item_usage_type"),
        resource_id=text(row, "line_item_resource_id"),
        category=_CATEGORIES.get(kind, "Usage"),
        tags=_tags(row),
    )
    return Line(
        row=number, face=face, account=text(row, "bill_payer_account_id"), currency=code,
        billed=billed, effective=effective, start=start, end=end, since=since, until=until,
        description=first(row, "line_item_line_item_description", "line_item_usage_type"),
    )  # fmt: skip


def _effective(row: Row, billed: Decimal | None) -> Decimal | None:
    """Amortised cost, by the kind of the line (AWS, "Understanding your reservations" and "Savings
    Plans" in the Cost and Usage Report guide).
    """
    kind = text(row, "line_item_line_item_type")
    if kind == "DiscountedUsage":
        return amount(row, "reservation_effective_cost")
    if kind == "SavingsPlanCoveredUsage":
        return amount(row, "savings_plan_savings_plan_effective_cost")
    if kind == "RIFee":
        unused = amount(row, "reservation_unused_amortized_upfront_fee_for_billing_period")
        return (unused or Decimal(0)) + (amount(row, "reservation_unused_recurring_fee") or 0)
    if kind == "SavingsPlanRecurringFee":
        owed = amount(row, "savings_plan_total_commitment_to_date") or Decimal(0)
        return owed - (amount(row, "savings_plan_used_commitment") or Decimal(0))
    if kind in ("SavingsPlanNegation", "SavingsPlanUpfrontFee"):
        return Decimal(0)
    if kind == "Fee" and text(row, "reservation_reservation_a_r_n"):
        return Decimal(0)
    return billed


def _tags(row: Row) -> tuple[tuple[str, str], ...]:
    found = [
        (name, value) for name, value in row.items() if value and name.startswith("resource_t")
    ]
    named = [(_TAG.fullmatch(name), value[:500]) for name, value in found]
    return tuple(sorted((match[1], value) for match, value in named if match))
