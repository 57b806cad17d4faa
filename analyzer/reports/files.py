"""Reports on disk: complete or not there, never half."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.reports.csv_file import render_csv
from analyzer.reports.document import WHOLE, Document, ending
from analyzer.reports.focus_file import render_focus
from analyzer.reports.html_file import render_html
from analyzer.reports.json_file import render_json
from analyzer.reports.pdf_file import render_pdf
from analyzer.reports.xlsx_file import render_xlsx
from collector.model import Rejected, Rejection

_RENDERERS: dict[str, Callable[[Document], bytes]] = {
    "html": render_html,
    "csv": render_csv,
    "xlsx": render_xlsx,
    "pdf": render_pdf,
    "focus": render_focus,
    "json": render_json,
}


@dataclass(frozen=True, slots=True)
class Written:
    """One file of a report."""

    format: str
    path: Path
    sha256: str


def render(document: Document, format_: str) -> bytes:
    """The report in one format. Raises Rejected(INVALID_FIELD) on one we cannot make."""
    renderer = _RENDERERS.get(format_)
    if renderer is None:
        raise Rejected(
            Rejection.INVALID_FIELD,
            f"format: {format_[:20]!r} is unknown, use one of {', '.join(_RENDERERS)}",
            field="format",
        )
    return renderer(document)


def write_report(document: Document, formats: Sequence[str], directory: Path) -> list[Written]:
    """Write one file a format; the same document twice leaves the same bytes.

    Raises OSError when the disk is full or the directory is not ours to write.
    """
    rendered = [(name, render(document, name)) for name in dict.fromkeys(formats)]
    folder = directory / document.statement.week / f"v{document.version}"
    folder.mkdir(parents=True, exist_ok=True)
    stem = document.statement.week
    if document.tenant is not None:
        stem += "-" + hashlib.sha256(document.tenant.encode()).hexdigest()[:16]
    elif document.view != WHOLE:
        stem += f"-{document.view}"
    return [
        Written(
            name,
            replace_file(folder / f"{stem}.{ending(name)}", data),
            hashlib.sha256(data).hexdigest(),
        )
        for name, data in rendered
    ]


def replace_file(path: Path, data: bytes) -> Path:
    """The whole file, or the one before: never half. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        _sync(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _sync(folder: Path) -> None:
    """The name of a file is on disk only when its directory is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
