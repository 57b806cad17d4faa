"""The address bar holds what the reader looks at, in the names Grafana uses for the same."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlencode

DEFAULT_FROM = "now-6h"
LONGEST = 200

REPORT_FORMATS = {
    "html": "html",
    "pdf": "pdf",
    "xlsx": "xlsx",
    "csv": "csv",
    "focus": "focus.csv",
    "json": "json",
}
"""Formats a report is offered in, those people read first, and how the file of each ends."""


@dataclass(frozen=True, slots=True)
class Address:
    """`start` and `end` are RFC 3339 or `now-6h` style and pass to the API as they are; the other
    fields are the variables `var-resource`, `var-state`, `var-kind`, `var-week` and `search`.
    """

    path: str = "/"
    start: str = DEFAULT_FROM
    end: str = "now"
    search: str = ""
    resource: str = ""
    state: str = ""
    kind: str = ""
    week: str = ""

    @property
    def last(self) -> str:
        """The decoded last part of the path: the id an object page is about."""
        return unquote(self.path.rstrip("/").rpartition("/")[2])[:LONGEST]

    def link(self, **changes: str) -> str:
        """This page with some of its variables changed; an empty value takes one away."""
        parts = [unquote(part) for part in self.path.strip("/").split("/")]
        return link(*parts, **{**self._query(), **changes})

    def _query(self) -> dict[str, str]:
        given = {
            "from": "" if self.start == DEFAULT_FROM else self.start,
            "to": "" if self.end == "now" else self.end,
            "search": self.search,
            "var-resource": self.resource,
            "var-state": self.state,
            "var-kind": self.kind,
            "var-week": self.week,
        }
        return {key: value for key, value in given.items() if value}


def read(path: str | None, query: str | None) -> Address:
    """Unknown keys are ignored and overlong values cut: the address bar is a stranger's input."""
    found = parse_qs((query or "").lstrip("?")[:4000])

    def first(key: str, default: str = "") -> str:
        return (found.get(key) or [default])[0][:LONGEST]

    return Address(
        path=path or "/",
        start=first("from", DEFAULT_FROM),
        end=first("to", "now"),
        search=first("search"),
        resource=first("var-resource"),
        state=first("var-state"),
        kind=first("var-kind"),
        week=first("var-week"),
    )


def link(*parts: str, **query: str) -> str:
    """A path of this site from raw parts: `link("tenants", "50 %", **{"from": "now-1h"})`."""
    path = "/" + "/".join(quote(part, safe=":") for part in parts)
    kept = {key: value for key, value in query.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def quoted(part: str) -> str:
    """One path segment of the API, whatever the id holds."""
    return quote(part, safe="")
