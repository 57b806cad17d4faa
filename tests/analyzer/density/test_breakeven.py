"""Promotion by hand-computed cases: what is avoidable, what it needs, and how sure."""

from __future__ import annotations

import pytest

from analyzer.density.breakeven import (
    BreakevenSettings,
    Week,
    promotion,
    size,
)

MONTH = 365.2425 / 12 / 7
FREE = BreakevenSettings(own_per_month="0", move_cost="0", smallest=0.25)


def week(caused: float, p99: float = 0.3, pool: float = 1.4, rest: float = 1.2) -> Week:
    return Week(p99, pool, rest, caused, charged=12.0)


@pytest.mark.parametrize(
    ("load", "capacity", "target", "expected"),
    [
        (1.4, 2, 0.8, 2),
        (0.7, 2, 0.8, 1),
        (0.1, 2, 0.8, 0.25),
        (0.0, 2, 0.8, 0.25),
        (3.0, 2, 0.8, 4),
        (0.3, 0.25, 0.7, 0.5),
    ],
)
def test_instances_come_in_halves_and_doubles(load, capacity, target, expected):
    assert size(load, capacity, target, 0.25) == expected


def test_what_is_avoidable_is_a_step_and_not_what_it_is_charged():
    same = promotion("acme", "db:1", [week(0)], capacity=2, weekly_price=20, settings=FREE)
    assert same is not None
    assert same.inputs.avoidable == 0  # 1.4 and 1.2 both need 2
    assert same.charged == 12.0
    step = promotion(
        "acme", "db:1", [week(0, rest=0.7)], capacity=2, weekly_price=20, settings=FREE
    )
    assert step is not None
    assert step.inputs.avoidable == 10  # 0.7 needs 1 of 2, at 10 a unit
    assert step.inputs.isolated == 5  # 0.3 / 0.7 needs 0.5, at 10 a unit
    assert step.gain == 5


def test_three_of_four_weeks_decide():
    for loud, verdict in ((2, False), (3, True), (4, True)):
        weeks = [week(100.0)] * loud + [week(0.0)] * (4 - loud)
        found = promotion("acme", "db:1", weeks, capacity=2, weekly_price=20, settings=FREE)
        assert found is not None
        assert (found.weeks_for, found.verdict) == (loud, verdict)


def test_the_payback_and_what_would_have_to_be_true():
    terms = BreakevenSettings(own_per_month="0", move_cost="52", smallest=0.25)
    found = promotion("acme", "db:1", [week(3.0)] * 4, capacity=2, weekly_price=20, settings=terms)
    assert found is not None
    # 3 a week for, 5 + 52 / 26 against: short by 4, and 0.5 of safety.
    assert found.gain == pytest.approx(-4)
    assert found.payback_weeks is None
    assert found.needed[0].startswith("to be worth it its incidents must cost others 7.50 a week")
    assert found.needed[1] == "or its own cost at most 0.50 a week"
    good = promotion("acme", "db:1", [week(31.0)] * 4, capacity=2, weekly_price=20, settings=terms)
    assert good is not None
    assert good.payback_weeks == pytest.approx(52 / 26)
    assert good.tornado[0].what == "what its incidents cost others"
    assert len(good.tornado) == 3
    assert good.tornado[0].low == pytest.approx(good.gain - 15.5)
    assert good.tornado[0].high == pytest.approx(good.gain + 31)
    said = good.sentences("EUR", 2)
    assert said[0].startswith("break-even of a database of its own: 4 of 4 weeks for it, 24.00 EUR")


def test_what_pays_by_the_pool_alone_is_worth_it_without_incidents():
    found = promotion(
        "acme", "db:1", [week(0.0, rest=0.7)] * 4, capacity=2, weekly_price=2000, settings=FREE
    )
    assert found is not None
    assert found.verdict
    assert found.needed == ("it stays worth it even if its incidents cost others nothing",)


def test_a_schema_ends_only_part_of_the_noise_and_saves_no_pool():
    found = promotion(
        "acme", "db:1", [week(100.0, rest=0.7)] * 4, capacity=2, weekly_price=20,
        settings=BreakevenSettings(), tier="schema",
    )  # fmt: skip
    assert found is not None
    assert found.inputs.avoidable == 0
    assert found.inputs.externality == pytest.approx(30)
    assert found.inputs.isolated == pytest.approx(5 / MONTH)


def test_of_nothing_nothing_is_said():
    assert promotion("acme", "db:1", [], capacity=2, weekly_price=20, settings=FREE) is None


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (BreakevenSettings(own_per_month="much"), "own_per_month: is no amount"),
        (BreakevenSettings(move_cost="-1"), "move_cost: is no amount"),
        (BreakevenSettings(schema_relief=2), "schema_relief"),
        (BreakevenSettings(over_weeks=0), "over_weeks"),
    ],
)
def test_what_makes_no_sense_is_said(terms, words):
    assert any(words in problem for problem in terms.problems())
