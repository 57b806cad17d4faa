"""The platform's engineers: what is idle, what is full, who harms whom, what the data lacks."""

from __future__ import annotations

from decimal import Decimal

from analyzer.accounts.make import paid
from analyzer.cost.shown import shown
from analyzer.cost.statement import Statement
from analyzer.density.fullness import Density
from analyzer.reports.document import Document
from analyzer.reports.page import Block, Figure, Page, Said, Table
from analyzer.reports.views import blocks

_TOP = 20


def page(document: Document, most: int) -> Page:
    s = shown(document.statement)
    found: list[Block | None] = [
        _rooms(document),
        blocks.resources(s),
        _waste(s),
        blocks.harms(document.accounts, most),
        _loud(document),
        blocks.oddities(document.accounts),
        _quality(s),
    ]
    idle = f"{s.idle / s.bill:.1%}" if s.bill else blocks.NONE
    return Page(
        title=f"Platform {s.week}",
        headline=document.headline(),
        sentence=f"{s.money(s.idle)} {s.terms.currency} idle ({idle} of the bill)"
        f" on {len(s.resources)} resources, {len(s.tenants)} tenants",
        figures=[
            Figure("idle", s.money(s.idle), idle),
            Figure("unattributed", s.money(s.unattributed), s.terms.currency),
            Figure("measured", f"{s.measured_hours} of {s.hours} h", "hours with usage"),
        ],
        blocks=[block for block in found if block is not None],
        footer=blocks.footer(document),
        currency=s.terms.currency,
    )


def _rooms(document: Document) -> Table | None:
    if not document.rooms:
        return None
    ranked = sorted(document.rooms, key=lambda room: (-(room.packing or 0), room.resource))
    return Table(
        "density",
        "Headroom",
        "Full is the 95th percentile of the week's load over capacity; gain is the tenants' own"
        " peaks over the common one.",
        (
            "resource", "kind", "full", "headroom", "tenants", "effective", "gain", "gini",
            "room for", "days to full",
        ),
        [_room(room) for room in ranked[:_TOP]],
        texts=2,
    )  # fmt: skip


def _room(room: Density) -> list[str]:
    return [
        room.resource,
        room.kind,
        _number(room.packing, ".0%"),
        _number(room.headroom, ".0%"),
        str(room.tenants),
        _number(room.effective_tenants, ".1f"),
        _number(room.multiplexing_gain, ".2f"),
        _number(room.gini, ".2f"),
        _number(room.room, "d"),
        _number(room.days_to_full, ".0f"),
    ]


def _number(value: float | None, form: str) -> str:
    return blocks.NONE if value is None else format(value, form)


def _waste(s: Statement) -> Table | None:
    """What was reserved and not used, dearest first."""
    rows = [(t, p) for t in s.tenants for p in t.parts if p.own_idle]
    rows.sort(key=lambda row: (-row[1].own_idle, row[0].tenant))
    if not rows:
        return None
    return Table(
        "waste",
        "Reserved and not used",
        "Own databases and contracted floors: a smaller one would do.",
        ("tenant", "resource", *blocks.COLUMNS),
        [[blocks.name_of(t), p.resource, *blocks.money(s, *paid(p))] for t, p in rows[:_TOP]],
        texts=2,
    )


def _loud(document: Document) -> Table | None:
    loud = [a for a in document.accounts if Decimal(a.caused.exact) > 0]
    loud.sort(key=lambda a: (-Decimal(a.caused.exact), a.tenant))
    if not loud:
        return None
    return Table(
        "loud",
        "Noisy tenants",
        "What the incidents of each cost its neighbours.",
        ("tenant", "plan", "cost to others"),
        [[blocks.name_of(a), a.plan, a.caused.shown] for a in loud[:_TOP]],
        texts=2,
    )


def _quality(s: Statement) -> Said | None:
    said = list(s.notes)
    if s.measured_hours < s.hours:
        said.append(f"{s.hours - s.measured_hours} of {s.hours} h have no usage")
    return Said("notes", "Data quality", "", said) if said else None
