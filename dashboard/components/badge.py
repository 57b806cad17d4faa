"""Small words in a frame: a state is always said, its colour only helps."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboard import address, wording

STATES = {
    "firing": ("open", "bad"),
    "flapping": ("flapping", "bad"),
    "pending": ("pending", "warn"),
    "resolved": ("resolved", "calm"),
    "loud": ("loud", "bad"),
    "hurt": ("hurt", "victim"),
    "calm": ("calm", "calm"),
    "quarantined": ("quarantined", "warn"),
    "failing": ("failing", "bad"),
    "failed": ("failed", "bad"),
    "dead": ("dead", "bad"),
    "proposed": ("proposed", "warn"),
    "approved": ("approved", "victim"),
    "active": ("active", "victim"),
}


def badge(word: str, tone: str = "calm") -> Component:
    return html.Span(word, className=f"pw-badge is-{tone}")


def state_badge(state: str) -> Component:
    word, tone = STATES.get(state, (state, "calm"))
    return badge(word, tone)


def kind_badge(kind: str) -> Component:
    return badge(wording.kind(kind), "plain")


def tenant_link(tenant: str, role: str = "") -> Component:
    """A tenant's name, coloured only by its role: aggressor, victim or none."""
    return dcc.Link(
        tenant, href=address.link("tenants", tenant), className=f"pw-link pw-role-{role or 'none'}"
    )


def incident_link(id_: str, words: str = "") -> Component:
    return dcc.Link(words or id_, href=address.link("incidents", id_), className="pw-link")
