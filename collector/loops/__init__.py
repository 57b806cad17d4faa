"""Loops over bytes and arrays, compiled by numba: the same answers as the NumPy form beside them.

Nothing here is needed: whoever has a loop compiled also has it in NumPy, which is used until the
compiled one is ready and wherever numba is not installed. `load` compiles, once a machine (the
machine code is kept in a cache directory) and not at all while the service starts: `load_aside`
does it on a thread, and `compiled` says whether it is done.

What a loop promises: no Python object is touched, so that others run meanwhile; arguments were
checked by the caller; every index into a body is compared with its end.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

log = logging.getLogger(__name__)

Loop = TypeVar("Loop", bound=Callable[..., Any])

OFF = "PARTYWALL_COMPILED"
"""Set to `off`, this environment variable keeps the NumPy form."""

_loaded: dict[str, ModuleType | None] = {}
_lock = threading.Lock()


def compiled(name: str) -> ModuleType | None:
    """The module of compiled loops, None until `load` has been through, or failed."""
    return _loaded.get(name)


def load(*names: str, cache: Path | None = None) -> bool:
    """Compile these modules, or read them from the cache. Returns whether all are ready.

    `cache` is where machine code is kept when the installation cannot be written to.
    """
    with _lock:
        for name in names:
            if name not in _loaded:
                _loaded[name] = _module(name, cache)
    return all(_loaded[name] is not None for name in names)


def load_aside(*names: str, cache: Path | None = None) -> threading.Thread:
    """`load` on a thread of its own."""
    thread = threading.Thread(
        target=load, args=names, kwargs={"cache": cache}, name="compile", daemon=True
    )
    thread.start()
    return thread


def _module(name: str, cache: Path | None) -> ModuleType | None:
    if os.environ.get(OFF, "").lower() == "off":
        return None
    began = time.perf_counter()
    try:
        for folder in _keep_code_in(name, cache):
            drop_old_code(folder, name)
        module = importlib.import_module(name)
    except Exception:  # a loop that cannot be had is no reason not to serve
        log.warning("no compiled loops of %s: NumPy does their work", name, exc_info=True)
        return None
    log.info("%s compiled in %.1f s", name, time.perf_counter() - began)
    return module


def _keep_code_in(name: str, cache: Path | None) -> list[Path]:
    """Machine code is kept beside the source where that can be written, else in `cache`. Returns
    where the module's lies."""
    spec = importlib.util.find_spec(name)
    beside = Path(spec.origin).parent if spec and spec.origin else None
    if beside is None:
        return []
    if cache is not None and not os.access(beside, os.W_OK):
        cache.mkdir(parents=True, exist_ok=True)
        numba().config.CACHE_DIR = str(cache)
        return [cache]
    return [beside / "__pycache__"]


def drop_old_code(folder: Path, name: str) -> None:
    """Remove the module's code in `folder` that is older than any source of its package: numba
    itself looks at the age of one file, and helpers stand in others."""
    package, _, module = name.rpartition(".")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    sources = [
        s for place in spec.submodule_search_locations or () for s in Path(place).glob("*.py")
    ]
    newest = max(source.stat().st_mtime_ns for source in sources)
    for index in folder.rglob(f"{module}.*.nbi"):
        if index.stat().st_mtime_ns < newest:
            index.unlink(missing_ok=True)


def loop(*signatures: str) -> Callable[[Loop], Loop]:
    """Compiled at import for these argument types, and kept."""
    made: Any = numba().njit(list(signatures), cache=True, nogil=True, error_model="numpy")
    return cast(Callable[[Loop], Loop], made)


def inlined(function: Loop) -> Loop:
    """Compiled as a part of the loops that call it."""
    made: Any = numba().njit(nogil=True, error_model="numpy")(function)
    return cast(Loop, made)


def numba() -> Any:
    """The library, which takes half a second to come."""
    return importlib.import_module("numba")
