"""The report as one HTML file that needs nothing else: styles and pictures inside."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from analyzer.reports.document import Document
from analyzer.reports.page import Page
from analyzer.reports.views import page_of


def render_html(document: Document) -> bytes:
    """For the platform's people, or for one tenant when the document says so."""
    return html_of(page_of(document)).encode()


def html_of(page: Page, link: str = "") -> str:
    """A page; `link` is where its files are when they are not with it."""
    return _templates().get_template("page.html").render(page=page, link=link)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("analyzer.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
