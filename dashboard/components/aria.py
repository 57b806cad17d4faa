"""Names for screen readers: Dash takes `aria-*` as attributes, not as typed arguments."""

from __future__ import annotations

from typing import TypeVar

from dash.development.base_component import Component

Named = TypeVar("Named", bound=Component)


def named(component: Named, label: str) -> Named:
    setattr(component, "aria-label", label)
    return component


def named_by(component: Named, id_: str) -> Named:
    setattr(component, "aria-labelledby", id_)
    return component


def hidden(component: Named) -> Named:
    """Decoration: the words beside it say the same."""
    setattr(component, "aria-hidden", "true")
    return component
