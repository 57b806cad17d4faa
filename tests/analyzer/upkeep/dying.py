"""Work on a store in a process that dies in the middle of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from analyzer.store.database import Store


def killed_at(line: int, path: Path, work: Callable[[Store], object], *files: str) -> bool:
    """Do `work` on the store at `path` in a process that dies at its line number `line`, counted in
    the source `files` alone. Returns whether it died.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            store = Store.open(path, threads=1)
            sys.settrace(_dies_at(line, files))
            work(store)
            sys.settrace(None)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def _dies_at(line: int, files: tuple[str, ...]) -> Callable[..., Any]:
    left = [line]

    def step(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.endswith(files):
            return None
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return step

    return step
