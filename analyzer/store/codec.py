"""Frozen dataclasses as JSON text and back, exactly: enums, aware datetimes, tuples, NaN, infinity.

`msgspec` does the types; the standard library writes the text, because it keeps NaN and infinity
(as `NaN` and `Infinity`) where strict JSON would silently turn them into null and make one odd
number unreadable for ever.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def dump(value: object) -> str:
    """One line of ASCII JSON. NumPy scalars become the Python number they hold."""
    return json.dumps(msgspec.to_builtins(value, enc_hook=_plain), separators=(",", ":"))


def load(text: str, of: type[T]) -> T:
    """The value `dump` wrote. Raises msgspec.ValidationError when `text` is no `of`."""
    return msgspec.convert(json.loads(text), of)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise NotImplementedError(f"cannot write a {type(value).__name__} as JSON")
