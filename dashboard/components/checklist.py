"""Why this tenant: every test of the evidence, passed or not, in words."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from analyzer.api.views.incidents import CheckView
from dashboard import wording
from dashboard.components.aria import named

MARKS = {
    True: ("✓", "holds", "yes"),
    False: ("!", "does not hold", "no"),
    None: ("?", "unknown", "open"),
}


def checklist(checks: Sequence[CheckView]) -> Component:
    return html.Ul([_item(check) for check in checks], className="pw-checks")


def _item(check: CheckView) -> Component:
    mark, words, css = MARKS[check.passed]
    return html.Li(
        [
            named(html.Span(mark, className=f"pw-mark is-{css}", role="img"), words),
            html.Div(
                [
                    html.Span(
                        [
                            wording.check(check.name),
                            html.Span(f" – {words}", className="pw-dim") if css != "yes" else "",
                        ]
                    ),
                    html.Span(check.detail, className="pw-dim"),
                ]
            ),
        ]
    )


def caveats(sentences: Sequence[str]) -> Component:
    return html.Ul([html.Li(one) for one in sentences], className="pw-caveats")
