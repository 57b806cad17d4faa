"""What each reader is shown: a file a view, all pure from document to page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from analyzer.reports.document import Document
from analyzer.reports.page import Page, Said
from analyzer.reports.views import account, executive, finance, sre

MOST = 100_000

_VIEWS: Mapping[str, Callable[[Document, int], Page]] = {
    "exec": executive.page,
    "account": account.page,
    "sre": sre.page,
    "finance": finance.page,
}


def page_of(document: Document, most: int = MOST) -> Page:
    """The page of the document's view; tables of tenants are cut after `most` rows."""
    page = _VIEWS[document.view](document, most)
    if not document.also:
        return page
    return replace(page, blocks=[*page.blocks, Said("also", "Other weeks", "", document.also)])
