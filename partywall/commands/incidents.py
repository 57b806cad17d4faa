"""`incidents` and `explain`: what happened, and why we say so."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.output import Field, Format, moment, names, percent, show, show_one
from partywall.session import ApiOption, ConfigOption, FormatOption, connect

if TYPE_CHECKING:
    from analyzer.api.views.incidents import Band, IncidentDetail, IncidentSummary

OPEN = ("pending", "firing", "flapping")
_BARS = "▁▂▃▄▅▆▇█"


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What happened, and who looks after it.")
    group.callback(invoke_without_command=True)(incidents)
    group.command()(acknowledge)
    group.command()(precision)
    app.add_typer(group, name="incidents")
    app.command()(explain)


def acknowledge(
    incident: str,
    by: Annotated[str, typer.Option("--by", help="Who; default the user's name.")] = "",
    config: ConfigOption = None,
    api: ApiOption = "",
) -> None:
    """Say that somebody looks after an incident: pagers and chats are told."""
    from urllib.parse import quote

    from analyzer.api.views.incidents import IncidentSummary

    with connect(config, api) as client:
        after = client.post(
            IncidentSummary,
            f"/incidents/{quote(incident, safe='')}/acknowledge",
            {"by": by or getpass.getuser()},
        )
    print(f"{after.id}: acknowledged by {after.acknowledged_by}")


def precision(
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """How often people say we were right, and the threshold their labels ask for."""
    from analyzer.api.views.precision import PrecisionView

    with connect(config, api) as client:
        view = client.get(PrecisionView, "/precision")
    lines = {
        kind: f"{p.right} of {p.judged} confirmed, {percent(p.value)} "
        f"({percent(p.low)} to {percent(p.high)})"
        for kind, p in [*((one.kind, one.precision) for one in view.kinds), ("all", view.overall)]
    }
    lines["threshold"] = f"{view.in_force:.2f} in force, labels ask for {view.threshold:.2f}"
    lines["why"] = view.reason
    show_one(view, lines, form)


def incidents(
    ctx: typer.Context,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    state: Annotated[str, typer.Option(help="pending, firing, flapping or resolved.")] = "",
    resource: Annotated[str, typer.Option(help="Only of this resource.")] = "",
    tenant: Annotated[str, typer.Option(help="Only with this tenant.")] = "",
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
) -> None:
    """The incidents, the newest first. Exit code 1 while one is firing."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views.incidents import IncidentSummary

    with connect(config, api) as client:
        found = client.list(
            IncidentSummary, "/incidents", state=state or None, resource=resource or None,
            tenant=tenant or None, limit=limit,
        )  # fmt: skip
    show(found, _COLUMNS, form)
    if any(one.state in ("firing", "flapping") for one in found):
        raise typer.Exit(1)


def explain(
    incident: str, config: ConfigOption = None, api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """Why an incident blames whom it blames, as its page says it."""
    from urllib.parse import quote

    from analyzer.api.views.incidents import IncidentDetail

    with connect(config, api) as client:
        detail = client.get(IncidentDetail, f"/incidents/{quote(incident, safe='')}")
    if form is Format.TABLE:
        print("\n".join(story(detail)))
    else:
        show_one(detail, {column.heading: column.text(detail) for column in _COLUMNS}, form)


def story(detail: IncidentDetail) -> list[str]:
    """The explanation, the checks behind it and the curves as bars."""
    lines = [detail.sentence, "", *detail.explanation, ""]
    checks = [*detail.checks, *(check for blame in detail.blames for check in blame.checks)]
    for check in checks:
        mark = {True: "ok ", False: "no ", None: "?  "}[check.passed]
        lines.append(f"  {mark}{check.name}: {check.detail}")
    bands = [*detail.aggressor_bands, *detail.victim_bands, *detail.resource_bands]
    lines += ["", *(f"  {band.name:<28} {spark(band)}" for band in bands if any(band.values))]
    lines += [f"  caveat: {caveat}" for caveat in detail.caveats]
    for one in detail.decisions:
        lines.append(f"  proposed: {one.action} {one.tenant} ({one.state}) - {one.reason}")
    return lines


def spark(band: Band, width: int = 60) -> str:
    """A curve as a line of bars from zero to its largest value; a gap is a blank."""
    step = max(1, -(-len(band.values) // width))
    values = [_largest(band.values[i : i + step]) for i in range(0, len(band.values), step)]
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    bars = (" " if v is None else _BARS[min(int(max(v, 0) / top * 7.99), 7)] for v in values)
    return "".join(bars) + f"  max {top:.3g} {band.unit}"


def _largest(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


_COLUMNS: list[Field[IncidentSummary]] = [
    Field("incident", lambda one: one.id),
    Field("state", lambda one: one.state),
    Field("kind", lambda one: one.kind),
    Field("resource", lambda one: one.resource),
    Field("aggressors", lambda one: names(one.aggressors)),
    Field("victims", lambda one: str(one.victims), number=True),
    Field("confidence", lambda one: percent(one.confidence), number=True),
    Field("started", lambda one: moment(one.started_at)),
    Field("ended", lambda one: moment(one.ended_at)),
]
