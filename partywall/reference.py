"""Writes docs/reference/{commands,configuration}.md from the commands and settings themselves."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from partywall.config import ServiceSettings, sections
from partywall.loader import fields_of, lists_settings, singular
from partywall.roles import ROLES

DOCS = Path(__file__).parents[1] / "docs" / "reference"

_HEAD = """# Configuration

One TOML file for all roles, `partywall.toml` by default or `--config FILE`. Every section may be
left out; without a file the defaults hold. A fault stops the start, and all faults are shown at
once, each with its key and what to do.

- `PARTYWALL__SECTION__KEY=value` in the environment overrides the file
  (`PARTYWALL__COLLECTOR__LISTEN=0.0.0.0:8601`); lists and tables are written as in TOML.
- A text value `env:NAME` or `file:PATH` is read from there: secrets need not stand in the file.
- A section in double brackets (`[[scrape]]`) may be repeated.

*This page is written by `make docs` from the settings themselves.*
"""


def configuration() -> str:
    """The page of every setting: name, type, default."""
    parts = [_HEAD, *_section("service", ServiceSettings)]
    tables: dict[str, type] = {}
    for role, cls in ROLES.items():
        parts += _section(role, cls, plain=True)
        for name, field in sections(cls).items():
            tables[name] = _inner(fields_of(cls)[field])
        lists = {name for name, field in sections(cls).items() if name != field}
        lists |= {f for f, kind in fields_of(cls).items() if lists_settings(kind) and f in tables}
        for name in list(tables):
            parts += _section(name, tables.pop(name), repeated=name in lists)
    seen: dict[str, str] = {}
    for part in parts:
        seen.setdefault(part.splitlines()[0], part)
    return "\n".join(seen.values())


def _section(name: str, cls: type, *, repeated: bool = False, plain: bool = False) -> Iterator[str]:
    """One heading with its table; lists of settings inside follow as `[[name.entry]]`."""
    heading = f"[[{name}]]" if repeated else f"[{name}]"
    rows = list(_rows(cls, plain=plain))
    if rows:
        words = "" if plain else _words(cls)
        head = "| key | type | default |\n|---|---|---|"
        yield "\n".join([f"## `{heading}`", "", *([words, ""] if words else []), head, *rows, ""])
    if not plain:
        for field, kind in fields_of(cls).items():
            if lists_settings(kind):
                yield from _section(f"{name}.{singular(field)}", _inner(kind), repeated=True)


def _rows(cls: type, *, plain: bool) -> Iterator[str]:
    kinds = fields_of(cls)
    skip = set(sections(cls).values()) if plain else set()
    for field in dataclasses.fields(cls):
        kind = kinds.get(field.name)
        if kind is None or field.name in skip or lists_settings(kind):
            continue
        yield f"| `{field.name}` | {type_words(kind)} | {_default(field)} |"


def _words(cls: type) -> str:
    """The docstring of the settings, unless it is the one dataclasses make."""
    text = " ".join((cls.__doc__ or "").split())
    return "" if text.startswith(f"{cls.__name__}(") else text


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return "required"
    return f"`{_written(value)}`"


def _written(value: object) -> str:
    if isinstance(value, Enum):
        return f'"{value.value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return f'"{value}"'
    if isinstance(value, tuple | list | frozenset):
        return "[" + ", ".join(_written(one) for one in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {_written(v)}" for k, v in value.items()) + "}"
    return "none" if value is None else str(value)


def type_words(kind: Any) -> str:
    """A type in words a reader of TOML knows."""
    while hasattr(kind, "__supertype__"):
        kind = kind.__supertype__
    origin, of = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(one) for one in of if one is not type(None))
    if origin is Literal:
        return " or ".join(f'`"{one}"`' for one in of)
    if origin in (tuple, frozenset, list):
        return f"list of {type_words(of[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return "table"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f'`"{one.value}"`' for one in kind)
    if dataclasses.is_dataclass(kind):
        return "table"
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return plain.get(kind) or str(kind.__name__).lower()


def _inner(kind: Any) -> type:
    inside = [k for k in (*get_args(kind), kind) if isinstance(k, type)]
    return next(k for k in inside if dataclasses.is_dataclass(k))


def commands() -> str:
    """The page of every command, from its own help."""
    import typer

    from partywall.cli import tree

    root = typer.main.get_command(tree)
    lines = ["# Commands", "", "Exit codes: 0 fine, 1 a finding, 2 wrong usage or configuration,"]
    lines += ["3 the service does not answer. Results go to stdout (a table on a terminal, plain"]
    lines += ["columns in a pipe, `-o json` or `-o csv`), progress and errors to stderr.", ""]
    lines += ["*This page is written by `make docs` from the commands themselves.*", ""]
    for name, command in sorted(_walk(root, "partywall")):
        lines += [f"## `{name}`", "", " ".join((command.help or "").split()), ""]
        options = [_option(one) for one in command.params if one.name != "help"]
        lines += [*options, ""] if options else []
    return "\n".join(lines).rstrip() + "\n"


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if path != "partywall":
        yield path, command
    for name, one in (inner or {}).items():
        yield from _walk(one, f"{path} {name}")


def _option(one: Any) -> str:
    written = ", ".join(one.opts) if one.param_type_name == "option" else (one.name or "").upper()
    words = getattr(one, "help", "") or ""
    return f"- `{written}`{': ' + words if words else ''}"


def schemas() -> dict[str, str]:
    """The JSON Schemas of the bodies we send, by format."""
    from analyzer.api.bodies import BODIES, schema

    return {form: json.dumps(schema(form), indent=1) + "\n" for form in BODIES}


def write(directory: Path = DOCS) -> None:
    """Write the pages and the schemas."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "configuration.md").write_text(configuration(), "utf-8")
    (directory / "commands.md").write_text(commands(), "utf-8")
    for form, text in schemas().items():
        (directory / "schemas").mkdir(exist_ok=True)
        (directory / "schemas" / f"{form}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    write()
