"""The report as plain text, for mail."""

from __future__ import annotations

from analyzer.reports.page import Page, Said, Table

_ROWS = 20


def text_of(page: Page) -> str:
    """Headline, sentence, figures, tables of at most 20 rows, sentences, footer."""
    lines = [page.headline, "", page.sentence, ""]
    lines += [
        f"{one.label}: {one.value}{f' ({one.hint})' if one.hint else ''}" for one in page.figures
    ]
    for block in page.blocks:
        if isinstance(block, Table):
            lines += ["", block.title, *_table(block)]
        elif isinstance(block, Said):
            lines += ["", block.title, *(f"- {_line(said)}" for said in block.lines)]
    return "\n".join([*lines, "", "-- ", *page.footer, ""])


def _table(table: Table) -> list[str]:
    rows = [[_line(cell) for cell in row] for row in table.rows[:_ROWS]]
    left = len(table.rows) - len(rows)
    shown = [list(table.head), *rows, *([list(table.total)] if table.total else [])]
    widths = [max(len(row[i]) for row in shown) for i in range(len(table.head))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < table.texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    ]
    return [*lines, *([f"({left} more in the attached report)"] if left else [])]


def _line(text: str) -> str:
    """No name may begin a line of its own."""
    return " ".join(text.split())
