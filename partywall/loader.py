"""Plain tables into frozen settings dataclasses, strictly: every fault is found in one pass.

The types a settings field may have: str, int, float, bool, Decimal, Path, date, enums, Literal,
NewType of these, other settings dataclasses, tuples, frozensets and mappings of them, and each of
these or None.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the configuration, and what to do about it."""

    key: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.key}: {self.what} ({self.remedy})"
            if self.remedy
            else f"{self.key}: {self.what}"
        )


class Unfit(Exception):
    """A value does not fit its field: what is wrong, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class EnvText(str):
    """A value from the environment: text that may stand for a number, a boolean or a list."""

    __slots__ = ()


_FAILED = object()


def fields_of(cls: type) -> Mapping[str, Any]:
    """The settings a dataclass takes: name and type."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def singulars(cls: type) -> Mapping[str, str]:
    """Fields that list settings, by the name one table has in the file: price -> prices."""
    return {singular(name): name for name, kind in fields_of(cls).items() if lists_settings(kind)}


def singular(name: str) -> str:
    """The name of one entry of a list field: `resources` is written `[[resource]]`."""
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") else name


def lists_settings(kind: Any) -> bool:
    """Is this the type of a list of settings tables?"""
    return get_origin(kind) is tuple and dataclasses.is_dataclass(get_args(kind)[0])


def load(cls: type[T], table: Mapping[str, Any], at: str, faults: list[Fault]) -> T | None:
    """Build `cls` from a table; None when something does not fit (the faults say what)."""
    kinds = fields_of(cls)
    before = len(faults)
    values = {}
    for written, raw in table.items():
        key = singulars(cls).get(written, written)
        if key not in kinds or key in values:
            faults.append(Fault(_join(at, written), "is not a setting", _nearest(written, kinds)))
            continue
        value = convert(kinds[key], raw, _join(at, written), faults)
        if value is not _FAILED:
            values[key] = value
    for field in dataclasses.fields(cls):
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if field.init and required and field.name not in table:
            faults.append(Fault(_join(at, field.name), "is missing", f"add {field.name} = ..."))
    if len(faults) > before:
        return None
    try:
        return cls(**values)
    except ValueError as wrong:
        faults.append(Fault(at, str(wrong), "see docs/reference/configuration.md"))
        return None


def convert(kind: Any, raw: Any, at: str, faults: list[Fault]) -> Any:
    """One value as its type demands; `_FAILED` when it does not fit."""
    try:
        return _convert(kind, raw, at, faults)
    except Unfit as unfit:
        faults.append(Fault(at, unfit.what, unfit.remedy))
        return _FAILED


def _convert(kind: Any, raw: Any, at: str, faults: list[Fault]) -> Any:
    kind = _bare(kind)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), raw, at, faults)
    if origin is Literal:
        return _choice(get_args(kind), raw)
    if isinstance(raw, EnvText) and (origin is not None or dataclasses.is_dataclass(kind)):
        raw = _parsed(raw)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _or_failed(load(kind, _table(raw), at, faults))
    if origin in (tuple, frozenset, list, Sequence):
        return _many(kind, raw, at, faults)
    if origin in (dict, Mapping):
        of = get_args(kind)[1]
        return {
            key: convert(of, value, f"{at}.{key}", faults) for key, value in _table(raw).items()
        }
    return _scalar(kind, raw)


def _bare(kind: Any) -> Any:
    while hasattr(kind, "__supertype__"):
        kind = kind.__supertype__
    return kind


def _or_failed(value: Any) -> Any:
    return _FAILED if value is None else value


def _one_of(kinds: tuple[Any, ...], raw: Any, at: str, faults: list[Fault]) -> Any:
    if raw is None:
        return None
    real = [kind for kind in kinds if kind is not type(None)]
    first: Unfit | None = None
    for kind in real:
        try:
            return _convert(kind, raw, at, faults)
        except Unfit as unfit:
            first = first or unfit
    raise first or Unfit("cannot be set", "leave it out")


def _choice(allowed: tuple[Any, ...], raw: Any) -> Any:
    if raw in allowed:
        return allowed[allowed.index(raw)]
    raise Unfit(f"is {_show(raw)}", "one of " + ", ".join(str(choice) for choice in allowed))


def _many(kind: Any, raw: Any, at: str, faults: list[Fault]) -> Any:
    origin, of = get_origin(kind), get_args(kind)
    if not isinstance(raw, list | tuple):
        raise Unfit(f"is {_show(raw)}, not a list", "write [ ... ], or [[ ... ]] for tables")
    fixed = origin is tuple and not (len(of) == 2 and of[1] is Ellipsis)
    if fixed and len(raw) != len(of):
        raise Unfit(f"has {len(raw)} values", f"give {len(of)}")
    kinds = of if fixed else [of[0]] * len(raw)
    values = [
        convert(k, v, f"{at}[{i}]", faults) for i, (k, v) in enumerate(zip(kinds, raw, strict=True))
    ]
    if any(value is _FAILED for value in values):
        return _FAILED
    return frozenset(values) if origin is frozenset else tuple(values)


def _table(raw: Any) -> Mapping[str, Any]:
    if isinstance(raw, Mapping):
        return raw
    raise Unfit(f"is {_show(raw)}, not a table", "write a [section] or { key = value }")


def _parsed(text: str) -> Any:
    """A TOML value in an environment variable: `[1, 2]`, `{a = 1}`; a bare word is itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return [part.strip() for part in text.split(",")]


def _scalar(kind: Any, raw: Any) -> Any:
    if kind is Any:
        return raw
    if kind is bool:
        return _boolean(raw)
    if kind in (int, float, Decimal):
        return _number(kind, raw)
    if kind in (str, Path):
        return _text(kind, raw)
    if kind in (date, datetime):
        return _date(kind, raw)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _member(kind, raw)
    raise Unfit("has a type the loader does not know", f"report this: {kind!r}")


def _boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, EnvText) and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    raise Unfit(f"is {_show(raw)}", "true or false")


def _number(kind: type, raw: Any) -> Any:
    textual = isinstance(raw, EnvText) or (kind is Decimal and isinstance(raw, str))
    whole = isinstance(raw, int) and not isinstance(raw, bool)
    if not (textual or whole or (kind is not int and isinstance(raw, float))):
        raise Unfit(f"is {_show(raw)}", "a whole number" if kind is int else "a number")
    try:
        value = kind(str(raw) if kind is Decimal else raw)
    except (ValueError, InvalidOperation):
        raise Unfit(f"is {_show(raw)}", "a number") from None
    if value != value or abs(value) == float("inf"):
        raise Unfit(f"is {_show(raw)}", "a finite number")
    return value


def _text(kind: type, raw: Any) -> Any:
    if not isinstance(raw, str | Path):
        raise Unfit(f"is {_show(raw)}", 'text in quotes: "..."')
    text = str(raw)
    return Path(text).expanduser() if kind is Path else resolve_secret(text)


def resolve_secret(text: str) -> str:
    """`env:NAME` and `file:PATH` stand for what the variable or the file holds."""
    how, _, name = text.partition(":")
    if how == "env":
        if name not in os.environ:
            raise Unfit(f"names the variable {name}, which is not set", f"export {name}=...")
        return os.environ[name]
    if how == "file":
        try:
            return Path(name).expanduser().read_text("utf-8").strip()
        except OSError as wrong:
            raise Unfit(
                f"names the file {name}: {wrong.strerror}", "create it, readable by us"
            ) from None
    return text


def _date(kind: type, raw: Any) -> Any:
    if isinstance(raw, kind):
        return raw
    try:
        return kind.fromisoformat(str(raw))  # type: ignore[attr-defined]
    except ValueError:
        raise Unfit(f"is {_show(raw)}", "a date such as 2026-11-16") from None


def _member(kind: type[Enum], raw: Any) -> Enum:
    try:
        return kind(str(raw) if isinstance(raw, EnvText) else raw)
    except ValueError:
        raise Unfit(f"is {_show(raw)}", "one of " + ", ".join(str(m.value) for m in kind)) from None


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    return f"did you mean {close[0]}?" if close else "known here: " + ", ".join(sorted(known))


def _show(raw: Any) -> str:
    text = repr(str(raw)) if isinstance(raw, str) else str(raw)
    return text if len(text) <= 60 else text[:57] + "..."


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key
