"""The report as one HTML file that needs nothing else: styles and pictures inside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from analyzer.cost.shown import shown, shown_amount
from analyzer.cost.statement import Statement
from analyzer.reports.document import Document, coverage_words
from analyzer.reports.wording import (
    change_words,
    counted_words,
    movers,
    spoken_name,
    unit_costs,
    why_words,
)

_SHOWN_BARS = 12


@dataclass(frozen=True, slots=True)
class Segment:
    """One coloured piece of a bar; `x` and `width` in percent of the picture."""

    name: str
    x: float
    width: float
    amount: str


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    amount: str
    segments: tuple[Segment, ...]


def render_html(document: Document) -> bytes:
    """For the platform's people, or for one tenant when the document says so."""
    name = "tenant.html" if document.tenant is not None else "report.html"
    statement = shown(document.statement)
    line = next((t for t in statement.tenants if t.tenant == document.tenant), None)
    exact = {line.tenant: line for line in document.statement.tenants}
    text = (
        _templates()
        .get_template(name)
        .render(
            document=document,
            s=statement,
            line=line,
            delta=_delta(document),
            why=lambda line: why_words(statement, line),
            spoken=spoken_name,
            movers=movers(document.statement),
            counted=counted_words(statement),
            units=lambda line: unit_costs(document.statement, exact[line.tenant]),
            money=statement.money,
            change=lambda line: change_words(exact[line.tenant]),
            covered=coverage_words,
            bill_bar=bill_bar(statement),
            bars=tenant_bars(statement),
            revenue=sum(line.revenue or 0 for line in statement.tenants),
            margin=sum(line.margin or 0 for line in statement.tenants),
        )
    )
    return text.encode()


def _delta(document: Document) -> str | None:
    currency = document.statement.terms.currency
    return None if document.delta is None else shown_amount(document.delta, currency)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("analyzer.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def bill_bar(s: Statement) -> Bar:
    """Where the bill went, as one bar."""
    amounts = {"allocated": s.allocated, "idle": s.idle, "unattributed": s.unattributed}
    return _bar(s, "bill", amounts, sum(map(abs, amounts.values())))


def tenant_bars(s: Statement) -> list[Bar]:
    """The dearest tenants, on one scale."""
    top = s.tenants[:_SHOWN_BARS]
    longest = max((sum(map(abs, (t.direct, t.idle, t.shared))) for t in top), default=0)
    return [
        _bar(
            s,
            line.name or line.tenant,
            {"direct": line.direct, "idle": line.idle, "shared": line.shared},
            longest,
        )
        for line in top
        if line.total
    ]


def _bar(s: Statement, label: str, amounts: dict[str, int], longest: int) -> Bar:
    segments, x = [], 0.0
    for name, amount in amounts.items():
        width = 100 * abs(amount) / longest if longest else 0.0
        if width:
            segments.append(Segment(name, round(x, 3), round(width, 3), s.money(amount)))
        x += width
    return Bar(label, s.money(sum(amounts.values())), tuple(segments))
