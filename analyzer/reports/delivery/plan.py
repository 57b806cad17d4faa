"""What is still to be delivered, worked out from the ledger of weeks and of deliveries. Pure.

1. A delivery that has sent nothing yet begins with the newest closed week.
2. Later it gets every closed week since the first it knows, in the newest version, oldest first.
3. After a long outage the eight newest go out one by one; what is older goes as one digest: the
   newest of the older weeks is sent and names the others, which are skipped.
4. A new version of a week that was sent goes to files and buckets always, by mail only when the
   bill changed by one unit of the currency and 1 % at least; else it is skipped, and the next
   report lists it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from analyzer.reports.delivery.settings import DeliverySettings

AT_MOST = 8
DIGEST = "in the digest of"
HARDLY = "the bill hardly changed"
_LEAST_CHANGE = Decimal(1)
_LEAST_PART = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Line:
    """One delivery of one report to one recipient. `tenant` is empty for the platform's views."""

    week: str
    version: int
    delivery: str
    tenant: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a week's statement."""

    week: str
    version: int
    bill: Decimal
    status: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """`known` and `told`: (delivery, tenant, recipient, week) to the newest version planned, sent.

    `tenants` has the tenants of each week.
    """

    versions: Sequence[Version]
    known: Mapping[tuple[str, str, str, str], int]
    told: Mapping[tuple[str, str, str, str], int]
    tenants: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Planned:
    """A line to enter: `queued`, or `skipped` with the reason."""

    line: Line
    state: str = "queued"
    reason: str = ""


def planned(deliveries: Sequence[DeliverySettings], ledger: Ledger) -> list[Planned]:
    """Every line that is missing."""
    found: list[Planned] = []
    for delivery in deliveries:
        for tenant in _scopes(delivery, ledger):
            for recipient in delivery.addressees:
                found += _of(delivery, tenant, recipient, ledger)
    return found


def _scopes(delivery: DeliverySettings, ledger: Ledger) -> list[str]:
    if delivery.tenant != "*":
        return [delivery.tenant]
    return sorted({tenant for tenants in ledger.tenants.values() for tenant in tenants})


def _of(
    delivery: DeliverySettings, tenant: str, recipient: str, ledger: Ledger
) -> Iterator[Planned]:
    newest = _newest(delivery, tenant, ledger)
    weeks = sorted(newest)
    key = (delivery.name, tenant, recipient)
    mine = {week: v for (*k, week), v in ledger.known.items() if tuple(k) == key}
    due = [w for w in weeks if w >= min(mine)] if mine else weeks[-1:]
    fresh = [week for week in due if week not in mine]
    digest, older = fresh[-AT_MOST - 1 : -AT_MOST], fresh[: -AT_MOST - 1]
    for week in due:
        version = newest[week]
        line = Line(week, version.version, delivery.name, tenant, recipient)
        if week in older:
            yield Planned(line, "skipped", f"{DIGEST} {digest[0]}")
        elif week not in mine:
            yield Planned(line)
        elif mine[week] < version.version:
            before = ledger.told.get((*key, week))
            small = delivery.channel == "mail" and _is_small(before, version, ledger)
            yield Planned(line, *(("skipped", HARDLY) if small else ("queued",)))


def _newest(delivery: DeliverySettings, tenant: str, ledger: Ledger) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for version in sorted(ledger.versions, key=lambda v: (v.week, v.version)):
        ripe = version.status == "final" or not delivery.only_final
        if ripe and (not tenant or tenant in ledger.tenants.get(version.week, ())):
            found[version.week] = version
    return found


def _is_small(before: int | None, after: Version, ledger: Ledger) -> bool:
    """Whether nobody needs to be told again; what was never sent is news."""
    bills = {v.version: v.bill for v in ledger.versions if v.week == after.week}
    if before is None or before not in bills:
        return False
    change = abs(after.bill - bills[before])
    return change < max(_LEAST_CHANGE, _LEAST_PART * abs(bills[before]))
