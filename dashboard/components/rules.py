"""Routes, silences and planned work as tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dash import html
from dash.development.base_component import Component

from analyzer.api.views.routing import MaintenanceView, RehearsalView, RouteView, SilenceView
from dashboard import wording
from dashboard.components import table
from dashboard.components.badge import badge, incident_link
from dashboard.components.decision import REMOVE, action
from dashboard.components.table import Cell, Column

TONES = {"active": "warn", "open": "warn", "pending": "plain", "planned": "plain"}


def routes(found: Sequence[RouteView]) -> Component:
    columns = [
        Column("Route"),
        Column("Events"),
        Column("To"),
        Column("Nobody acknowledges", wide_only=True),
        Column("Again", wide_only=True),
        Column("Fallback", wide_only=True),
        Column("Made in", wide_only=True),
        Column(""),
    ]
    return table.table(
        columns, [_route(one) for one in found], "Routes in the order they are asked"
    )


def _route(one: RouteView) -> list[Cell]:
    steps = "; ".join(f"{span(s.after_s)}: {', '.join(s.to)}" for s in one.steps)
    to: list[Component | str] = [", ".join(one.to) or "nobody"]
    if one.unknown:
        to.append(badge(f"no endpoint {', '.join(one.unknown)}", "warn"))
    events = ", ".join(one.match) or ("what no route wants" if one.name == "default" else "all")
    return [
        one.name + (" (goes on)" if one.continues else ""),
        events,
        to,
        steps or "–",
        span(one.repeat_s),
        one.fallback or "–",
        "the file" if one.source == "config" else "the API",
        removal(f"routes/{one.id}", f"Remove the route {one.name}.", one.source),
    ]


def silences(found: Sequence[SilenceView]) -> Component:
    columns = [
        Column("State"),
        Column("Events"),
        Column("By"),
        Column("Why"),
        Column("Until"),
        Column("Mutes now", wide_only=True),
        Column(""),
    ]
    return table.table(columns, [_silence(one) for one in found], "Silences")


def _silence(one: SilenceView) -> list[Cell]:
    mutes: list[Component | str] = []
    for name in one.mutes[:3]:
        mutes += [incident_link(name), " "]
    if len(one.mutes) > 3:
        mutes.append(f"+{len(one.mutes) - 3}")
    end: Cell = ""
    if one.state != "expired":
        plan = f"End the silence of {', '.join(one.match)} now."
        end = action(f"silences/{one.id}/expire", "End", plan)
    return [
        badge(one.state, TONES.get(one.state, "calm")),
        ", ".join(one.match),
        one.author,
        one.reason,
        wording.moment(one.ends_at),
        mutes or "–",
        end,
    ]


def windows(found: Sequence[MaintenanceView]) -> Component:
    columns = [
        Column("State"),
        Column("Name"),
        Column("Events"),
        Column("When"),
        Column("Next", wide_only=True),
        Column("Why", wide_only=True),
        Column(""),
    ]
    return table.table(columns, [_window(one) for one in found], "Maintenance windows")


def _window(one: MaintenanceView) -> list[Cell]:
    once = f"{_moment(one.starts_at)} to {_moment(one.ends_at)}"
    weekly = f"{', '.join(one.days)} {one.at} {one.zone}, {one.minutes} min"
    return [
        badge(one.state, TONES.get(one.state, "calm")),
        one.name,
        ", ".join(one.match),
        weekly if one.days else once,
        _moment(one.next_start),
        one.reason or "–",
        removal(f"maintenance/{one.id}", f"Remove the planned work {one.name}.", one.source),
    ]


def removal(path: str, plan: str, source: str) -> Cell:
    """What the file says is taken away there; what the API made, here."""
    return "" if source == "config" else action(f"{path}#{REMOVE}", "Remove", plan)


def rehearsal(found: RehearsalView) -> Component:
    """The answer of a backtest: a sentence, then who would have been told how often."""
    rows: list[list[Cell]] = [
        [
            each.endpoint,
            f"{each.told:,}",
            ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in each.skipped.items())
            or "–",
        ]
        for each in found.endpoints
    ]
    columns = [Column("To"), Column("Told", number=True), Column("Not told")]
    note = f"{found.openings:,} openings on record"
    if found.below_thresholds:
        note += f", {found.below_thresholds:,} below the thresholds"
    return html.Div(
        [
            html.P(html.Strong(found.sentence)),
            html.P(f"{note}. Nothing was sent.", className="pw-dim"),
            table.table(columns, rows, "Who would have been told"),
        ]
    )


def span(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s" if seconds else "never"


def _moment(at: datetime | None) -> str:
    return "–" if at is None else wording.moment(at)
