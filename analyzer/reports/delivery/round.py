"""One round: plan what is missing, claim what is due, send it, write down what became of it.

A line is claimed with a lease before it is sent and settled after. Who dies in between leaves a
lease that runs out, and the same report goes out again under the same name: files are replaced by
the same bytes, S3 says it has them, a mail has the same Message-ID.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from obstore.exceptions import BaseError

from analyzer.accounts.known import stored_accounts
from analyzer.cost.ledger import stored
from analyzer.cost.shown import shown_amount
from analyzer.cost.usage import naive
from analyzer.density.fullness import Density
from analyzer.reports.delivery.channels import Deliver, DifferentBytesError, UndeliverableError
from analyzer.reports.delivery.parcel import parcel
from analyzer.reports.delivery.plan import DIGEST, HARDLY, Ledger, Line, Version, planned
from analyzer.reports.delivery.settings import DeliverySettings
from analyzer.reports.document import Document, document_of, for_view
from analyzer.store.database import Store
from analyzer.store.reader import Reader, Transaction
from collector.model import Rejected, TenantId

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
_TRIES = 12
_ALSO = 60
_FIRST_RETRY = timedelta(minutes=1)
_LONGEST_RETRY = timedelta(hours=6)

Rooms = Callable[[], Sequence[Density]]
Alarm = Callable[[Transaction, Line, str], object]


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did; `deliveries` counts those that are configured."""

    deliveries: int = 0
    planned: int = 0
    sent: tuple[Line, ...] = ()
    failed: tuple[tuple[Line, str], ...] = ()


def deliver_reports(
    store: Store,
    deliveries: Sequence[DeliverySettings],
    channels: Mapping[str, Deliver],
    *,
    now: datetime,
    holder: str,
    rooms: Rooms = tuple,
    alarm: Alarm | None = None,
    chance: Callable[[], float] = random.random,
) -> Round:
    """Bring everything due to everybody, oldest week first; one that fails holds up only later
    weeks for the same recipient. `holder` names this instance in the lease.
    """
    by_name = {one.name: one for one in deliveries}
    entered = _plan(store, deliveries, now)
    sent, failed = [], []
    stuck: set[tuple[str, str, str]] = set()
    for line in _open(store, now, by_name):
        lane = (line.delivery, line.tenant, line.recipient)
        if lane in stuck or not _claim(store, line, now, holder):
            stuck.add(lane)
            continue
        delivery = by_name[line.delivery]
        try:
            document = _document(store, line, delivery, rooms)
            channels[delivery.channel](parcel(document, delivery.written), delivery, line.recipient)
        except (OSError, Rejected, UndeliverableError, BaseError, ValueError) as wrong:
            stuck.add(lane)
            failed.append((line, str(wrong)))
            _failed(store, line, wrong, now, holder, alarm, chance)
        else:
            sent.append(line)
            _settle(store, line, "sent", holder, sent_at=now)
    return Round(len(deliveries), entered, tuple(sent), tuple(failed))


def _plan(store: Store, deliveries: Sequence[DeliverySettings], now: datetime) -> int:
    if not deliveries:
        return 0
    with store.transaction() as tx:
        missing = planned(deliveries, read_ledger(tx, deliveries))
        for one in missing:
            tx.execute(
                "report_delivery_add",
                **_key(one.line),
                state=one.state,
                error=one.reason,
                now=naive(now),
            )
    return len(missing)


def read_ledger(reader: Reader, deliveries: Sequence[DeliverySettings]) -> Ledger:
    """Versions of the weeks, and what was planned and sent."""
    tenants: dict[str, list[str]] = {}
    if any(one.tenant for one in deliveries):
        for week, tenant in reader.rows("account_tenants"):
            tenants.setdefault(week, []).append(tenant)
    return Ledger(
        versions=[
            Version(week, version, Decimal(bill), status)
            for week, version, bill, status in reader.rows("report_bills")
        ],
        known={tuple(row[:4]): row[4] for row in reader.rows("report_deliveries_known")},
        told={tuple(row[:4]): row[4] for row in reader.rows("report_deliveries_told")},
        tenants=tenants,
    )


def _open(store: Store, now: datetime, by_name: Mapping[str, DeliverySettings]) -> list[Line]:
    """What is queued, oldest week first. What nobody wants any more, and what a newer version
    overtook, is ended.
    """
    with store.transaction() as tx:
        rows = [Line(*row[:5]) for row in tx.rows("report_deliveries_open")]
        newest = {(x.delivery, x.tenant, x.recipient, x.week): x.version for x in rows}
        kept = []
        for line in rows:
            delivery = by_name.get(line.delivery)
            if delivery is None or line.recipient not in delivery.addressees:
                _end(tx, line, "withdrawn", "no longer configured", now)
            elif newest[line.delivery, line.tenant, line.recipient, line.week] > line.version:
                _end(tx, line, "superseded", "a newer version came first", now)
            else:
                kept.append(line)
    return sorted(kept, key=lambda x: (x.week, x.delivery, x.recipient, x.tenant))


def _document(store: Store, line: Line, delivery: DeliverySettings, rooms: Rooms) -> Document:
    """The stored version, in the view of the delivery."""
    with store.reader() as reader:
        known = stored(reader, line.week, line.version)
        if known is None:
            raise UndeliverableError(f"{line.week} has no version {line.version}", final=True)
        accounts = stored_accounts(reader, line.week, line.version)
        also = _also(reader, line, platform=not line.tenant)
    whole = replace(document_of(known, accounts), also=also)
    if delivery.view in ("exec", "sre"):
        whole = replace(whole, rooms=tuple(rooms()))
    return for_view(whole, delivery.view, TenantId(line.tenant) if line.tenant else None)


def _also(reader: Reader, line: Line, *, platform: bool) -> tuple[str, ...]:
    """Weeks this recipient is told of only here; a tenant is not told the platform's bill."""
    rows = reader.rows(
        "report_deliveries_skipped",
        delivery=line.delivery,
        tenant=line.tenant,
        recipient=line.recipient,
    )
    found = []
    for week, version, error, bill, delta, currency in rows:
        amount = f": {shown_amount(bill, currency)} {currency}" if platform else ""
        change = f", {shown_amount(delta, currency)} {currency}" if platform and delta else ""
        if error == f"{DIGEST} {line.week}":
            found.append(f"{week} was closed in the meantime{amount}")
        elif error == HARDLY and week <= line.week:
            found.append(f"{week} was restated as version {version}{change}")
    return tuple(found[-_ALSO:])


def _claim(store: Store, line: Line, now: datetime, holder: str) -> bool:
    with store.transaction() as tx:
        changed = tx.execute(
            "report_delivery_claim",
            **_key(line),
            now=naive(now),
            until=naive(now + LEASE),
            holder=holder,
        )
        return changed == 1


def _failed(
    store: Store,
    line: Line,
    wrong: Exception,
    now: datetime,
    holder: str,
    alarm: Alarm | None,
    chance: Callable[[], float],
) -> None:
    with store.reader() as reader:
        tries = next(
            row[5] for row in reader.rows("report_deliveries_open") if Line(*row[:5]) == line
        )
    over = isinstance(wrong, UndeliverableError) and wrong.final
    over = over or isinstance(wrong, Rejected) or tries >= _TRIES
    wait = min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** (tries - 1)) * (0.8 + 0.4 * chance())
    log.warning("report %s v%d to %s: %s", line.week, line.version, line.delivery, wrong)
    with store.transaction() as tx:
        _mark(tx, line, "dead" if over else "queued", holder, error=str(wrong), next_at=now + wait)
        if over and alarm is not None:
            alarm(tx, line, str(wrong))
    if isinstance(wrong, DifferentBytesError):
        log.error("report %s v%d: %s", line.week, line.version, wrong)


def _settle(store: Store, line: Line, state: str, holder: str, *, sent_at: datetime) -> None:
    with store.transaction() as tx:
        _mark(tx, line, state, holder, sent_at=sent_at, next_at=sent_at)


def _mark(
    tx: Transaction,
    line: Line,
    state: str,
    holder: str,
    *,
    next_at: datetime,
    sent_at: datetime | None = None,
    error: str = "",
) -> None:
    tx.execute(
        "report_delivery_done",
        **_key(line),
        state=state,
        holder=holder,
        sent_at=None if sent_at is None else naive(sent_at),
        error=error[:500],
        next_at=naive(next_at),
    )


def _end(tx: Transaction, line: Line, state: str, why: str, now: datetime) -> None:
    tx.execute("report_delivery_end", **_key(line), state=state, error=why, now=naive(now))


def _key(line: Line) -> dict[str, str | int]:
    return {
        "week": line.week,
        "version": line.version,
        "delivery": line.delivery,
        "tenant": line.tenant,
        "recipient": line.recipient,
    }
