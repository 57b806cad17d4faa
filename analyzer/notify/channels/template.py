"""The operator's own JSON: a template over the plain data of the body, in a cage.

A template is an expression language here, not a program. It is parsed and refused unless every
node is on the list: text, output, `if`, `for` (two deep at most), comparisons, arithmetic and the
filters below. There are no calls, no assignments, no macros and no includes, so loops are as long
as the data and nothing grows. Names lead to values of the data only: an attribute is looked up as
a key, never on the Python object (and beneath it all works jinja2's own sandbox).

Texts are written as JSON strings want them (quotes escaped), so `"text": "{{ summary }}"` is
right; `{{ incident | tojson }}` writes a whole value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from analyzer.notify.channels.message import MAX_BODY

MAX_TEMPLATE = 8_000
MAX_DEPTH = 2

_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr,
    nodes.Getitem, nodes.If, nodes.For, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And,
    nodes.Or, nodes.Not, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.Neg, nodes.Concat,
    nodes.Filter, nodes.Test, nodes.Tuple,
)  # fmt: skip
_TESTS = ("defined", "none", "in", "string", "number", "mapping", "true", "false", "sequence")
_FILTERS = (
    "abs", "default", "d", "first", "float", "int", "join", "last", "length", "list", "lower",
    "max", "min", "round", "string", "sum", "title", "tojson", "trim", "upper",
)  # fmt: skip

_LOOP = ("first", "last", "index", "index0", "length")
"""What a loop tells of itself."""


class TemplateFailed(Exception):
    """The template cannot be used, or not on this event; the text says why and where."""


class _Cage(ImmutableSandboxedEnvironment):
    """Names are keys, factors are numbers."""

    intercepted_binops = frozenset({"*"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, StrictUndefined):
            str(obj)  # says which name it was, and fails
        if isinstance(obj, LoopContext) and argument in _LOOP:
            return getattr(obj, argument)
        try:
            if isinstance(obj, Mapping | list | str):
                return obj[argument]
        except (KeyError, IndexError, TypeError):
            pass
        return self.undefined(obj=obj, name=str(argument)[:80])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        if isinstance(left, int | float) and isinstance(right, int | float):
            return left * right
        raise SecurityError("only numbers can be multiplied")


def _written(value: Any) -> Any:
    """A value as the inside of JSON: what `tojson` wrote already stays."""
    if isinstance(value, Markup | StrictUndefined):
        return value
    if isinstance(value, str):
        return json.dumps(value)[1:-1]
    return Markup(json.dumps(value))


def _cage() -> _Cage:
    cage = _Cage(undefined=StrictUndefined, finalize=_written, autoescape=False)
    cage.globals.clear()
    cage.filters = {name: cage.filters[name] for name in _FILTERS}
    cage.filters["tojson"] = lambda value: Markup(json.dumps(value))
    cage.tests = {name: cage.tests[name] for name in _TESTS}
    return cage


@lru_cache(maxsize=64)
def _compiled(text: str) -> Any:
    if len(text) > MAX_TEMPLATE:
        raise TemplateFailed(f"is longer than {MAX_TEMPLATE} characters, shorten it")
    cage = _cage()
    try:
        tree = cage.parse(text)
        _judge(tree, 0)
        return cage.from_string(tree)
    except TemplateSyntaxError as wrong:
        raise TemplateFailed(f"line {wrong.lineno}: {wrong.message}") from wrong
    except (TemplateError, RecursionError) as wrong:
        raise TemplateFailed(str(wrong) or type(wrong).__name__) from wrong


def _judge(node: nodes.Node, depth: int) -> None:
    """Refuses what is not on the list, with its line."""
    where = f"line {node.lineno}: "
    if not isinstance(node, _NODES):
        raise TemplateFailed(f"{where}{type(node).__name__.lower()} is not allowed in a template")
    if isinstance(node, nodes.For):
        depth += 1
        if depth > MAX_DEPTH or node.recursive:
            raise TemplateFailed(f"{where}loops stand at most {MAX_DEPTH} deep")
    if isinstance(node, nodes.Filter) and (node.dyn_args or node.dyn_kwargs):
        raise TemplateFailed(f"{where}star arguments are not allowed in a template")
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        raise TemplateFailed(f"{where}there is no filter {node.name}, use {', '.join(_FILTERS)}")
    for child in node.iter_child_nodes():
        if not isinstance(child, nodes.Keyword | nodes.Pair):
            _judge(child, depth)


def check(text: str) -> str:
    """What is wrong with the template itself; nothing when it can be tried."""
    try:
        _compiled(text)
    except TemplateFailed as wrong:
        return str(wrong)
    return ""


def fill(text: str, data: Mapping[str, Any]) -> bytes:
    """The JSON the template makes of the data. Raises TemplateFailed."""
    template = _compiled(text)
    size, parts = 0, []
    try:
        for part in template.generate(**data):
            parts.append(part)
            size += len(part)
            if size > 4 * MAX_BODY:
                raise TemplateFailed(f"the body is larger than {MAX_BODY} bytes")
        made = "".join(parts)
        json.loads(made)
    except (TemplateError, SecurityError) as wrong:
        raise TemplateFailed(str(wrong)) from wrong
    except json.JSONDecodeError as wrong:
        raise TemplateFailed(f"is no JSON: {wrong.msg} at line {wrong.lineno}") from wrong
    except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as wrong:
        raise TemplateFailed(f"{type(wrong).__name__}: {wrong}") from wrong
    body = made.encode("utf-8", "backslashreplace")
    if len(body) > MAX_BODY:
        raise TemplateFailed(f"the body is larger than {MAX_BODY} bytes")
    return body
