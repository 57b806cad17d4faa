"""How a panel meets its data: one async callback each, and every failure becomes its state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dash import Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from dashboard import address, theme
from dashboard.client import ClientError
from dashboard.components.panel import Children, PanelState, failure_note, next_class


@dataclass(frozen=True, slots=True)
class Ask:
    """What the reader looks at, and on which background."""

    at: address.Address
    scheme: theme.Scheme


@dataclass(frozen=True, slots=True)
class Filled:
    """One value per output of the panel; `note` is the sentence of an empty or partial panel."""

    values: tuple[object, ...]
    state: PanelState = PanelState.READY
    note: Children | str = ""


def empty(note: Children | str) -> Filled:
    return Filled((), PanelState.EMPTY, note)


Load = Callable[[Ask], Awaitable[Filled]]


def connect(app: Dash, panel: str, outputs: Sequence[tuple[str, str]], load: Load) -> None:
    """Fill `panel` now and whenever the data version, the address or the colours change."""

    @app.callback(
        Output(panel, "className"),
        Output(f"{panel}-note", "children"),
        *[Output(id_, prop) for id_, prop in outputs],
        Input("version", "data"),
        Input("scheme", "data"),
        Input("url", "search"),
        State("url", "pathname"),
        State(panel, "className"),
    )
    async def fill(
        version: str | None, scheme: str | None, search: str | None, path: str, was: str | None
    ) -> tuple[object, ...]:
        if version is None or scheme is None:
            raise PreventUpdate
        ask = Ask(address.read(path, search), theme.scheme(scheme))
        return await answer(load, ask, was, len(outputs))


async def answer(load: Load, ask: Ask, was: str | None, outputs: int) -> tuple[object, ...]:
    """Class, note and values of the panel after asking: pure but for `load`."""
    try:
        filled = await load(ask)
    except ClientError as error:
        unchanged = (no_update,) * outputs
        return (next_class(was, PanelState.ERROR), failure_note(error), *unchanged)
    values = filled.values or (no_update,) * outputs
    return (next_class(was, filled.state), filled.note or "", *values)


def follow(app: Dash, id_: str, show: Callable[[address.Address], object]) -> None:
    """Redraw the children of `id_` from the address alone."""

    @app.callback(Output(id_, "children"), Input("url", "search"), State("url", "pathname"))
    async def redraw(search: str | None, path: str) -> object:
        return show(address.read(path, search))
