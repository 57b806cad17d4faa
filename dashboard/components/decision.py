"""A proposed action with its reason, and the buttons to decide."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from analyzer.api.views.decisions import DecisionView
from dashboard import wording
from dashboard.components.badge import badge, state_badge

VERBS = {"throttle": "Throttle", "move": "Move", "promote": "Promote", "demote": "Demote"}

REMOVE = "remove"
"""The label of an action that takes its path away instead of sending to it."""

FEW = 3
"""So many reasons are shown at once; more wait to be asked for."""


def headline(view: DecisionView) -> str:
    """'Throttle acme on db:shard-3 to 2.1 busy seconds per second (1.8 to 2.6)'."""
    words = f"{VERBS.get(view.action, view.action.capitalize())} {view.tenant} on {view.resource}"
    if view.limit is not None:
        words += f" to {wording.number(view.limit)} {view.limit_unit}"
    if view.limit_low is not None and view.limit_high is not None:
        words += f" ({wording.number(view.limit_low)} to {wording.number(view.limit_high)})"
    return f"{words} to {view.target}" if view.target else words


def decision(view: DecisionView) -> Component:
    return html.Article(
        [
            html.Div(
                [
                    html.Strong(headline(view)),
                    state_badge(view.state),
                    badge(f"mode {view.mode}", "plain"),
                ],
                className="pw-row",
            ),
            html.P(view.reason),
            _evidence(view),
            html.P(_fate(view), className="pw-dim pw-num"),
            _buttons(view),
        ],
        className="pw-decision",
    )


def _evidence(view: DecisionView) -> Component:
    lines = html.Ul([html.Li(one) for one in view.evidence], className="pw-plain pw-dim")
    if len(view.evidence) <= FEW:
        return lines
    summary = html.Summary(f"{len(view.evidence)} reasons")
    return html.Details([summary, lines], className="pw-words")


def _fate(view: DecisionView) -> str:
    by = f" by {view.decided_by}" if view.decided_by else ""
    made, end = wording.moment(view.created_at), wording.moment(view.expires_at)
    why = f": {view.outcome}" if view.outcome and view.outcome != f"{view.state}{by}" else ""
    return f"Made {made}, {view.state}{by}{why}; expires {end}."


def _buttons(view: DecisionView) -> Component:
    if view.state != "proposed":
        return html.Span()
    return html.Div(
        [
            action(f"decisions/{view.id}/approve", "Approve", headline(view), strong=True),
            action(f"decisions/{view.id}/reject", "Reject", f"Reject: {headline(view)}"),
        ],
        className="pw-row",
    )


def action(path: str, words: str, plan: str, *, strong: bool = False) -> Component:
    """A button that asks before it acts: `plan` is the sentence the reader confirms. `path` is the
    API's, with the label after `#` where one is given.
    """
    return html.Button(
        words,
        id={"type": "act", "path": path, "plan": plan},
        className=f"pw-button{'' if strong else ' is-quiet'}",
        type="button",
        n_clicks=0,
    )
