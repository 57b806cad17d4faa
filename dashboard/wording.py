"""Numbers and times as people read them. Everything is UTC."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

KINDS = {
    "noisy_neighbour": "Noisy neighbour",
    "capacity": "Capacity",
    "degraded": "Resource degraded",
    "self_inflicted": "Self-inflicted",
    "calm": "Calm",
}

CHECKS = {
    "others_slower": "The others are slower",
    "breadth": "Many tenants are hurt",
    "surge": "It asks for more than it usually does",
    "excess": "Its excess is large for the resource",
    "share": "The excess is its own",
    "relief": "Without it most of the harm is gone",
    "association": "Harm follows its load",
    "explained": "Load explains the harm",
    "leads": "It rose first",
    "resource_healthy": "The resource itself works",
    "load_grew": "Everybody's load grew",
    "cost_usual": "Operations cost what they always cost",
    "load_explains": "The load explains the slowness",
    "others_calm": "The others are calm",
    "own_cost": "Its own operations became dearer",
    "own_load": "Its own load is higher",
}
"""The detector's tests by name, as the statement that holds when the test is passed."""

NO_CENTS = frozenset({"JPY", "KRW", "CLP", "VND", "ISK", "XAF", "XOF", "UGX", "PYG"})
MILLS = frozenset({"BHD", "KWD", "OMR", "JOD", "TND", "IQD", "LYD"})


def kind(name: str) -> str:
    return KINDS.get(name, name.replace("_", " ").capitalize())


def check(name: str) -> str:
    """A test no one has words for yet shows its identifier as words."""
    words = name.replace("_", " ")
    return CHECKS.get(name, words[:1].upper() + words[1:])


def seconds(value: float | None) -> str:
    """A latency: 0.163 -> '163 ms'."""
    if value is None:
        return "–"
    if value < 0.0995:
        return f"{value * 1000:.3g} ms"
    return f"{value * 1000:.0f} ms" if value < 2 else f"{value:.3g} s"


def span(value: float | None) -> str:
    """A duration: 7_900 -> '2 h 11 min'."""
    if value is None:
        return "–"
    total = int(max(value, 0))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min"
    if total < 86_400:
        return _two(total // 3600, "h", total % 3600 // 60, "min")
    return _two(total // 86_400, "d", total % 86_400 // 3600, "h")


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big} {big_unit} {small} {small_unit}" if small else f"{big} {big_unit}"


def percent(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def times(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}×" if value < 100 else f"{value:,.0f}×"


def number(value: float | None) -> str:
    """Three significant digits, thousands apart."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def money(amount: str | None, currency: str | None) -> str:
    """An amount keeps the digits the analyzer gave it: it is exact and adds up as shown."""
    if amount is None:
        return "–"
    sign, digits = ("−", amount[1:]) if amount.startswith("-") else ("", amount)
    whole, dot, rest = digits.partition(".")
    grouped = f"{int(whole):,}" if whole.isdigit() else whole
    return f"{sign}{grouped}{dot}{rest} {currency or ''}".strip()


def decimals(currency: str | None) -> int:
    """How many decimals prices in this currency carry (ISO 4217)."""
    return 0 if currency in NO_CENTS else 3 if currency in MILLS else 2


def rounded(amount: str | None, currency: str | None) -> str:
    """For a card, where a number is read and not added up: the currency's decimals."""
    try:
        exact = Decimal(amount or "")
    except InvalidOperation:
        return money(amount, currency)
    step = Decimal(1).scaleb(-decimals(currency))
    if not exact.is_finite():
        return money(amount, currency)
    if 0 < abs(exact) < step:
        return f"{'> −' if exact < 0 else '< '}{step} {currency or ''}".strip()
    return money(f"{exact.quantize(step, ROUND_HALF_EVEN):f}", currency)


def clock(at: datetime | None) -> str:
    return "–" if at is None else at.strftime("%H:%M")


def moment(at: datetime | None, now: datetime | None = None) -> str:
    """'16:02' today, 'Fri 20 Nov 16:02' on another day."""
    if at is None:
        return "–"
    return clock(at) if now and at.date() == now.date() else at.strftime("%a %d %b %H:%M")


def stamp(at: datetime | None) -> str:
    """'20 Nov 16:02', for narrow columns."""
    return "–" if at is None else at.strftime("%d %b %H:%M")


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def confidence(value: float) -> str:
    """A confidence in words and number."""
    for floor, words in ((0.95, "very sure"), (0.85, "sure"), (0.7, "fairly sure")):
        if value >= floor:
            return f"{words}, {value:.2f}"
    return f"{'a suspicion' if value < 0.5 else 'likely'}, {value:.2f}"


def names(items: list[str], most: int = 3) -> str:
    if len(items) <= most:
        return ", ".join(items) or "–"
    return f"{', '.join(items[:most])} +{len(items) - most}"
