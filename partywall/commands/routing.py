"""`routes`, `silences`, `maintenance`: who is told of what, and when nobody is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from partywall.failures import Failure
from partywall.output import Field, Format, moment, names, show, show_one
from partywall.session import ApiOption, ConfigOption, FormatOption, connect

if TYPE_CHECKING:
    from analyzer.api.views.routing import (
        MaintenanceView,
        RehearsalView,
        RouteIn,
        RouteView,
        SilenceView,
    )

Match = Annotated[
    list[str] | None,
    typer.Option("--match", "-m", help="label = pattern; several must all hold."),
]
To = Annotated[
    list[str] | None, typer.Option("--to", help="Name of an endpoint, * allowed; several.")
]
Steps = Annotated[
    list[str] | None,
    typer.Option("--step", help="10m:boss,chief: told when nobody acknowledged so long."),
]
Fallback = Annotated[str, typer.Option(help="Endpoint told when one of --to keeps failing.")]
Continues = Annotated[bool, typer.Option("--continue", help="Ask the routes after it as well.")]
Repeat = Annotated[str, typer.Option(help="Repeat what still fires: 4h; 0 is never.")]
Storm = Annotated[int, typer.Option(help="Openings in 5 min before a digest; 0 is never.")]

M = TypeVar("M", bound=BaseModel)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def register(app: typer.Typer) -> None:
    ways = typer.Typer(help="Which events go to which endpoints.")
    ways.callback(invoke_without_command=True)(routes)
    ways.command("add")(add_route)
    ways.command("remove")(remove_route)
    ways.command("backtest")(backtest)
    app.add_typer(ways, name="routes")
    hush = typer.Typer(help="Who is not to be told, by whose wish and until when.")
    hush.callback(invoke_without_command=True)(silences)
    hush.command("add")(add_silence)
    hush.command("expire")(expire)
    app.add_typer(hush, name="silences")
    works = typer.Typer(help="Planned work nobody is told of, once or every week.")
    works.callback(invoke_without_command=True)(maintenance)
    works.command("add")(add_maintenance)
    works.command("remove")(remove_maintenance)
    app.add_typer(works, name="maintenance")


def routes(
    ctx: typer.Context, config: ConfigOption = None, api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """List the routes in the order they are asked."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views.routing import RouteView

    with connect(config, api) as client:
        show(client.list(RouteView, "/routes"), _ROUTE, form)


def add_route(
    name: str, *, config: ConfigOption = None, api: ApiOption = "", match: Match = None,
    to: To = None, step: Steps = None, fallback: Fallback = "", go_on: Continues = False,
    repeat: Repeat = "4h", storm: Storm = 10,
) -> None:  # fmt: skip
    """Add a route; it is asked before those of the configuration file."""
    from analyzer.api.views.routing import RouteView

    wanted = _route(name, match, to, step, fallback, repeat, storm, go_on=go_on)
    with connect(config, api) as client:
        made = client.post(RouteView, "/routes", wanted)
    print(made.id)
    if made.unknown:
        print(f"no endpoint is called {', '.join(made.unknown)}")


def remove_route(route: str, config: ConfigOption = None, api: ApiOption = "") -> None:
    """Remove a route that was added."""
    with connect(config, api) as client:
        client.delete(f"/routes/{route}")
    print(f"{route}: removed")


def backtest(
    name: Annotated[str, typer.Argument(help="A route to try; none tests those that hold.")] = "",
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE,
    match: Match = None, to: To = None, step: Steps = None,
    days: Annotated[float, typer.Option(help="How far back.")] = 30,
    min_confidence: Annotated[float, typer.Option(help="Count only what is so sure.")] = 0,
    min_stretch: Annotated[float, typer.Option(help="Count only what slows so much.")] = 0,
    min_victims: Annotated[int, typer.Option(help="Count only what hurts so many.")] = 0,
) -> None:  # fmt: skip
    """How often rules would have fired for the incidents on record. Nothing is sent."""
    from analyzer.api.views.routing import RehearsalIn, RehearsalView

    draft = _route(name, match, to, step, "", "4h", 10, go_on=False) if name else None
    wanted = _asked(RehearsalIn,
        days=days, route=draft, min_confidence=min_confidence, min_stretch=min_stretch,
        min_victims=min_victims,
    )  # fmt: skip
    with connect(config, api) as client:
        found = client.post(RehearsalView, "/routes/backtest", wanted)
    show_one(found, _rehearsed(found), form)


def silences(
    ctx: typer.Context, config: ConfigOption = None, api: ApiOption = "",
    form: FormatOption = Format.TABLE,
    state: Annotated[str, typer.Option(help="pending, active or expired.")] = "",
) -> None:  # fmt: skip
    """List the silences, the newest first."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views.routing import SilenceView

    with connect(config, api) as client:
        show(client.list(SilenceView, "/silences", state=state or None), _SILENCE, form)


def add_silence(
    match: Annotated[list[str], typer.Option("--match", "-m", help="label = pattern.")],
    by: Annotated[str, typer.Option(help="Who silences.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    config: ConfigOption = None, api: ApiOption = "",
    lasts: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")] = "2h",
    starts: Annotated[str, typer.Option(help="now, now+1h or a time.")] = "now",
    until: Annotated[str, typer.Option(help="Until then, instead of --for.")] = "",
) -> None:  # fmt: skip
    """Tell nobody of what fits, for a while."""
    from analyzer.api.views.routing import SilenceIn, SilenceView

    end = until or _after(starts, lasts)
    wanted = _asked(SilenceIn, match=match, author=by, reason=reason, starts_at=starts, ends_at=end)
    with connect(config, api) as client:
        made = client.post(SilenceView, "/silences", wanted)
    print(f"{made.id}\nuntil {moment(made.ends_at)} UTC; mutes now: {names(made.mutes)}")


def expire(silence: str, config: ConfigOption = None, api: ApiOption = "") -> None:
    """End a silence now."""
    with connect(config, api) as client:
        client.send(f"/silences/{silence}/expire")
    print(f"{silence}: expired")


def maintenance(
    ctx: typer.Context, config: ConfigOption = None, api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """List the maintenance windows."""
    if ctx.invoked_subcommand:
        return
    from analyzer.api.views.routing import MaintenanceView

    with connect(config, api) as client:
        show(client.list(MaintenanceView, "/maintenance"), _WINDOW, form)


def add_maintenance(
    name: str,
    match: Annotated[list[str], typer.Option("--match", "-m", help="label = pattern.")],
    config: ConfigOption = None, api: ApiOption = "",
    starts: Annotated[str, typer.Option(help="Once: now+1h or a time.")] = "",
    ends: Annotated[str, typer.Option(help="Once: now+3h or a time.")] = "",
    day: Annotated[list[str] | None, typer.Option(help="Weekly: mon ... sun; several.")] = None,
    at: Annotated[str, typer.Option(help="Weekly: 22:00.")] = "",
    lasts: Annotated[str, typer.Option("--for", help="Weekly: how long, 2h.")] = "1h",
    zone: Annotated[str, typer.Option(help="Weekly: whose clocks, Europe/Berlin.")] = "UTC",
    by: Annotated[str, typer.Option(help="Who plans it.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:  # fmt: skip
    """Plan a window: once (--starts, --ends) or every week (--day, --at, --for, --zone)."""
    from analyzer.api.views.routing import MaintenanceIn, MaintenanceView

    wanted = _asked(MaintenanceIn,
        name=name, match=match, starts_at=starts, ends_at=ends, days=day or [], at=at,
        minutes=int(_seconds(lasts) / 60), zone=zone, author=by, reason=reason,
    )  # fmt: skip
    with connect(config, api) as client:
        made = client.post(MaintenanceView, "/maintenance", wanted)
    print(f"{made.id}\nopens next {moment(made.next_start)} UTC")


def remove_maintenance(window: str, config: ConfigOption = None, api: ApiOption = "") -> None:
    """Remove a window that was added."""
    with connect(config, api) as client:
        client.delete(f"/maintenance/{window}")
    print(f"{window}: removed")


def _route(
    name: str, match: list[str] | None, to: list[str] | None, steps: list[str] | None,
    fallback: str, repeat: str, storm: int, *, go_on: bool,
) -> RouteIn:  # fmt: skip
    from analyzer.api.views.routing import RouteIn

    return _asked(RouteIn,
        name=name, match=match or [], to=to or ["*"], continues=go_on, fallback=fallback,
        repeat_s=_seconds(repeat), storm_openings=storm,
        steps=[_step(step) for step in steps or []],
    )  # fmt: skip


def _step(text: str) -> dict[str, object]:
    """`10m:boss,chief`."""
    after, _, who = text.partition(":")
    return {"after_s": _seconds(after), "to": [name for name in who.split(",") if name]}


def _after(start: str, lasts: str) -> str:
    """The end of what begins at `now`, `now+1h` or a time, as the API reads it."""
    from datetime import datetime, timedelta

    if start.startswith("now"):
        sign = -1 if "-" in start else 1
        begun = sign * _seconds(start.removeprefix("now").lstrip("+-") or "0")
        return f"now{begun + _seconds(lasts):+.0f}s"
    try:
        return (datetime.fromisoformat(start) + timedelta(seconds=_seconds(lasts))).isoformat()
    except ValueError:
        raise Failure(
            f"{start!r} is no time", "it cannot be read", "write now+1h", code=2
        ) from None


def _seconds(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not number.replace(".", "", 1).isdigit():
        raise Failure(
            f"{text!r} is no length of time", "it needs a unit", "write 30m or 2h", code=2
        )
    return float(number) * _UNITS[unit]


def _unread(text: str, kind: str, example: str) -> Failure:
    return Failure(f"{text!r} is no {kind}", "it cannot be read", f"write {example}", code=2)


def _asked(kind: type[M], **given: object) -> M:
    """What is sent to the service. Raises Failure that names the option it cannot take."""
    try:
        return kind.model_validate(given)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Failure(
            f"{field} does not fit", first["msg"], "see --help for examples", code=2
        ) from None


def _span(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.0f}s" if seconds else "never"


def _rehearsed(found: RehearsalView) -> dict[str, str]:
    lines = {"": found.sentence, "openings": f"{found.openings} on record"}
    if found.below_thresholds:
        lines["below"] = f"{found.below_thresholds} do not reach the thresholds"
    for one in found.endpoints:
        skipped = ", ".join(f"{n} {reason}" for reason, n in sorted(one.skipped.items()))
        lines[f"to {one.endpoint}"] = f"{one.told} told" + (f"; {skipped}" if skipped else "")
    for each in found.incidents[:20]:
        told = names(each.told) if each.told else "nobody: " + ", ".join(each.reasons)
        lines[each.incident] = f"{moment(each.at)} {each.resource} {each.kind} -> {told}"
    return lines


def _weekly(one: MaintenanceView) -> str:
    if one.days:
        return f"{','.join(one.days)} {one.at} {one.zone}, {one.minutes} min"
    return f"{moment(one.starts_at)} to {moment(one.ends_at)}"


_ROUTE: list[Field[RouteView]] = [
    Field("route", lambda one: one.id),
    Field("name", lambda one: one.name),
    Field("match", lambda one: ", ".join(one.match) or "everything"),
    Field("to", lambda one: ", ".join(one.to) or "nobody"),
    Field("escalates", lambda one: "; ".join(
        f"{_span(s.after_s)}: {', '.join(s.to)}" for s in one.steps) or "-"),
    Field("repeats", lambda one: _span(one.repeat_s)),
    Field("fallback", lambda one: one.fallback or "-"),
    Field("continues", lambda one: "yes" if one.continues else "no"),
    Field("source", lambda one: one.source),
    Field("unknown", lambda one: ", ".join(one.unknown) or "-"),
]  # fmt: skip
_SILENCE: list[Field[SilenceView]] = [
    Field("silence", lambda one: one.id),
    Field("state", lambda one: one.state),
    Field("match", lambda one: ", ".join(one.match)),
    Field("by", lambda one: one.author),
    Field("reason", lambda one: one.reason),
    Field("starts", lambda one: moment(one.starts_at)),
    Field("ends", lambda one: moment(one.ends_at)),
    Field("mutes", lambda one: names(one.mutes)),
]
_WINDOW: list[Field[MaintenanceView]] = [
    Field("window", lambda one: one.id),
    Field("name", lambda one: one.name),
    Field("state", lambda one: one.state),
    Field("match", lambda one: ", ".join(one.match)),
    Field("when", _weekly),
    Field("next", lambda one: moment(one.next_start)),
    Field("reason", lambda one: one.reason or "-"),
]
