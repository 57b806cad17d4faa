"""`decisions`: what is proposed, and the person's word on it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.output import Field, Format, moment, number, show
from partywall.session import ApiOption, ConfigOption, FormatOption, connect

if TYPE_CHECKING:
    from analyzer.api.views.decisions import DecisionView

ByOption = Annotated[str, typer.Option("--by", help="Who decides; default the user's name.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Proposed throttles, moves and promotions.")
    group.callback(invoke_without_command=True)(listing)
    group.command()(approve)
    group.command()(reject)
    group.command()(cancel)
    app.add_typer(group, name="decisions")


def listing(
    ctx: typer.Context,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    state: Annotated[str, typer.Option(help="proposed, approved, active ...")] = "",
) -> None:
    """List the decisions, the newest first."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views.decisions import DecisionView

    with connect(config, api) as client:
        show(client.list(DecisionView, "/decisions", state=state or None), _COLUMNS, form)


def approve(
    decision: str, by: ByOption = "", config: ConfigOption = None, api: ApiOption = ""
) -> None:
    """Approve a decision: enforcers that ask for the policy now get it."""
    _answer(decision, "approve", by, config, api)


def reject(
    decision: str, by: ByOption = "", config: ConfigOption = None, api: ApiOption = ""
) -> None:
    """Reject a proposed decision."""
    _answer(decision, "reject", by, config, api)


def cancel(
    decision: str, by: ByOption = "", config: ConfigOption = None, api: ApiOption = ""
) -> None:
    """Take an approved decision back."""
    _answer(decision, "cancel", by, config, api)


def _answer(decision: str, word: str, by: str, config: ConfigOption, api: str) -> None:
    from analyzer.api.views.decisions import DecisionView

    with connect(config, api) as client:
        after = client.post(
            DecisionView, f"/decisions/{decision}/{word}", {"by": by or getpass.getuser()}
        )
    print(f"{after.id}: {after.action} {after.tenant} on {after.resource} is {after.state}")


_COLUMNS: list[Field[DecisionView]] = [
    Field("decision", lambda one: one.id),
    Field("state", lambda one: one.state),
    Field("action", lambda one: one.action),
    Field("tenant", lambda one: one.tenant),
    Field("resource", lambda one: one.resource),
    Field("limit", lambda one: number(one.limit, " " + one.limit_unit), number=True),
    Field("expires", lambda one: moment(one.expires_at)),
    Field("reason", lambda one: one.reason),
]
