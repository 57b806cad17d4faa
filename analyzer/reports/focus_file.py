"""The report in the shape of FOCUS 1.2 with the columns of 1.3 for allocated cost.

One row a holder (tenant, idle, unattributed) and origin charge, which is a resource's week. The
quantity is what is split: one unit is the smallest amount of the statement, so that every row is
unit price x quantity, prices equal those of the origin, and costs and ratios sum to it exactly.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from analyzer.cost.statement import ResourceLine, Statement, sha256
from analyzer.cost.weeks import week_of
from analyzer.reports.csv_file import inert
from analyzer.reports.document import Document

ISSUER = "Partywall"
METHOD_VERSION = 1

COLUMNS = (
    "AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName",
    "AllocatedTags", "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName",
    "BillingAccountType", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd",
    "ChargePeriodStart", "CommitmentDiscountStatus", "ConsumedQuantity", "ConsumedUnit",
    "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "HostProviderName", "InvoiceId",
    "InvoiceIssuerName",
    "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName",
    "ResourceType", "ServiceCategory", "ServiceName", "ServiceProviderName", "ServiceSubcategory",
    "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName",
    "SubAccountType", "Tags",
    "x_CreditCost", "x_DirectCost", "x_IdleCost", "x_OwnIdleCost", "x_SharedCost",
    "x_SplitOriginCost", "x_SplitOriginId",
    "x_Status", "x_Version", "x_Week",
)  # fmt: skip

_ISSUED = (
    "HostProviderName", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceProviderName",
)  # fmt: skip
_UNIT = "Units"
_RATIO_DECIMALS = 12
_SERVICES = {
    "database": ("Databases", "Relational Databases"),
    "cache": ("Databases", "Caching"),
    "queue": ("Integration", "Messaging"),
    "compute": ("Compute", "Other (Compute)"),
}

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Share:
    """Who got which part of an origin charge; `holder` is unique in it, amounts in quanta."""

    holder: str
    name: str
    direct: int
    idle: int
    shared: int
    tenant: str = ""
    plan: str = ""
    ratio: str = ""
    own: int = 0
    credit: int = 0

    @property
    def total(self) -> int:
        return self.direct + self.own + self.idle + self.shared + self.credit


def render_focus(document: Document) -> bytes:
    """CSV with every decimal kept. A tenant gets its own rows, without ratio and origin cost: the
    two would tell what everybody else pays.
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    old = document.corrects
    writer.writerows(
        _issued(document, _common(document)) if old is None else _corrected(document, old)
    )
    return out.getvalue().encode()


def _issued(
    document: Document, common: Row, resources: Collection[str] | None = None
) -> Iterator[Row]:
    """Every row of a statement, or those of some resources."""
    shares = _shares(document.statement)
    for line in document.statement.resources:
        if resources is None or line.resource in resources:
            origin = common | _origin(document, line)
            for share in _with_ratios(shares.get(line.resource, []), line):
                if document.tenant in (None, share.tenant or None):
                    yield origin | _row(document, line, share)


def _corrected(document: Document, old: Statement) -> Iterator[Row]:
    """What was issued is reversed and written anew, for each resource that changed: the charge
    period stays that of the week, the billing period is the open one (FOCUS, CorrectionHandling).
    """
    s = document.statement
    changed = _changed(old, s)
    open_week = week_of(document.issued_at or s.end, s.terms.zone)
    common = _common(document) | {
        "BillingPeriodStart": _instant(open_week.start),
        "BillingPeriodEnd": _instant(open_week.end),
        "ChargeClass": "Correction",
    }
    number = document.version
    for row in _issued(replace(document, statement=old), common, changed):
        yield _named(_reversed(row), f"reversal-of-v{number - 1}")
    for row in _issued(document, common, changed):
        yield _named(row, f"v{number}")


def _changed(old: Statement, new: Statement) -> set[str]:
    """Resources of which anybody pays something else, or who is somebody else."""
    before, after = ({n: _told(s, rows) for n, rows in _shares(s).items()} for s in (old, new))
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _told(s: Statement, shares: Sequence[Share]) -> set[tuple[str, Decimal]]:
    return {(share.holder, Decimal(s.money(share.total))) for share in shares}


def _reversed(row: Row) -> Row:
    """The row with every amount of the other sign."""
    return row | {
        name: value[1:] if value.startswith("-") else f"-{value}"
        for name, value in row.items()
        if name.endswith(("Cost", "Quantity")) and value.strip("0.")
    }


def _named(row: Row, version: str) -> Row:
    """Groups of one origin stay apart from those of other versions."""
    return row | {
        "x_SplitOriginId": f"{row['x_SplitOriginId']}/{version}",
        "ChargeDescription": f"{row['ChargeDescription']} ({version})",
    }


def ratios(amounts: Sequence[int], total: int) -> list[str]:
    """`amounts` over their sum `total` as decimals that sum to 1 exactly; empty texts for 0."""
    if not total:
        return [""] * len(amounts)
    one = 10**_RATIO_DECIMALS
    parts = [divmod(amount * one, total) for amount in amounts]
    left = one - sum(base for base, _ in parts)
    ranked = sorted(range(len(parts)), key=lambda i: (-abs(parts[i][1]), i))
    lucky = set(ranked[:left])
    return [_ratio(base + (i in lucky)) for i, (base, _) in enumerate(parts)]


def method_id(statement: Statement, resource: str) -> str:
    """The documented method (docs/concepts/allocation.md) that split a resource."""
    terms = statement.terms
    used = sorted(
        {
            f"{p.kind}-{p.idle or terms.idle}" if p.kind == "capacity" else p.kind
            for p in terms.prices
            if p.resource == resource
        }
    )
    return f"partywall-{'+'.join(used)}-{METHOD_VERSION}"


def _ratio(parts: int) -> str:
    whole, rest = divmod(abs(parts), 10**_RATIO_DECIMALS)
    digits = f"{whole}.{rest:0{_RATIO_DECIMALS}d}".rstrip("0").rstrip(".")
    return f"-{digits}" if parts < 0 else digits


def _shares(s: Statement) -> dict[str, list[Share]]:
    found: dict[str, list[Share]] = {}
    for line in s.tenants:
        for part in line.parts:
            found.setdefault(part.resource, []).append(
                Share(
                    f"tenant/{line.tenant}", line.name or line.tenant, part.direct - part.own_idle,
                    part.idle, part.shared, line.tenant, line.plan, own=part.own_idle,
                    credit=part.credit,
                )
            )  # fmt: skip
    for kept in s.resources:
        rows = found.setdefault(kept.resource, [])
        if kept.idle:
            rows.append(Share("idle", "Idle", 0, kept.idle, 0))
        if kept.unattributed:
            rows.append(Share("unattributed", "Unattributed", kept.unattributed, 0, 0))
    return found


def _with_ratios(shares: Sequence[Share], line: ResourceLine) -> Iterator[Share]:
    parts = ratios([share.total for share in shares], line.bill)
    for share, ratio in zip(shares, parts, strict=True):
        yield replace(share, ratio=ratio)


def _common(document: Document) -> Row:
    s = document.statement
    start, end = _instant(s.start), _instant(s.end)
    return {
        "BillingAccountId": "partywall",
        "BillingAccountName": "Platform",
        "BillingAccountType": "Account",
        "BillingCurrency": s.terms.currency,
        "BillingPeriodEnd": end,
        "BillingPeriodStart": start,
        "ChargePeriodEnd": end,
        "ChargePeriodStart": start,
        "InvoiceId": f"{s.week}-v{document.version}",
        "x_Status": s.status,
        "x_Version": str(document.version),
        "x_Week": s.week,
    } | dict.fromkeys(_ISSUED, ISSUER)


def _origin(document: Document, line: ResourceLine) -> Row:
    s = document.statement
    service, sub = _SERVICES.get(line.kind, ("Other", "Other (Other)"))
    name = inert(line.resource)
    row = {
        "AllocatedMethodId": method_id(s, line.resource),
        "ChargeCategory": "Usage" if line.bill >= 0 else "Credit",
        "ChargeFrequency": "Usage-Based" if line.bill >= 0 else "Recurring",
        "ResourceId": name,
        "ResourceName": name,
        "ResourceType": line.kind or "resource",
        "ServiceCategory": service,
        "ServiceName": line.kind or "other",
        "ServiceSubcategory": sub,
        "x_SplitOriginId": f"{s.week}/{line.resource}",
    }
    if document.tenant is None:
        row["x_SplitOriginCost"] = s.money(line.bill)
    return row | (_priced(s, line) if line.bill >= 0 else {})


def _priced(s: Statement, line: ResourceLine) -> Row:
    prices = [p for p in s.terms.prices if p.resource == line.resource]
    unit = s.money(1)
    return {
        "ContractedUnitPrice": unit,
        "ListUnitPrice": unit,
        "PricingCategory": "Standard",
        "PricingUnit": _UNIT,
        "ConsumedUnit": _UNIT,
        "SkuId": f"sku-{sha256(line.resource)[:16]}",
        "SkuMeter": prices[0].kind if prices else "",
        "SkuPriceId": f"price-{sha256(repr(prices))[:16]}",
    }


def _row(document: Document, line: ResourceLine, share: Share) -> Row:
    s = document.statement
    cost, name = s.money(share.total), inert(share.name)
    row = {
        "AllocatedResourceId": share.holder,
        "AllocatedResourceName": name,
        "ChargeDescription": f"{s.week} {line.resource}: {share.holder}",
        "x_CreditCost": s.money(share.credit),
        "x_DirectCost": s.money(share.direct),
        "x_IdleCost": s.money(share.idle),
        "x_OwnIdleCost": s.money(share.own),
        "x_SharedCost": s.money(share.shared),
    }
    row |= dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost)
    if line.bill >= 0:
        row |= dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), f"{share.total}.0")
    if document.tenant is None and share.ratio:
        row["AllocatedMethodDetails"] = _details(share)
    return row | _account(share, name)


def _account(share: Share, name: str) -> Row:
    if not share.tenant:
        return {}
    tags = json.dumps({"plan": share.plan, "tenant": share.tenant})
    return {
        "AllocatedTags": tags,
        "SubAccountId": share.holder,
        "SubAccountName": name,
        "SubAccountType": "Tenant",
    }


def _details(share: Share) -> str:
    """JSON by hand, because a ratio is an exact decimal and not a float."""
    return (
        f'{{"Elements":[{{"AllocatedRatio":{share.ratio},"UsageUnit":"{_UNIT}",'
        f'"UsageQuantity":{share.total}.0}}]}}'
    )


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
