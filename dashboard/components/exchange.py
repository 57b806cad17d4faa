"""What went over the wire: request and answer of each try, secrets left out by the analyzer."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dash import html
from dash.development.base_component import Component

from analyzer.api.views.alerts import AttemptView, DeliveryDetail
from dashboard import wording
from dashboard.components.badge import state_badge
from dashboard.components.decision import action

MOST = 5
LONGEST = 20_000


def exchange(found: DeliveryDetail) -> Component:
    """The delivery, the newest tries first, and a button to send it again."""
    return html.Div(
        [
            html.Div(
                [
                    html.Strong(f"{found.event_type} to {found.endpoint}"),
                    state_badge(found.state),
                    *([_replay(found)] if found.state not in ("pending", "in_flight") else []),
                ],
                className="pw-row",
            ),
            html.P(_fate(found), className="pw-dim"),
            *[_try(each) for each in reversed(found.attempts[-MOST:])],
        ]
    )


def _replay(found: DeliveryDetail) -> Component:
    plan = f"Send {found.event_type} to {found.endpoint} again, under its old id."
    return action(f"deliveries/{found.id}/replay", "Send again", plan)


def _fate(found: DeliveryDetail) -> str:
    if found.state == "skipped":
        return f"Not sent ({found.reason or 'no use for it'}): {found.error}"
    count = len(found.attempts)
    tries = "no try yet" if not count else "one try" if count == 1 else f"{count} tries"
    error = f" Last trouble: {found.error}" if found.error else ""
    return f"Made {wording.moment(found.created_at)}, {tries}; why: {found.reason or '–'}.{error}"


def _try(one: AttemptView) -> Component:
    took = f" after {wording.number(one.ms)} ms" if one.ms is not None else ""
    head = f"Try {one.n}, {wording.moment(one.started_at)}: {one.status or one.error}{took}"
    return html.Details(
        [
            html.Summary(head),
            html.H3("Request"),
            html.Pre(_text(one.request_headers, one.request_body), className="pw-code", tabIndex=0),
            html.H3("Answer"),
            html.Pre(
                _text(one.response_headers, one.response_body), className="pw-code", tabIndex=0
            ),
        ],
        className="pw-words",
        open=one.n == 1,
    )


def _text(headers: Mapping[str, str], body: str) -> str:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join([*lines, "", _pretty(body)])[:LONGEST]


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
