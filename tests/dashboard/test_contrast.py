"""WCAG 2.2: text stands out 4.5 to 1 from its ground, lines and marks 3 to 1."""

import re
from pathlib import Path

import pytest

from dashboard import theme

CSS = Path(theme.__file__).parent / "assets" / "pw.css"
TEXTS = [
    ("text", "bg"),
    ("text", "panel"),
    ("text", "calm-ground"),
    ("dim", "bg"),
    ("dim", "panel"),
    ("dim", "hover"),
    ("dim", "calm-ground"),
    ("accent", "panel"),
    ("accent-text", "accent"),
    ("aggressor-text", "panel"),
    ("aggressor-text", "aggressor-ground"),
    ("dim", "aggressor-ground"),
    ("victim-text", "panel"),
    ("victim-text", "victim-ground"),
    ("warn-text", "panel"),
    ("warn-text", "warn-ground"),
]
MARKS = [("aggressor", "panel"), ("victim", "panel"), ("step-1", "panel")]


def variables(selector: str) -> dict[str, str]:
    block = re.search(rf"^{re.escape(selector)} \{{(.*?)^\}}", CSS.read_text(), re.M | re.S)
    assert block, selector
    return dict(re.findall(r"--pw-([a-z0-9-]+): (#[0-9a-fA-F]{6})", block[1]))


LIGHT = variables(":root")
COLOURS = {"light": LIGHT, "dark": LIGHT | variables('[data-mantine-color-scheme="dark"]')}


def luminance(colour: str) -> float:
    """Relative luminance of sRGB, WCAG 2.2 definition."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_black_on_white_is_the_largest_contrast():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", COLOURS)
@pytest.mark.parametrize(("ink", "ground"), TEXTS)
def test_text_can_be_read(scheme, ink, ground):
    known = COLOURS[scheme]
    assert contrast(known[ink], known[ground]) >= 4.5


@pytest.mark.parametrize("scheme", COLOURS)
@pytest.mark.parametrize(("ink", "ground"), MARKS)
def test_marks_can_be_seen(scheme, ink, ground):
    known = COLOURS[scheme]
    assert contrast(known[ink], known[ground]) >= 3


@pytest.mark.parametrize("scheme", [theme.LIGHT, theme.DARK])
def test_words_in_charts_can_be_read(scheme):
    for ink in (scheme.text, scheme.dim, scheme.aggressor_text, scheme.victim_text):
        assert contrast(ink, scheme.panel) >= 4.5
