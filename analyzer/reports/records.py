"""The report as flat records of text, for formats that programs read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from analyzer.accounts.account import Account, Columns, Item
from analyzer.accounts.make import paid
from analyzer.cost.policy_version import policy_version
from analyzer.cost.statement import Part, ResourceLine, Statement, TenantLine
from analyzer.reports.document import Document

Record = dict[str, str]


def common(document: Document) -> Record:
    """What is the same of every record: which report it is."""
    s = document.statement
    return {
        "week": s.week,
        "version": str(document.version),
        "status": s.status,
        "zone": s.terms.zone,
        "start": s.start.isoformat().replace("+00:00", "Z"),
        "end": s.end.isoformat().replace("+00:00", "Z"),
        "hours": str(s.hours),
        "currency": s.terms.currency,
        "decimals": str(s.scale),
        "policy": policy_version(s.terms),
    }


def records(document: Document) -> Iterator[Record]:
    """`statement`, `resource`, `tenant`, `part`, as `record` says; for a tenant only its own two.
    Every decimal is kept, however many the currency has.
    """
    s = document.statement
    if document.line is not None:
        mine = document.account
        yield _tenant(s, document.line, mine, facing=True)
        yield from _parts(s, document.line, mine, facing=True)
        return
    yield _totals(s)
    for resource in s.resources:
        yield _resource(s, resource)
    for line, account in _with_accounts(document):
        yield _tenant(s, line, account, facing=False)
    for line, account in _with_accounts(document):
        yield from _parts(s, line, account, facing=False)


def _with_accounts(document: Document) -> Iterator[tuple[TenantLine, Account | None]]:
    """Each line with its account. They are in one order, so one is held at a time; those that are
    not, are kept until their line comes.
    """
    coming, early = iter(document.accounts), dict[str, Account]()
    for line in document.statement.tenants:
        mine = early.pop(line.tenant, None)
        while mine is None and (account := next(coming, None)) is not None:
            if account.tenant == line.tenant:
                mine = account
            else:
                early[account.tenant] = account
        yield line, mine


def _totals(s: Statement) -> Record:
    return {
        "record": "statement",
        "bill": s.money(s.bill),
        "allocated": s.money(s.allocated),
        "idle": s.money(s.idle),
        "unattributed": s.money(s.unattributed),
        "coverage": _ratio(s.coverage),
    }


def _resource(s: Statement, line: ResourceLine) -> Record:
    return {
        "record": "resource",
        "resource": line.resource,
        "kind": line.kind,
        "bill": s.money(line.bill),
        "allocated": s.money(line.allocated),
        "idle": s.money(line.idle),
        "unattributed": s.money(line.unattributed),
        "coverage": _ratio(line.coverage),
    }


def _tenant(s: Statement, line: TenantLine, account: Account | None, *, facing: bool) -> Record:
    row = {
        "record": "tenant",
        "tenant": line.tenant,
        "name": line.name,
        "plan": line.plan,
        **_paid(s, line),
        "before": "" if line.before is None else s.money(line.before),
        "change": _ratio(line.change),
    }
    row |= _units(s, line)
    if line.why is not None:
        row |= {f"by_{cause}": s.money(amount) for cause, amount in asdict(line.why).items()}
    if account is not None:
        row |= _told(account)
    if not facing:
        row["revenue"] = "" if line.revenue is None else s.money(line.revenue)
        row["margin"] = "" if line.margin is None else s.money(line.margin)
    return row


def _told(account: Account) -> Record:
    """Unit economics, forecast, what is unusual, what incidents cost."""
    row = {"harmed": account.harmed.exact}
    names = {"requests": "per_1000_requests", "jobs": "per_1000_jobs", "storage": "per_gb_month"}
    for unit in account.units:
        name = names[unit.what]
        row["gb_months" if unit.what == "storage" else unit.what] = unit.quantity
        row[f"{name}_direct"], row[name] = unit.direct or "", unit.loaded or ""
    if account.anomaly is not None:
        row["unusual"] = account.anomaly.state
    if account.forecast is not None:
        told = account.forecast
        row |= {"forecast": told.amount, "forecast_low": told.low, "forecast_high": told.high}
        row["forecast_error"] = _ratio(told.error)
    return row


def _units(s: Statement, line: TenantLine) -> Record:
    if not s.counted:
        return {}
    return {
        "counted": s.counted,
        "operations": str(line.operations),
        "per_1000_direct": s.per_thousand(line.direct, line.operations) or "",
        "per_1000_loaded": s.per_thousand(line.total, line.operations) or "",
    }


def _parts(
    s: Statement, line: TenantLine, account: Account | None, *, facing: bool
) -> list[Record]:
    items = {item.resource: item for item in account.items} if account else {}
    name = line.tenant
    return [
        {
            "record": "part",
            "tenant": name,
            "resource": part.resource,
            **(_written(item.columns) if item else _paid(s, part)),
            **_driven(item, facing=facing),
        }
        for part, item in ((part, items.get(part.resource)) for part in line.parts)
    ]


def _driven(item: Item | None, *, facing: bool) -> Record:
    """A tenant is not told its share: with the quantity it tells what all others use."""
    if item is None:
        return {}
    row = {
        "driver": item.driver,
        "unit": item.unit,
        "quantity": item.quantity,
        "unit_price": item.unit_price or "",
    }
    return row if facing else row | {"share": item.share or ""}


def _written(of: Columns) -> Record:
    """The same amounts as `_paid`, which the account has in words already."""
    return {
        "direct": of.direct.exact,
        "own_idle": of.own_idle.exact,
        "idle": of.pool_idle.exact,
        "shared": of.shared.exact,
        "credit": of.credit.exact,
        "total": of.total.exact,
    }


def _paid(s: Statement, of: Part | TenantLine) -> Record:
    names = ("direct", "own_idle", "idle", "shared", "credit", "total")
    return dict(zip(names, map(s.money, paid(of)), strict=True))


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
