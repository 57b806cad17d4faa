"""Every text file of this folder is a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.runner import differences, parse, scenarios


@pytest.mark.parametrize("path", scenarios(), ids=lambda p: p.stem)
def test_the_verdicts_are_those_the_scenario_expects(path: Path):
    assert differences(parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "resource db:main four cores",
        "tenant acme 8/s",
        "from 35m to 42m acme dances x6",
        "expect noisy",
        "please",
        "launch the rockets",
        "run 50 seed 1",
    ],
)
def test_a_line_that_is_no_step_is_named(text: str):
    with pytest.raises(ValueError, match="line 2"):
        parse("# a comment\n" + text)


def test_a_wrong_expectation_fails():
    text = Path(__file__).with_name("quiet_day.txt").read_text("utf-8")
    wrong = text.replace("expect nothing", "expect noisy_neighbour by acme")
    assert differences(parse(wrong)) == ["expected noisy_neighbour, got []"]
