"""Whoever starts a child takes it along when it dies, even by SIGKILL."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping

PARENT = "PARTYWALL_PARENT"
"""Environment variable by which a child learns whose death is its own."""

_PR_SET_PDEATHSIG = 1


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child of this process that calls `hold`."""
    return {
        **(os.environ if base is None else base),
        PARENT: str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
    }


def hold() -> None:
    """In a child: end with the parent that started us (SIGTERM); nothing without such a parent."""
    named = os.environ.pop(PARENT, "")
    if not named.isdigit():
        return
    parent = int(named)
    if not _signal_on_parent_death():
        threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()
    if os.getppid() != parent:  # it died before we could ask to be told
        sys.exit("partywall: the process that started this one is gone")


def die_with_parent() -> None:
    """A `preexec_fn` for a child that is not ours (Prometheus, Chromium): SIGKILL with us."""
    _signal_on_parent_death(signal.SIGKILL)


def _signal_on_parent_death(number: signal.Signals = signal.SIGTERM) -> bool:
    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) == 0)
    except (OSError, AttributeError, TypeError):  # not Linux
        return False


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
