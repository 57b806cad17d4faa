"""Numbers and times as people read them."""

from datetime import UTC, datetime

import pytest

from dashboard import wording


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.0007, "0.7 ms"),
        (0.0714, "71.4 ms"),
        (0.163, "163 ms"),
        (1.9994, "1999 ms"),
        (2.5, "2.5 s"),
    ],
)
def test_latencies_change_their_unit_at_two_seconds(value, words):
    assert wording.seconds(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (-3, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7_260, "2 h 1 min"),
        (7_200, "2 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_spans_show_two_units_at_most(value, words):
    assert wording.span(value) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "–"),
        ("1446.10", "1,446.10 EUR"),
        ("-3.05", "−3.05 EUR"),
        ("0.000001", "0.000001 EUR"),
        ("n/a", "n/a EUR"),
    ],
)
def test_money_keeps_every_digit_it_was_given(amount, words):
    assert wording.money(amount, "EUR") == words


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (None, "EUR", "–"),
        ("2.8752", "EUR", "2.88 EUR"),
        ("1446.1", "EUR", "1,446.10 EUR"),
        ("1234567.5", "JPY", "1,234,568 JPY"),
        ("0.1234", "KWD", "0.123 KWD"),
        ("0.0004", "EUR", "< 0.01 EUR"),
        ("-0.0004", "EUR", "> −0.01 EUR"),
        ("-3.055", "EUR", "−3.06 EUR"),
        ("0.0000", "EUR", "0.00 EUR"),
        ("12", None, "12.00"),
        ("n/a", "EUR", "n/a EUR"),
        ("NaN", "EUR", "NaN EUR"),
    ],
)
def test_cards_round_money_to_the_decimals_of_its_currency(amount, currency, words):
    assert wording.rounded(amount, currency) == words


def test_checks_are_said_in_words_even_those_nobody_has_words_for():
    assert wording.check("others_slower") == "The others are slower"
    assert wording.check("phase_of_moon") == "Phase of moon"
    assert wording.check("Rose first") == "Rose first"
    assert wording.check("") == ""


def test_confidence_is_said_in_words_and_number():
    said = [wording.confidence(value) for value in (0.97, 0.9, 0.7, 0.6, 0.2)]
    assert said == [
        "very sure, 0.97",
        "sure, 0.90",
        "fairly sure, 0.70",
        "likely, 0.60",
        "a suspicion, 0.20",
    ]


def test_a_moment_of_today_needs_no_date():
    at = datetime(2026, 11, 20, 16, 2, tzinfo=UTC)
    assert wording.moment(at, at) == "16:02"
    assert wording.moment(at) == "Fri 20 Nov 16:02"


def test_long_lists_of_names_are_counted():
    assert wording.names(["acme", "globex", "hooli", "initech"], 2) == "acme, globex +2"
    assert wording.names([]) == "–"
