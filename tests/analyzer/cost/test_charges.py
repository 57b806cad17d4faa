from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.cost.charges import charges, cost_between, monthly
from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.cost.weeks import parse_week

BERLIN = "Europe/Berlin"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
instants = st.datetimes(
    datetime.fromisoformat("2026-01-01"),
    datetime.fromisoformat("2027-12-01"),
    timezones=st.just(UTC),
)
amounts = st.decimals(-1000, 1000, places=4, allow_nan=False)


def test_an_hourly_price_costs_its_hours_even_when_the_clocks_change():
    week = parse_week("2026-W43", BERLIN)
    quanta = cost_between(
        Price("db", per_hour="0.4217"), week.start, week.end, scale=4, zone=BERLIN
    )
    assert quanta == 4217 * 169


def test_a_month_costs_its_price_whatever_its_length():
    for month, length in ((2, 28), (10, 31), (11, 30)):
        start = datetime(2026, month, 1, tzinfo=UTC)
        end = start.replace(month=month + 1)
        assert (end - start).days == length
        assert monthly(Decimal("99.99"), start, end, scale=4, zone="UTC") == 999_900


@given(amounts, st.lists(instants, min_size=3, max_size=8), st.sampled_from([BERLIN, "UTC"]))
def test_a_charge_cut_anywhere_costs_the_same(amount, cuts, zone):
    cuts.sort()
    for price in (Price("db", per_hour=str(amount)), Price("db", per_month=str(amount))):
        pieces = [cost_between(price, a, b, scale=4, zone=zone) for a, b in pairwise(cuts)]
        assert sum(pieces) == cost_between(price, cuts[0], cuts[-1], scale=4, zone=zone)


def test_a_price_change_in_the_week_makes_two_charges_of_its_parts():
    week = parse_week("2026-W47", "UTC")
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)
    settings = CostSettings(
        prices=(
            Price("db", per_hour="1", valid_to=noon),
            Price("db", per_hour="2", valid_from=noon.replace(tzinfo=None)),
        )
    )
    old, new = charges(settings, week.start, week.end)
    assert (old.end, new.start) == (noon, noon)
    assert old.quanta + new.quanta == 10**4 * (60 + 2 * 108)


def test_a_price_of_another_time_is_not_charged():
    week = parse_week("2026-W47", "UTC")
    settings = CostSettings(prices=(Price("db", per_hour="1", valid_to=week.start),))
    assert charges(settings, week.start, week.end) == []


BAD = [
    (CostSettings(currency="EURO"), "cost.currency"),
    (CostSettings(currency=""), "cost.currency"),
    (CostSettings(zone="Berlin"), "cost.zone"),
    (CostSettings(zone="../etc/passwd"), "cost.zone"),
    (CostSettings(zone=""), "cost.zone"),
    (CostSettings(idle="shared"), "cost.idle"),
    (CostSettings(final_after_days=-1), "cost.final_after_days"),
    (CostSettings(prices=(Price("", per_hour="1"),)), "cost.price[0].resource"),
    (CostSettings(prices=(Price("db"),)), "cost.price[0]: give exactly one"),
    (CostSettings(prices=(Price("db", "1", "2"),)), "cost.price[0]: give exactly one"),
    (CostSettings(prices=(Price("db", "one"),)), "cost.price[0].per_hour"),
    (CostSettings(prices=(Price("db", "NaN"),)), "cost.price[0].per_hour"),
    (CostSettings(prices=(Price("db", "1e40"),)), "cost.price[0].per_hour"),
    (CostSettings(prices=(Price("db", "0." + "1" * 20),)), "cost.price[0].per_hour"),
    (CostSettings(prices=(Price("db", "1", kind="rent"),)), "cost.price[0].kind"),
    (CostSettings(prices=(Price("db", "1", driver="volume"),)), "cost.price[0].driver"),
    (CostSettings(prices=(Price("db", "1", idle="x"),)), "cost.price[0].idle"),
    (
        CostSettings(
            prices=(Price("db", "1", valid_from=NEW_YEAR, valid_to=NEW_YEAR),)
        ),
        "cost.price[0].valid_to",
    ),
    (CostSettings(plans=(Plan("pro", "-1"),)), "plan[0].price"),
    (CostSettings(plans=(Plan("pro"), Plan("pro"))), "plan: 'pro'"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "key"), BAD, ids=[key for _, key in BAD])
def test_a_wrong_setting_is_named_with_its_key(settings, key):
    problems = settings.problems()
    assert len(problems) == 1
    assert problems[0].startswith(key)


def test_all_problems_are_told_at_once():
    assert len(CostSettings("?", "?", (Price("", "x"),), (Plan("a", "b"),), "?").problems()) == 6


@pytest.mark.parametrize(
    ("currency", "price", "scale"), [("USD", "1", 4), ("JPY", "1", 2), ("KWD", "1.1234567", 7)]
)
def test_the_quantum_is_finer_than_the_currency_and_every_price(currency, price, scale):
    assert CostSettings(currency, prices=(Price("db", price),)).scale == scale
