"""The report as PDF, set by typst. Names reach the page as data, so no markup in them works."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib import resources

import typst

from analyzer.reports.document import Document
from analyzer.reports.page import Page, Table
from analyzer.reports.views import page_of

_ROWS = 250
"""Rows of a table on paper; the CSV and the workbook have them all."""


def render_pdf(document: Document) -> bytes:
    """The same statement is the same bytes."""
    return pdf_of(page_of(document, most=_ROWS))


def pdf_of(page: Page) -> bytes:
    """One page description as PDF."""
    template = resources.files("analyzer.reports").joinpath("templates/report.typ")
    blocks = [
        replace(b, rows=[*b.rows, *([b.total] if b.total else [])]) if isinstance(b, Table) else b
        for b in page.blocks
    ]
    data = asdict(page) | {
        "blocks": [
            asdict(block) | {"summed": bool(isinstance(block, Table) and block.total)}
            for block in blocks
        ],
    }
    made = typst.compile(
        template.read_bytes(), sys_inputs={"data": json.dumps(data)}, format="pdf", timestamp=0
    )
    return bytes(made)
