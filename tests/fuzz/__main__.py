"""Fuzz one parser for a while: `python -m tests.fuzz PARSER SECONDS`.

Atheris watches which lines of the parser an input reaches, and keeps those that reach new ones in
`corpus/PARSER`; an input that breaks it is kept there as `crash-...`. All of them are read again by
`make test`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["collector"]):
    from tests.fuzz.parsers import CORPUS, PARSERS, read

_LONGEST = 4096


def main(parser: str, seconds: int) -> None:
    """Ends the process: 0 when nothing was found."""
    if parser not in PARSERS:
        sys.exit(f"no parser {parser}: use one of {', '.join(PARSERS)}")
    folder = CORPUS / parser
    new = Path(".fuzz") / parser
    for directory in (folder, new):
        directory.mkdir(parents=True, exist_ok=True)
    options = [
        sys.argv[0],
        str(new),
        str(folder),
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        "-timeout=5",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup(options, lambda data: read(parser, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
