"""`density` and `placement`: how full it is, what a move would change, which moves pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from partywall.output import Field, Format, number, percent, show, show_one
from partywall.session import ApiOption, ConfigOption, FormatOption, connect

if TYPE_CHECKING:
    from analyzer.api.views.placement import CostBeforeAfter, MoveView
from analyzer.api.views.resources import DensityRow

tree = typer.Typer(help="What a move would change, which moves pay, and who pays for its own.")


def register(app: typer.Typer) -> None:
    app.command()(density)
    tree.command("what-if")(what_if)
    tree.command("plan")(plan)
    tree.command("break-even")(break_even)
    app.add_typer(tree, name="placement")


def density(
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """How full each resource is, what binds, and how much more fits."""
    from analyzer.api.views.resources import DensityRow

    with connect(config, api) as client:
        rows = client.list(DensityRow, "/density")
    show(sorted(rows, key=lambda row: -(row.packing or 0.0)), _DENSITY, form)


def what_if(
    tenant: Annotated[str, typer.Option(help="Who moves.")],
    source: Annotated[str, typer.Option("--from", help="The resource it is on.")],
    target: Annotated[str, typer.Option("--to", help="The resource it would be on.")],
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """Replay the last week with a tenant somewhere else: headroom, risk, everybody's cost."""
    from analyzer.api.views.placement import WhatIfView

    with connect(config, api) as client:
        found = client.get(
            WhatIfView, "/placement/what-if", tenant=tenant, source=source, target=target
        )
    if form is not Format.TABLE:
        show_one(found, {}, form) if form is Format.JSON else show(found.costs, _COSTS, form)
        return
    lines = {}
    for side in (found.source, found.target):
        lines[side.resource] = (
            f"full {percent(side.packing_before)} -> {percent(side.packing_after)}, risk of an"
            f" overfull week {percent(side.risk_before)} -> {percent(side.risk_after)}"
        )
    lines["pay the same"] = f"{found.unchanged} other tenants"
    show_one(found, lines, form)
    show(found.costs, _COSTS, form)


def plan(
    moves: Annotated[int, typer.Option(help="Moves at most.")] = 20,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """Moves in order, each safe after the ones before: cool the hot, give up the empty."""
    from analyzer.api.views.placement import PlanView

    with connect(config, api) as client:
        found = client.get(PlanView, "/placement/plan", most=moves)
    if form is Format.JSON:
        show_one(found, {}, form)
        return
    show(found.moves, _MOVES, form)
    if form is Format.TABLE:
        lines = {
            "resources": f"{found.before} -> {found.after} (at least {found.bound} in any plan)",
            "saving": f"{found.saving} {found.currency} a month",
            **{f"kept {one.name}": one.why for one in found.kept},
        }
        show_one(found, lines, form)


def break_even(
    tenant: Annotated[str, typer.Option(help="Whose tier it is about.")],
    tier: Annotated[str, typer.Option(help="database or schema.")] = "database",
    resource: Annotated[str, typer.Option(help="Default: the one it uses most.")] = "",
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """Whether a tenant pays for a tier of its own, and what would have to be true."""
    from analyzer.api.views.placement import BreakevenView

    with connect(config, api) as client:
        found = client.get(
            BreakevenView,
            "/placement/break-even",
            tenant=tenant,
            tier=tier,
            resource=resource or None,
        )
    lines = {"verdict": found.verdict}
    lines |= {str(n): words for n, words in enumerate(found.sentences, 1)}
    show_one(found, lines, form)


def _each(row: DensityRow) -> str:
    """Every dimension, the fullest first."""
    ranked = sorted(row.dimensions, key=lambda one: (-one.full, one.name))
    return ", ".join(f"{one.name} {percent(one.full)}" for one in ranked)


_DENSITY: list[Field[DensityRow]] = [
    Field("resource", lambda one: one.resource),
    Field("kind", lambda one: one.kind),
    Field("full", lambda one: percent(one.packing), number=True),
    Field("headroom", lambda one: percent(one.headroom), number=True),
    Field("n+1", lambda one: percent(one.n1_headroom), number=True),
    Field("binds", lambda one: one.binding or "-"),
    Field("each", lambda one: _each(one) or "-"),
    Field("reserved", lambda one: percent(one.reservation), number=True),
    Field("tenants", lambda one: str(one.tenants), number=True),
    Field("effective", lambda one: number(one.effective_tenants), number=True),
    Field("gain", lambda one: number(one.multiplexing_gain, "x"), number=True),
    Field("gini", lambda one: number(one.gini), number=True),
    Field("room", lambda one: "-" if one.room is None else str(one.room), number=True),
    Field(
        "days to full",
        lambda one: "-" if one.days_to_full is None else f"{one.days_to_full:.0f}",
        number=True,
    ),
]
_COSTS: list[Field[CostBeforeAfter]] = [
    Field("tenant", lambda one: one.tenant),
    Field("before", lambda one: one.before, number=True),
    Field("after", lambda one: one.after, number=True),
]
_MOVES: list[Field[MoveView]] = [
    Field("tenant", lambda one: one.tenant),
    Field("from", lambda one: one.source),
    Field("to", lambda one: one.target),
    Field("for", lambda one: one.purpose),
    Field("source", lambda one: f"{one.source_before:.0%} -> {one.source_after:.0%}", number=True),
    Field("target", lambda one: f"{one.target_before:.0%} -> {one.target_after:.0%}", number=True),
    Field("saving", lambda one: one.saving or "-", number=True),
    Field("why", lambda one: one.reason),
]
