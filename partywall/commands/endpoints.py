"""`endpoints` and `deliveries`: who is told, and whether it arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from partywall.output import Field, Format, moment, number, show
from partywall.session import ApiOption, ConfigOption, FormatOption, connect

if TYPE_CHECKING:
    from analyzer.api.views import DeliveryView, EndpointView


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Where notifications go.")
    group.callback(invoke_without_command=True)(endpoints)
    group.command()(add)
    group.command("test")(ping)
    app.add_typer(group, name="endpoints")
    sent = typer.Typer(help="What was sent, and what came back.")
    sent.callback(invoke_without_command=True)(deliveries)
    sent.command()(replay)
    app.add_typer(sent, name="deliveries")


def endpoints(
    ctx: typer.Context, config: ConfigOption = None, api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """List the endpoints."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views import EndpointView

    with connect(config, api) as client:
        show(client.list(EndpointView, "/endpoints"), _ENDPOINT, form)


def add(
    name: str,
    url: str,
    form: Annotated[str, typer.Option("--format", help="alertmanager, slack ...")] = "alertmanager",
    config: ConfigOption = None,
    api: ApiOption = "",
) -> None:
    """Add an endpoint; its signing secret is shown once."""
    from analyzer.api.views import EndpointIn, EndpointView

    with connect(config, api) as client:
        made = client.post(EndpointView, "/endpoints", EndpointIn(name=name, url=url, format=form))
    print(f"{made.id}\nsecret: {made.secret or '-'}  (keep it: it is not shown again)")


def ping(endpoint: str, config: ConfigOption = None, api: ApiOption = "") -> None:
    """Send a test message to an endpoint."""
    with connect(config, api) as client:
        print(client.send(f"/endpoints/{endpoint}/test"))


def deliveries(
    ctx: typer.Context,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    state: Annotated[str, typer.Option(help="pending, delivered, dead ...")] = "",
    incident: Annotated[str, typer.Option(help="Only of this incident.")] = "",
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
) -> None:
    """List the deliveries, the newest first."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views import DeliveryView

    with connect(config, api) as client:
        found = client.list(
            DeliveryView, "/deliveries", state=state or None, incident=incident or None, limit=limit
        )
    show(found, _DELIVERY, form)


def replay(delivery: str, config: ConfigOption = None, api: ApiOption = "") -> None:
    """Send a delivery again."""
    with connect(config, api) as client:
        client.send(f"/deliveries/{delivery}/replay")
    print(f"{delivery}: will be sent again")


_ENDPOINT: list[Field[EndpointView]] = [
    Field("endpoint", lambda one: one.id),
    Field("name", lambda one: one.name),
    Field("format", lambda one: one.format),
    Field("url", lambda one: one.url),
    Field("state", lambda one: one.state),
    Field("delivered", lambda one: str(one.delivered), number=True),
    Field("failed", lambda one: str(one.failed), number=True),
]
_DELIVERY: list[Field[DeliveryView]] = [
    Field("delivery", lambda one: one.id),
    Field("state", lambda one: one.state),
    Field("event", lambda one: one.event_type),
    Field("incident", lambda one: one.incident or "-"),
    Field("endpoint", lambda one: one.endpoint),
    Field("attempt", lambda one: str(one.attempt), number=True),
    Field("status", lambda one: str(one.status or "-"), number=True),
    Field("took", lambda one: number(one.ms, " ms"), number=True),
    Field("created", lambda one: moment(one.created_at)),
    Field("error", lambda one: one.error),
]
