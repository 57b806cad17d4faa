"""What is done from another process: reading the database's own bytes.

DuckDB keeps others out by a POSIX lock, and POSIX drops a process's lock on a file as soon as the
process closes any handle on it. So the owner must never open the file itself; this module runs
itself as a program that does.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def copied(pairs: Sequence[tuple[Path, Path]]) -> list[tuple[int, str]]:
    """Copy each first to its second, on disk when this returns. Returns size and SHA-256 of each.

    Raises OSError when one cannot be copied.
    """
    found: list[list[Any]] = _ask({"copy": [[str(a), str(b)] for a, b in pairs]})
    return [(int(size), str(digest)) for size, digest in found]


def digests(files: Sequence[Path]) -> list[tuple[int, str] | None]:
    """Size and SHA-256 of each file; None for one that is not there."""
    found: list[list[Any] | None] = _ask({"digest": [str(file) for file in files]})
    return [None if one is None else (int(one[0]), str(one[1])) for one in found]


def holding(directory: Path, word: str) -> list[str]:
    """Files under a directory whose name or bytes hold a word, bounded as ids are."""
    found: list[str] = _ask({"search": [str(directory), word]})
    return found


def _ask(request: dict[str, Any]) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "analyzer.store.outside"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no answer")
    return json.loads(done.stdout)


def _copy(source: str, target: str) -> tuple[int, str]:
    place = Path(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    found = _digest(target)
    assert found is not None
    return found


def _digest(file: str) -> tuple[int, str] | None:
    path = Path(file)
    if not path.is_file():
        return None
    with path.open("rb") as opened:
        return path.stat().st_size, hashlib.file_digest(opened, "sha256").hexdigest()


def _search(directory: str, word: str) -> list[str]:
    root = Path(directory)
    sought = re.compile(rb"(?<![\w.\-])" + re.escape(word.encode()) + rb"(?![\w\-]|\.\w)")
    return [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if _has(path, sought)]


def _has(path: Path, sought: re.Pattern[bytes]) -> bool:
    try:
        return path.is_file() and bool(
            sought.search(os.fsencode(path.name)) or sought.search(path.read_bytes())
        )
    except FileNotFoundError:  # the drain was faster
        return False


def main() -> None:
    request = json.load(sys.stdin)
    if "copy" in request:
        answer: Any = [_copy(*pair) for pair in request["copy"]]
    elif "digest" in request:
        answer = [_digest(file) for file in request["digest"]]
    else:
        answer = _search(*request["search"])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
