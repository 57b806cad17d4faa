"""Advice with money: which tenants to move where, and whether one pays for a tier of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from analyzer.accounts.account import Account, from_json
from analyzer.breakeven import Breakeven, BreakevenSettings, Week, demotion_holds, promotion
from analyzer.consolidation import Plan, Shelf, plan
from analyzer.cost.charges import charges
from analyzer.cost.settings import CostSettings
from analyzer.cost.usage import naive, read_resources
from analyzer.density import WEEK, Floats, p95
from analyzer.journal import DecisionFilter, decisions, evidence_added
from analyzer.model import Action, Decision, DecisionState
from analyzer.store import Reader, Store
from collector.model import Rejected, Rejection

_HOUR_S = 3600
_WEEKS = 4
_MONTH_WEEKS = 365.2425 / 12 / 7
_MARK = "break-even of a"


@dataclass(frozen=True, slots=True)
class Advice:
    """A break-even and the decision it speaks for: promote, demote, or none."""

    breakeven: Breakeven
    action: Action | None


def plan_now(store: Store, *, now: datetime, settings: CostSettings, most: int = 20) -> Plan:
    """The plan for the week before `now`; resources without known capacity are left alone."""
    with store.reader() as reader:
        series, _ = _series(reader, now - WEEK, now)
        prices = weekly_prices(settings, now)
        shelves = [
            Shelf(r.id, r.kind, r.capacity, _monthly(prices.get(r.id)))
            for r in read_resources(reader).values()
            if r.capacity
        ]
        pinned = frozenset(row[0] for row in reader.rows("advice_pinned"))
    return plan(shelves, series, pinned=pinned, most=most)


def weekly_prices(settings: CostSettings, now: datetime) -> dict[str, float]:
    """What each resource cost in the week before, in units of the currency."""
    found: dict[str, float] = {}
    for charge in charges(settings, now - WEEK, now):
        amount = charge.quanta * 10.0**-settings.scale
        found[charge.resource] = found.get(charge.resource, 0.0) + amount
    return found


def _monthly(weekly: float | None) -> float | None:
    return None if weekly is None else weekly * _MONTH_WEEKS


def _series(
    reader: Reader, start: datetime, end: datetime
) -> tuple[dict[str, dict[str, Floats]], list[datetime]]:
    """Resource to tenant to hourly load, on one clock; hours without usage are 0."""
    frame = reader.frame("advice_series", start=naive(start), end=naive(end))
    clock = sorted(frame["ts"].unique().to_list())
    index = {ts: at for at, ts in enumerate(clock)}
    found: dict[str, dict[str, Floats]] = {}
    for (resource, tenant), rows in frame.partition_by(
        "resource", "tenant", as_dict=True, include_key=False
    ).items():
        load = np.zeros(len(clock))
        load[[index[ts] for ts in rows["ts"]]] = rows["busy"].to_numpy()
        found.setdefault(str(resource), {})[str(tenant)] = load
    return found, clock


def breakeven_of(
    store: Store,
    tenant: str,
    *,
    now: datetime,
    settings: CostSettings,
    terms: BreakevenSettings,
    resource: str = "",
    tier: str = "database",
) -> Advice:
    """Of one tenant on its busiest resource (or the named one), over the last four weeks.

    Raises Rejected(NOT_FOUND) when it did nothing, or the resource has no capacity or no price.
    """
    with store.reader() as reader:
        weeks = _weeks(reader, tenant, resource, now, settings)
        if weeks is None:
            raise Rejected(
                Rejection.NOT_FOUND,
                f"{tenant[:80]!r} did nothing in the last four weeks",
                field="tenant",
            )
        where, found = weeks
        known = read_resources(reader).get(where)
        row = reader.row("advice_tenant", tenant=tenant)
    capacity = known.capacity if known else None
    price = weekly_prices(settings, now).get(where)
    if not capacity or not price:
        raise Rejected(
            Rejection.NOT_FOUND, f"{where} has no known capacity or no price", field="resource"
        )
    made = promotion(
        tenant, where, found, capacity=capacity, weekly_price=price, settings=terms, tier=tier,
        precision=settings.precision,
    )  # fmt: skip
    assert made is not None
    return Advice(made, _action(made, row, now, terms))


def _action(
    made: Breakeven,
    row: tuple[object, ...] | None,
    now: datetime,
    terms: BreakevenSettings,
) -> Action | None:
    isolation, pins, since = row if row else ("shared", 0, None)
    if isolation in ("", "shared", None):
        return Action.PROMOTE if made.verdict else None
    resting = (naive(now) - since) / WEEK if isinstance(since, datetime) else float("inf")
    holds = demotion_holds(
        made, fits=True, pinned=bool(pins), weeks_since_move=resting, kappa=terms.kappa
    )
    return Action.DEMOTE if holds else None


def _weeks(
    reader: Reader, tenant: str, resource: str, now: datetime, settings: CostSettings
) -> tuple[str, list[Week]] | None:
    """The tenant's busiest resource and its last four weeks there, oldest first."""
    start = now - _WEEKS * WEEK
    rows = reader.rows("advice_tenant_hours", tenant=tenant, start=naive(start), end=naive(now))
    if not rows:
        return None
    busy: dict[str, float] = {}
    for where, _, mine, _ in rows:
        busy[where] = busy.get(where, 0.0) + mine
    where = resource or max(busy, key=lambda name: (busy[name], name))
    money = _accounts(reader, tenant, start, now, settings)
    found = []
    for week in range(_WEEKS):
        begins = naive(start + week * WEEK)
        inside = [r for r in rows if r[0] == where and begins <= r[1] < begins + WEEK]
        if not inside:
            continue
        mine = np.asarray([r[2] for r in inside])
        whole = np.asarray([r[3] for r in inside])
        caused, charged = money.get(week, (0.0, 0.0))
        p99 = float(np.quantile(mine, 0.99, method="inverted_cdf"))
        found.append(Week(p99, p95(whole), p95(whole - mine), caused, charged))
    return (where, found) if found else None


def _accounts(
    reader: Reader, tenant: str, start: datetime, now: datetime, settings: CostSettings
) -> Mapping[int, tuple[float, float]]:
    """Index of the week before `now` to what the tenant caused and was charged then."""
    found = {}
    for (content,) in reader.rows("accounts_of_tenant", tenant=tenant):
        account: Account = from_json(content)
        middle = account.start + (account.end - account.start) / 2
        if start <= middle < now and account.currency == settings.currency:
            index = (middle - start) // WEEK
            found[index] = (float(account.caused.exact), float(account.columns.total.exact))
    return found


def attach(
    store: Store, *, now: datetime, settings: CostSettings, terms: BreakevenSettings
) -> list[Decision]:
    """Put the break-even under every open proposal to promote or demote that has none."""
    open_ = decisions(
        store, DecisionFilter(states=(DecisionState.PROPOSED, DecisionState.APPROVED))
    )
    changed = []
    for one in open_:
        if one.action not in (Action.PROMOTE, Action.DEMOTE) or _has(one.evidence):
            continue
        tier = one.target if one.target in ("schema", "database") else "database"
        try:
            advice = breakeven_of(
                store, one.tenant, now=now, settings=settings, terms=terms,
                resource=one.resource, tier=tier,
            )  # fmt: skip
        except Rejected as unknown:
            said: tuple[str, ...] = (f"{_MARK} {tier} of its own: not known, {unknown.detail}",)
        else:
            said = advice.breakeven.sentences(settings.currency, settings.precision)
        found = evidence_added(store, one.id, said, now=now)
        if found is not None:
            changed.append(found)
    return changed


def _has(evidence: Sequence[str]) -> bool:
    return any(sentence.startswith(_MARK) for sentence in evidence)
