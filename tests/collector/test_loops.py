"""Machine code that is kept must not outlive the source it was made of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector import loops


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two modules of loops and code of both, in a cache directory."""
    package = tmp_path / "some_loops"
    package.mkdir()
    for name in ("__init__", "fast", "helpers"):
        (package / f"{name}.py").write_text("")
        os.utime(package / f"{name}.py", (100, 100))
    code = tmp_path / "cache" / "some_loops_0a1b"
    code.mkdir(parents=True)
    for name in ("fast.one-1.py311.nbi", "fast.two-9.py311.nbi", "helpers.one-1.py311.nbi"):
        (code / name).write_text("")
        os.utime(code / name, (200, 200))
    monkeypatch.syspath_prepend(str(tmp_path))
    return code


def test_code_younger_than_every_source_stays(kept: Path) -> None:
    loops.drop_old_code(kept.parent, "some_loops.fast")
    assert len(list(kept.iterdir())) == 3


def test_a_changed_helper_makes_the_code_of_others_old(kept: Path) -> None:
    os.utime(kept.parents[1] / "some_loops" / "helpers.py", (300, 300))
    loops.drop_old_code(kept.parent, "some_loops.fast")
    assert [one.name for one in kept.iterdir()] == ["helpers.one-1.py311.nbi"]


def test_where_nothing_is_kept_nothing_is_removed(tmp_path: Path, kept: Path) -> None:
    loops.drop_old_code(tmp_path / "nowhere", "some_loops.fast")
    assert len(list(kept.iterdir())) == 3
