"""FOCUS 1.0 to 1.4 (FinOps Open Cost and Usage Specification)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from analyzer.cost.bills.cells import Row, amount, first, instant, tags, text
from analyzer.cost.bills.line import Line
from analyzer.cost.bills.rules import Face

NAME = "focus"
NEEDED = ("BilledCost", "ChargePeriodStart", "ChargePeriodEnd")

READ = frozenset({
    *NEEDED, "EffectiveCost", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd",
    "ProviderName", "ServiceProviderName", "InvoiceIssuerName", "SubAccountId", "ServiceName",
    "SkuId", "ResourceId", "ResourceName", "ChargeCategory", "Tags", "BillingAccountId",
    "ChargeClass", "ChargeDescription", "PricingCurrency",
})  # fmt: skip

# Columns a version brought; a file may leave any of them out, so the newest that shows counts.
_SINCE = (
    ("1.3", {"ServiceProviderName", "HostProviderName", "AllocatedMethodId", "ContractApplied"}),
    ("1.2", {"InvoiceId", "BillingAccountType", "SubAccountType", "PricingCurrency",
             "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost"}),
    ("1.1", {"CapacityReservationId", "CommitmentDiscountQuantity", "CommitmentDiscountUnit",
             "ServiceSubcategory", "SkuMeter", "SkuPriceDetails"}),
)  # fmt: skip


def detects(header: Collection[str]) -> bool:
    return {"BilledCost", "ChargePeriodStart"} <= set(header)


def column(name: str) -> str:
    """What a column is called here; empty for one that is not read."""
    return name if name in READ else ""


def version(header: Collection[str]) -> str:
    """1.4 took ProviderName out; before it, the newest version whose columns show."""
    names = set(header)
    if "ServiceProviderName" in names and "ProviderName" not in names:
        return "1.4"
    return next((number for number, columns in _SINCE if columns & names), "1.0")


def read(rows: Sequence[tuple[int, Row]], currency: str) -> list[Line | ValueError]:
    return [_line(number, row, currency) for number, row in rows]


def _line(number: int, row: Row, currency: str) -> Line | ValueError:
    try:
        start, end = instant(row, "ChargePeriodStart"), instant(row, "ChargePeriodEnd")
        since = instant(row, "BillingPeriodStart") or start
        until = instant(row, "BillingPeriodEnd") or end
        billed = amount(row, "BilledCost")
        effective = amount(row, "EffectiveCost") if "EffectiveCost" in row else None
    except ValueError as bad:
        return bad
    code = text(row, "BillingCurrency") or currency
    if start is None or end is None or since is None or until is None:
        return ValueError("ChargePeriodStart or ChargePeriodEnd is empty")
    if not code:
        return ValueError("BillingCurrency is empty")
    face = Face(
        provider=first(row, "ProviderName", "ServiceProviderName", "InvoiceIssuerName"),
        subaccount=text(row, "SubAccountId"),
        service=text(row, "ServiceName"),
        sku=text(row, "SkuId"),
        resource_id=text(row, "ResourceId"),
        resource_name=text(row, "ResourceName"),
        category=text(row, "ChargeCategory") or "Usage",
        tags=tags(text(row, "Tags")),
    )
    return Line(
        row=number, face=face, account=text(row, "BillingAccountId"), currency=code,
        billed=billed, effective=effective, start=start, end=end, since=since, until=until,
        charge_class=text(row, "ChargeClass"), description=text(row, "ChargeDescription"),
        pricing_currency=text(row, "PricingCurrency"),
    )  # fmt: skip
