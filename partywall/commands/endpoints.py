"""`endpoints` and `deliveries`: who is told, and whether it arrived."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from partywall.failures import Failure
from partywall.output import Field, Format, moment, number, show, show_one
from partywall.session import ApiOption, ConfigOption, FormatOption, connect

if TYPE_CHECKING:
    from analyzer.api.views.alerts import DeliveryDetail, DeliveryView, EndpointView


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Where notifications go.")
    group.callback(invoke_without_command=True)(endpoints)
    group.command()(add)
    group.command("test")(ping)
    group.command()(preview)
    group.command()(rotate)
    group.command()(remove)
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
    from analyzer.api.views.alerts import EndpointView

    with connect(config, api) as client:
        show(client.list(EndpointView, "/endpoints"), _ENDPOINT, form)


def add(
    name: str,
    url: str,
    form: Annotated[str, typer.Option("--format", help="alertmanager, slack ...")] = "alertmanager",
    event: Annotated[list[str] | None, typer.Option(help="Only these, such as incident.*.")] = None,
    routing_key: Annotated[str, typer.Option(help="PagerDuty's integration key.")] = "",
    token: Annotated[
        str, typer.Option(envvar="PARTYWALL_TOKEN_OF_ENDPOINT", help="Bot token or mail password.")
    ] = "",
    channel: Annotated[str, typer.Option(help="Slack's channel id, with a bot token.")] = "",
    template: Annotated[Path | None, typer.Option(help="A file: the body of format json.")] = None,
    sender: Annotated[str, typer.Option(help="Of a mail.")] = "",
    recipient: Annotated[list[str] | None, typer.Option(help="Of a mail; may be repeated.")] = None,
    username: Annotated[str, typer.Option(help="At the mail server.")] = "",
    replica: Annotated[
        list[str] | None, typer.Option(help="Another member of the Alertmanager cluster.")
    ] = None,
    config: ConfigOption = None,
    api: ApiOption = "",
) -> None:
    """Add an endpoint; its signing secret is shown once."""
    from analyzer.api.views.alerts import EndpointIn, EndpointView

    wanted = EndpointIn(
        name=name, url=url, format=form, events=event or [], routing_key=routing_key, token=token,
        channel=channel, template=text_of(template), sender=sender, recipients=recipient or [],
        username=username, replicas=replica or [],
    )  # fmt: skip
    with connect(config, api) as client:
        made = client.post(EndpointView, "/endpoints", wanted)
    print(f"{made.id}\nsecret: {made.secret or '-'}  (keep it: it is not shown again)")


def text_of(file: Path | None) -> str:
    """What stands in the file, nothing without one. Raises Failure when it cannot be read."""
    if file is None:
        return ""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise Failure(f"cannot read {file}", str(wrong), "give the right file", code=2) from None


def ping(
    endpoint: str,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    incident: Annotated[str, typer.Option(help="A past incident, marked as a test.")] = "",
) -> None:
    """Send a test message now, the way real ones go. Exit code 1 when it did not arrive."""
    from analyzer.api.views.alerts import DeliveryDetail

    body = {"incident": incident} if incident else {}
    with connect(config, api) as client:
        sent = client.post(DeliveryDetail, f"/endpoints/{endpoint}/test", body)
    show_one(sent, _exchange(sent), form)
    if sent.state != "delivered":
        raise typer.Exit(1)


def _exchange(sent: DeliveryDetail) -> dict[str, str]:
    """Request and answer of the last try, line by line."""
    lines = {"delivery": sent.id, "event": sent.event_type, "state": sent.state}
    if sent.error:
        lines["error"] = sent.error
    for last in sent.attempts[-1:]:
        lines |= {f"> {name}": value for name, value in last.request_headers.items()}
        lines["> body"] = last.request_body
        lines["status"] = f"{last.status or '-'} after {number(last.ms, ' ms')}"
        lines |= {f"< {name}": value for name, value in last.response_headers.items()}
        lines["< body"] = last.response_body
    return lines


def preview(
    endpoint: Annotated[str, typer.Option(help="As this endpoint gets it.")] = "",
    form: Annotated[str, typer.Option("--format", help="As this format says it.")] = "",
    template: Annotated[Path | None, typer.Option(help="A file: the body of format json.")] = None,
    incident: Annotated[str, typer.Option(help="Of this incident; else of the newest.")] = "",
    config: ConfigOption = None,
    api: ApiOption = "",
) -> None:
    """Show what would be sent, of any past incident; nothing is. Exit code 1 when the template
    fails."""
    from analyzer.api.views.alerts import PreviewView

    asked = {
        "endpoint": endpoint, "format": form, "incident": incident or None,
        "template": text_of(template) if template else None,
    }  # fmt: skip
    with connect(config, api) as client:
        found = client.post(PreviewView, "/endpoints/preview", asked)
    print(found.body)
    if found.error:
        raise Failure("the default body was made", found.error, "correct the template", code=1)


def rotate(endpoint: str, config: ConfigOption = None, api: ApiOption = "") -> None:
    """A new signing secret; messages carry both signatures until the next rotation."""
    from analyzer.api.views.alerts import EndpointView

    with connect(config, api) as client:
        made = client.post(EndpointView, f"/endpoints/{endpoint}/rotate", {})
    print(f"{made.id}\nsecret: {made.secret or '-'}  (keep it: it is not shown again)")


def remove(endpoint: str, config: ConfigOption = None, api: ApiOption = "") -> None:
    """Forget an endpoint."""
    with connect(config, api) as client:
        client.remove(f"/endpoints/{endpoint}")
    print(f"{endpoint}: removed")


def deliveries(
    ctx: typer.Context,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    state: Annotated[str, typer.Option(help="pending, delivered, skipped, dead ...")] = "",
    incident: Annotated[str, typer.Option(help="Only of this incident.")] = "",
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
) -> None:
    """List the deliveries, the newest first."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views.alerts import DeliveryView

    with connect(config, api) as client:
        found = client.list(
            DeliveryView, "/deliveries", state=state or None, incident=incident or None, limit=limit
        )
    show(found, _DELIVERY, form)


def replay(
    deliveries: Annotated[list[str] | None, typer.Argument(help="Which; several at once.")] = None,
    config: ConfigOption = None,
    api: ApiOption = "",
    failed_since: Annotated[
        str, typer.Option(help="All that died since then: now-6h or a time.")
    ] = "",
) -> None:
    """Send deliveries again under their old ids, each incident's in order."""
    from analyzer.api.views.alerts import Replayed
    from analyzer.api.views.routing import ReplayIn

    if bool(deliveries) == bool(failed_since):
        raise Failure(
            "which deliveries?", "name some, or give --failed-since, not both",
            "list them with `partywall deliveries --state dead`", code=2,
        )  # fmt: skip
    path = "/deliveries/replay"
    if failed_since:
        path += f"?failed_since={quote(failed_since, safe='')}"
    with connect(config, api) as client:
        done = client.post(Replayed, path, ReplayIn(ids=deliveries or []))
    print(f"{done.replayed} will be sent again")


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
    Field("reason", lambda one: one.reason or "-"),
    Field("error", lambda one: one.error),
]
