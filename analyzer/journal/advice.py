"""Advice with money: which tenants to move where, and whether one pays for a tier of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from analyzer.accounts.account import Account, from_json
from analyzer.cost.charges import charges
from analyzer.cost.settings import CostSettings
from analyzer.cost.usage import naive, read_resources
from analyzer.decisions.decide import decision_id
from analyzer.decisions.lifecycle import OPEN_DECISIONS
from analyzer.density.breakeven import REST_WEEKS, Breakeven, BreakevenSettings, Week, promotion
from analyzer.density.consolidation import Plan, Shelf, plan
from analyzer.density.demotion import Demotion, Pool, Stay, demotion, roomiest
from analyzer.density.fullness import WEEK
from analyzer.density.load import Floats, one_lost, p95
from analyzer.journal.records import DecisionFilter, decisions
from analyzer.journal.transitions import evidence_added, record
from analyzer.model import Action, Decision, DecisionState
from analyzer.notify.event import Links
from analyzer.store.database import Store
from analyzer.store.reader import Reader
from collector.model import Rejected, Rejection, ResourceId, TenantId

_HOUR_S = 3600
_WEEKS = 4
_MONTH_WEEKS = 365.2425 / 12 / 7
_MARK = "break-even of a"
_ALONE = 0.999
_EXPIRY = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Advice:
    """A break-even and the decision it speaks for: promote, demote, or none. `back` of a tenant
    with a tier of its own: whether it may give it up.
    """

    breakeven: Breakeven
    action: Action | None
    back: Demotion | None = None

    def sentences(self, currency: str, precision: int) -> tuple[str, ...]:
        """As evidence."""
        return (self.back or self.breakeven).sentences(currency, precision)


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
        row = reader.row("advice_tenant", tenant=tenant)
        if row and row[0] not in ("", "shared", None):
            back = _back(reader, tenant, row, now, settings, terms, resource)
            return Advice(back.breakeven, Action.DEMOTE if back.holds else None, back)
        weeks = _weeks(reader, tenant, resource, now, settings)
        if weeks is None:
            raise _idle(tenant)
        where, found = weeks
        known = read_resources(reader).get(where)
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
    return Advice(made, Action.PROMOTE if made.verdict else None)


def _idle(tenant: str) -> Rejected:
    return Rejected(
        Rejection.NOT_FOUND, f"{tenant[:80]!r} did nothing in the last four weeks", field="tenant"
    )


def _back(
    reader: Reader,
    tenant: str,
    row: tuple[object, ...],
    now: datetime,
    settings: CostSettings,
    terms: BreakevenSettings,
    resource: str = "",
) -> Demotion:
    """Out of its own tier into the roomiest pool of the kind. Raises Rejected(NOT_FOUND)."""
    isolation, pins, since = row
    start = now - _WEEKS * WEEK
    rows = reader.rows("advice_tenant_hours", tenant=tenant, start=naive(start), end=naive(now))
    if not rows:
        raise _idle(tenant)
    busy: dict[str, tuple[float, float]] = {}
    for where, _, mine, whole in rows:
        had = busy.get(where, (0.0, 0.0))
        busy[where] = (had[0] + mine, had[1] + whole)
    own = resource or _own(reader, tenant, busy)
    mine, whole = busy.get(own, (0.0, 0.0))
    if isolation == "database" and mine < _ALONE * whole:
        raise Rejected(
            Rejection.NOT_FOUND,
            f"{tenant[:80]!r} shares {own} with others: it has no database of its own to give up",
            field="resource",
        )
    load = _clock([(ts, mine) for where, ts, mine, _ in rows if where == own], start)
    prices = weekly_prices(settings, now)
    pool = roomiest(_pools(reader, own, load, str(isolation), start, now, prices))
    if pool is None:
        raise Rejected(
            Rejection.NOT_FOUND,
            f"there is no shared resource like {own} with known capacity and price to go back to",
            field="resource",
        )
    before = since if isinstance(since, datetime) else None
    caused = {} if before is None else _accounts(
        reader, tenant, _aware(before, now) - _WEEKS * WEEK, _aware(before, now), settings
    )  # fmt: skip
    charged = _accounts(reader, tenant, start, now, settings)
    found = demotion(
        Stay(
            tenant, own, str(isolation), load,
            own_price=prices.get(own) if isolation == "database" else None,
            caused=float(np.mean([c for c, _ in caused.values()])) if caused else None,
            charged=float(np.mean([c for _, c in charged.values()])) if charged else 0.0,
            pinned=bool(pins),
            weeks_since_move=float("inf") if before is None else (naive(now) - before) / WEEK,
        ),
        pool,
        settings=terms,
        precision=settings.precision,
    )  # fmt: skip
    if found is None:
        raise _idle(tenant)
    return found


def _own(reader: Reader, tenant: str, busy: Mapping[str, tuple[float, float]]) -> str:
    """What it has to itself, else what it uses most."""
    alone = {where for where, who in reader.rows("advice_alone") if who == tenant}
    return max(busy, key=lambda name: (name in alone, busy[name][0], name))


def _pools(
    reader: Reader,
    own: str,
    load: Floats,
    isolation: str,
    start: datetime,
    now: datetime,
    prices: Mapping[str, float],
) -> list[Pool]:
    """Shared resources of the kind, each without the tenant. A schema's pool is where it is."""
    resources = read_resources(reader)
    kind = resources[own].kind if own in resources else ""
    alone = {row[0] for row in reader.rows("advice_alone")}
    if isolation == "database":
        alone.add(own)
    hours: dict[str, list[tuple[datetime, float]]] = {}
    for name, ts, busy in reader.rows(
        "density_totals", hourly=True, window_s=_HOUR_S, start=naive(start), end=naive(now)
    ):
        hours.setdefault(name, []).append((ts, busy))
    same = [name for name, r in resources.items() if r.kind == kind and name not in alone]
    totals = {name: _clock(hours.get(name, []), start) for name in same}
    if own in totals:
        totals[own] = np.maximum(totals[own] - load, 0.0)
    lost = one_lost(totals, dict.fromkeys(totals, kind or "any"))
    found = []
    for name in [own] if isolation == "schema" else same:
        capacity, price = resources[name].capacity if name in resources else None, prices.get(name)
        if capacity and price and name in totals:
            found.append(Pool(name, capacity, price, totals[name], lost.get(name)))
    return found


def _clock(rows: Sequence[tuple[datetime, float]], start: datetime) -> Floats:
    """Hour by hour over four weeks; hours without usage are 0."""
    load = np.zeros(_WEEKS * WEEK // timedelta(hours=1))
    for ts, busy in rows:
        at = (ts - naive(start)) // timedelta(hours=1)
        load[min(max(at, 0), load.size - 1)] += busy
    return load


def _aware(moment: datetime, like: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if like.tzinfo else moment


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
            said = advice.sentences(settings.currency, settings.precision)
        found = evidence_added(store, one.id, said, now=now)
        if found is not None:
            changed.append(found)
    return changed


def propose_demotions(
    store: Store, *, now: datetime, settings: CostSettings, terms: BreakevenSettings,
    mode: str, links: Links,
) -> list[Decision]:  # fmt: skip
    """Propose that tenants give up tiers of their own that do not pay, evidence attached.

    Never of a tenant with pins, one that moved in the last eight weeks, one a lasting decision is
    open about, or one whose demotion was turned down in the last eight weeks.
    """
    rest = now - REST_WEEKS * WEEK
    with store.reader() as reader:
        names = [row[0] for row in reader.rows("advice_isolated", before=naive(rest))]
    made = []
    for tenant in names:
        if _spoken_for(store, TenantId(tenant), rest):
            continue
        try:
            back = breakeven_of(store, tenant, now=now, settings=settings, terms=terms).back
        except Rejected:
            continue
        if back is not None and back.holds:
            made.append(_demote(tenant, back, now, settings, mode))
    if made:
        with store.transaction() as tx:
            record(tx, (), made, now=now, links=links)
    return made


def _spoken_for(store: Store, tenant: TenantId, since: datetime) -> bool:
    lasting = (Action.MOVE, Action.PROMOTE, Action.DEMOTE)
    refused = (DecisionState.REJECTED, DecisionState.WITHDRAWN)
    for one in decisions(store, DecisionFilter(tenant=tenant)):
        if one.action in lasting and one.state in OPEN_DECISIONS:
            return True
        if one.action is Action.DEMOTE and one.state in refused and one.created_at >= since:
            return True
    return False


def _demote(
    tenant: str, back: Demotion, now: datetime, settings: CostSettings, mode: str
) -> Decision:
    resource = back.source
    return Decision(
        id=decision_id(f"demotion of {resource}", Action.DEMOTE, TenantId(tenant), now),
        action=Action.DEMOTE,
        state=DecisionState.PROPOSED,
        tenant=TenantId(tenant),
        resource=ResourceId(resource),
        incident=None,
        reason="performance",
        created_at=now,
        expires_at=now + _EXPIRY,
        target="shared",
        mode=mode,
        evidence=back.sentences(settings.currency, settings.precision),
    )


def _has(evidence: Sequence[str]) -> bool:
    return any(sentence.startswith(_MARK) for sentence in evidence)
