"""What is delivered: the files of one report, named so that no name of a tenant is a path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.reports.document import FORMATS, Document, ending
from analyzer.reports.files import render


@dataclass(frozen=True, slots=True)
class Piece:
    """One file. `path` is relative: week, version, name."""

    path: str
    format: str
    content_type: str
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A report on its way: the document it is made of and its files."""

    document: Document
    pieces: tuple[Piece, ...]

    @property
    def folder(self) -> str:
        return folder(self.document)

    def manifest(self) -> bytes:
        """What is in the folder, with hashes; the same for the same parcel."""
        s = self.document.statement
        said = {
            "week": s.week,
            "version": self.document.version,
            "status": s.status,
            "view": self.document.view,
            "statement_sha256": self.document.sha256,
            "files": [
                {"path": p.path, "bytes": len(p.data), "sha256": p.sha256} for p in self.pieces
            ],
        }
        return (json.dumps(said, indent=1, sort_keys=True) + "\n").encode()


def folder(document: Document) -> str:
    """`2026-W47/v2/finance`; an account's is `2026-W47/v2/account-<hash of the tenant>`."""
    whose = ""
    if document.tenant is not None:
        whose = "-" + hashlib.sha256(document.tenant.encode()).hexdigest()[:16]
    return f"{document.statement.week}/v{document.version}/{document.view}{whose}"


def parcel(document: Document, formats: Sequence[str]) -> Parcel:
    """The document, rendered. Raises Rejected on a format we cannot make."""
    base = folder(document)
    stem = f"{document.statement.week}-v{document.version}"
    return Parcel(
        document,
        tuple(
            Piece(f"{base}/{stem}.{ending(name)}", name, FORMATS[name], render(document, name))
            for name in dict.fromkeys(formats)
        ),
    )
