"""Which resource a line of a bill is for: `[[bill_rule]]` tables, the first that fits wins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

_PLACES = ("resource_id", "resource_name", "service", "sku", "subaccount", "provider")
_FIELDS = (*_PLACES, "category")
_TAG = "tag:"
_HOLE = re.compile(r"{([^{}]*)}")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Face:
    """What rules see of a line; lines that look alike are matched once."""

    provider: str = ""
    subaccount: str = ""
    service: str = ""
    sku: str = ""
    resource_id: str = ""
    resource_name: str = ""
    category: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    def tag(self, key: str) -> str:
        return dict(self.tags).get(key, "")


@dataclass(frozen=True, slots=True)
class BillRule:
    """Lines of a bill for a resource. Patterns (`*` any text, `?` one character, case does not
    matter) must all fit; one left out fits everything; a tag is written `"key=pattern"`. `resource`
    may hold `{resource_id}`, `{resource_name}`, `{service}`, `{sku}`, `{subaccount}`, `{provider}`
    and `{tag:KEY}` (a line without that tag does not fit). `kind`, `driver` and `idle` are those of
    the resource's price, unless given here.
    """

    resource: str
    resource_id: str = ""
    resource_name: str = ""
    service: str = ""
    sku: str = ""
    subaccount: str = ""
    provider: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    kind: str = ""
    driver: str = ""
    idle: str = ""

    def problems(
        self, key: str, kinds: Sequence[str], drivers: Sequence[str], policies: Sequence[str]
    ) -> Iterator[str]:
        """Everything wrong, each as "key: what, remedy"."""
        if not self.resource:
            yield f"{key}.resource: is empty, name the resource the lines are for"
        named = _HOLE.findall(self.resource)
        for name in named:
            if name not in _PLACES and not (name.startswith(_TAG) and name != _TAG):
                yield (
                    f"{key}.resource: {{{name[:40]}}} is unknown, use one of "
                    f"{', '.join(_PLACES)} or tag:KEY"
                )
        if not (named or self.tags or any(getattr(self, name) for name in _FIELDS)):
            yield f"{key}: fits every line, give it a pattern such as service"
        for tag in self.tags:
            if "=" not in tag:
                yield f'{key}.tags: {tag[:40]!r} has no "=", write it as "key=pattern"'
        for name, value, known in (
            ("kind", self.kind, ("", *kinds)),
            ("driver", self.driver, drivers),
            ("idle", self.idle, ("", *policies)),
        ):
            if value not in known:
                words = ", ".join(word for word in known if word)
                yield f"{key}.{name}: {value!r} is unknown, use one of {words}"

    def fits(self, face: Face) -> str:
        """The resource of a line that fits, else an empty text."""
        for name in _FIELDS:
            pattern = getattr(self, name)
            if pattern and not _compiled(pattern).match(getattr(face, name)):
                return ""
        for tag in self.tags:
            key, _, pattern = tag.partition("=")
            if not _compiled(pattern).match(face.tag(key)):
                return ""
        return _filled(self.resource, face)


def match(face: Face, rules: Sequence[BillRule]) -> tuple[str, BillRule] | None:
    """The resource of a line and the first rule that fits it."""
    for rule in rules:
        if resource := rule.fits(face):
            return resource, rule
    return None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern), re.IGNORECASE)


def _filled(template: str, face: Face) -> str:
    """The template with what the line says in its holes; empty when the line does not say it."""
    said = {
        name: face.tag(name[len(_TAG) :]) if name.startswith(_TAG) else str(getattr(face, name, ""))
        for name in _HOLE.findall(template)
    }
    if not all(said.values()):
        return ""
    return _HOLE.sub(lambda hole: said[hole[1]], template)[:_LONGEST]
