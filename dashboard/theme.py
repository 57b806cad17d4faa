"""One colour per role, the same on every page: aggressor vermillion, victims blue, the rest grey.

Categories are Okabe and Ito's palette, which people of every colour vision tell apart; there is
never red against green, and no state is told by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FONT: Final = (
    'Inter, "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", "DejaVu Sans", sans-serif'
)

AGGRESSOR: Final = "#D55E00"
VICTIM: Final = "#0072B2"


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a figure needs to sit on a light or a dark page. Colours are CSS strings."""

    name: str
    text: str
    dim: str
    grid: str
    panel: str
    line: str
    aggressor: str
    aggressor_text: str
    victim: str
    victim_text: str
    others: str
    others_steps: tuple[str, ...]
    centre: str
    gap: str
    low: tuple[str, str]
    high: tuple[str, str]

    def fill(self, colour: str, alpha: float) -> str:
        red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
        return f"rgba({red},{green},{blue},{alpha})"


LIGHT: Final = Scheme(
    name="light",
    text="#1c2024",
    dim="#5b6470",
    grid="#e9ebee",
    panel="#ffffff",
    line="#d9dde2",
    aggressor=AGGRESSOR,
    aggressor_text="#ad4700",
    victim=VICTIM,
    victim_text="#00609a",
    others="#a9b0b9",
    others_steps=("#6f7884", "#8d96a1", "#aab1ba", "#c6cbd2"),
    centre="#f4f5f6",
    gap="#dfe2e7",
    low=("#2166ac", "#9dc8e2"),
    high=("#f6b48f", "#a63603"),
)

DARK: Final = Scheme(
    name="dark",
    text="#e7e9ec",
    dim="#98a1ad",
    grid="#262b33",
    panel="#15181d",
    line="#333a44",
    aggressor="#F0792B",
    aggressor_text="#ff9d5c",
    victim="#56A9E0",
    victim_text="#7cc0ee",
    others="#5c6570",
    others_steps=("#8b95a1", "#6c7682", "#535c67", "#3f4751"),
    centre="#1d2127",
    gap="#2f353e",
    low=("#7fc4f5", "#27506f"),
    high=("#7d3a12", "#ff9a4d"),
)


def scheme(name: str | None) -> Scheme:
    return DARK if name == "dark" else LIGHT


GRAPH_CONFIG: Final = {
    "displaylogo": False,
    "showSendToCloud": False,  # plotly.js 4 shows an upload button unless told not to
    "displayModeBar": "hover",
    "modeBarButtons": [["toImage", "resetScale2d"]],
    "responsive": True,
    "doubleClick": "reset",
}

MANTINE: Final = {
    "fontFamily": FONT,
    "primaryColor": "blue",
    "primaryShade": {"light": 8, "dark": 8},
    "autoContrast": True,
    "defaultRadius": "sm",
    "fontSizes": {"xs": "12px", "sm": "13px", "md": "14px", "lg": "16px", "xl": "20px"},
}
