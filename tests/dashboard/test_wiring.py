"""Every failure of the analyzer becomes a state of the panel."""

import asyncio
from typing import Any

import pytest
from dash import no_update

from dashboard import address, theme
from dashboard.client import ClientError, Trouble
from dashboard.components.panel import PanelState, next_class
from dashboard.wiring import Ask, Filled, Load, answer, empty

ASK = Ask(address.read("/", ""), theme.LIGHT)
DOWN = ClientError(Trouble.UNREACHABLE, "The analyzer does not answer.", "ab12", "Start it.")


def filled(load: Load, was: str = "pw-panel is-loading") -> Any:
    return asyncio.run(answer(load, ASK, was, 2))


async def _good(_ask: Ask) -> Filled:
    return Filled((1, 2))


async def _partial(_ask: Ask) -> Filled:
    return Filled((1, 2), PanelState.PARTIAL, "3 of 24 silent")


async def _nothing(_ask: Ask) -> Filled:
    return empty("No incident so far.")


async def _down(_ask: Ask) -> Filled:
    raise DOWN


@pytest.mark.parametrize(
    ("load", "state", "values"),
    [
        (_good, "is-ready", (1, 2)),
        (_partial, "is-partial", (1, 2)),
        (_nothing, "is-empty", (no_update, no_update)),
        (_down, "is-error", (no_update, no_update)),
    ],
)
def test_each_outcome_has_its_state(load, state, values):
    name, _note, *rest = filled(load)
    assert state in name.split()
    assert tuple(rest) == values


def test_an_error_says_what_failed_what_to_do_and_the_request():
    note = filled(_down)[1]
    words = " ".join(str(getattr(part, "children", part)) for part in note)
    assert "does not answer" in words
    assert "Start it." in words
    assert "ab12" in words


def test_the_last_good_figure_is_remembered_through_an_error():
    name = filled(_down, was="pw-panel is-ready has-data pw-w-7")[0]
    assert name.split() == ["pw-panel", "is-error", "has-data", "pw-w-7"]


def test_an_error_before_any_data_shows_no_body():
    assert "has-data" not in filled(_down)[0]


def test_a_panel_recovers():
    name = next_class("pw-panel is-error pw-w-5", PanelState.READY)
    assert name.split() == ["pw-panel", "is-ready", "has-data", "pw-w-5"]
