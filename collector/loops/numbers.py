"""Decimal numbers → doubles, rounded as Python's `float` rounds them.

Up to nineteen digits are read as a whole number and multiplied by a power of ten known to 128 bits:
D. Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice and Experience 51 (2021).
Where that does not decide (more digits, numbers out of the normal range), the answer is that it was
not read, and the caller asks `float`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from collector.loops import inlined

LEAST, MOST = -342, 308
"""Powers of ten in the table."""

DIGITS = 19
"""As many always fit into 64 bits."""

NAN = np.uint64(0x7FF8_0000_0000_0000)
ZERO, ONE = np.uint64(0), np.uint64(1)
LOW32 = np.uint64(0xFFFF_FFFF)
HALF_WORD = np.uint64(32)
UNSURE = np.uint64(0x1FF)
HIDDEN = np.uint64(1 << 52)
MINUS = np.uint64(1 << 63)
TEN = np.uint64(10)


def _powers() -> Any:
    """[powers, 2]: the upper and lower half of 5**q, shifted to fill 128 bits; those below one are
    rounded up."""
    rows = []
    for q in range(LEAST, MOST + 1):
        five = 5 ** abs(q)
        if q >= 0:
            bits = five.bit_length()
            whole = five << (128 - bits) if bits <= 128 else five >> (bits - 128)
        else:
            z = five.bit_length() if five & (five - 1) else five.bit_length() - 1
            whole = (1 << (z + 127 if q >= -27 else 2 * z + 128)) // five + 1
            whole >>= max(whole.bit_length() - 128, 0)
        rows.append((whole >> 64, whole & (1 << 64) - 1))
    return np.array(rows, np.uint64)


POWERS = _powers()


@inlined
def product(one: Any, other: Any) -> Any:
    """The upper and the lower half of a product of 128 bits."""
    a, b = one >> HALF_WORD, one & LOW32
    c, d = other >> HALF_WORD, other & LOW32
    low, left, right = b * d, a * d, b * c
    middle = (low >> HALF_WORD) + (left & LOW32) + (right & LOW32)
    high = a * c + (left >> HALF_WORD) + (right >> HALF_WORD) + (middle >> HALF_WORD)
    return high, (middle << HALF_WORD) | (low & LOW32)


@inlined
def leading_zeros(word: Any) -> Any:
    """Of a word that is not 0."""
    count = 0
    for step in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(64 - step) == ZERO:
            word <<= np.uint64(step)
            count += step
    return count


@inlined
def scaled(digits: Any, power: int) -> Any:
    """The bits of digits * 10**power, and whether they are sure."""
    if digits == ZERO:
        return ZERO, True
    if power < LEAST or power > MOST:
        return ZERO, False
    zeros = leading_zeros(digits)
    word = digits << np.uint64(zeros)
    high, low = product(word, POWERS[power - LEAST, 0])
    if high & UNSURE == UNSURE:
        more, _ = product(word, POWERS[power - LEAST, 1])
        low += more
        if more > low:
            high += ONE
        if low == ~ZERO and (power < -27 or power > 55):
            return ZERO, False
    upper: Any = np.int64(high >> np.uint64(63))
    shift = np.uint64(upper + 64 - 52 - 3)
    mantissa = high >> shift
    exponent = ((217706 * power) >> 16) + 63 + upper - zeros + 1023
    if exponent <= 0:
        return ZERO, False
    if low <= ONE and -4 <= power <= 23 and mantissa & np.uint64(3) == ONE:
        if mantissa << shift == high:  # half way: to the even one
            mantissa &= ~ONE
    mantissa = (mantissa + (mantissa & ONE)) >> ONE
    if mantissa >= HIDDEN << ONE:
        mantissa = HIDDEN
        exponent += 1
    if exponent >= 0x7FF:
        return ZERO, False
    return (mantissa & ~HIDDEN) | (np.uint64(exponent) << np.uint64(52)), True


@inlined
def number(data: Any, at: int, end: int) -> Any:
    """The bits of the number that begins at data[at], and where it ends; -1 there when it was not
    read. What follows it is the caller's to look at."""
    sign = ZERO
    if at < end and (data[at] == 0x2D or data[at] == 0x2B):
        sign = MINUS if data[at] == 0x2D else ZERO
        at += 1
    if sign == ZERO and end - at >= 3 and data[at] == 0x4E:
        if data[at + 1] == 0x61 and data[at + 2] == 0x4E:
            return NAN, at + 3
        return ZERO, -1
    digits = ZERO
    seen = significant = power = 0
    pointed = False
    while at < end:
        byte: Any = np.int64(data[at])
        if byte == 0x2E and not pointed:
            pointed = True
        elif 0x30 <= byte <= 0x39:
            digits = digits * TEN + np.uint64(byte - 0x30)
            seen += 1
            if digits != ZERO:
                significant += 1
            if pointed:
                power -= 1
        else:
            break
        at += 1
    if seen == 0 or significant > DIGITS:
        return ZERO, -1
    if at < end and (data[at] == 0x65 or data[at] == 0x45):
        at += 1
        down = False
        if at < end and (data[at] == 0x2D or data[at] == 0x2B):
            down = data[at] == 0x2D
            at += 1
        told = 0
        exponent: Any = np.int64(0)
        while at < end and 0x30 <= data[at] <= 0x39:
            exponent = exponent * 10 + np.int64(data[at]) - 0x30
            told += 1
            at += 1
        if told == 0 or told > 4:
            return ZERO, -1
        power += -exponent if down else exponent
    bits, sure = scaled(digits, power)
    return bits | sign, at if sure else -1
