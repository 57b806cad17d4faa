"""The validators of FOCUS, in an environment of their own: they need Python 3.12.

The environment is made once, in a cache of the user, when a Python 3.12 is found.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

NEEDED = ("focus-data-toolkit[validator]==0.14.1", "focus-validator==2.2.1", "pyarrow<22")
"""The tools; a later pyarrow wants a NumPy that the validator does not."""
_NAME = "focus-0.14.1-2.2.1"
_HOW = (
    "needs Python 3.12 and the package index: install it (pyenv install 3.12, or your system's "
    "python3.12), or name an environment that has the tools with FOCUS_ENV=/path"
)


@dataclass(frozen=True)
class Verdict:
    """What the official validator says: how many rules passed, and which failed."""

    passed: int
    failed: frozenset[str]


@dataclass(frozen=True)
class FocusTools:
    """The tools of one environment."""

    home: Path

    def validated(self, file: Path, junit: Path) -> Verdict:
        """FOCUS 1.2, offline. It opens a file of its own by a path relative to site-packages."""
        (packages,) = self.home.glob("lib/python3.12/site-packages")
        command = [
            str(self.home / "bin/focus-validator"), "--data-file", str(file),
            "--validate-version", "1.2.0.1", "--block-download",
            "--output-type", "unittest", "--output-destination", str(junit),
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=packages, capture_output=True, text=True, check=False, timeout=600
        )
        assert junit.exists(), done.stdout + done.stderr
        return _verdict(junit)

    def check_bundle(self, file: Path) -> None:
        """The structure of 1.4 and the groups of allocated rows. Fails the test when it says no."""
        done = subprocess.run(
            [str(self.home / "bin/focus-toolkit"), "validate-bundle", "--cost-and-usage", file],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def _verdict(junit: Path) -> Verdict:
    failed, passed = set(), 0
    for case in ElementTree.parse(junit).iter("testcase"):
        name = str(case.get("name")).split(" ")[0].split(":")[0]
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(name)
        elif case.find("skipped") is None:
            passed += 1
    return Verdict(passed, frozenset(failed))


@pytest.fixture(scope="session")
def focus_tools() -> FocusTools:
    return FocusTools(_environment())


def _environment() -> Path:
    if given := os.environ.get("FOCUS_ENV"):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "partywall"
    home = cache / _NAME
    if (home / "ready").exists():
        return home
    python = _python()
    if python is None:
        pytest.skip(_HOW)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{_NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of several test workers makes it
        if not (home / "ready").exists():
            _make(python, home)
    return home


def _make(python: str, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    install = [str(home / "bin/pip"), "install", "--quiet", *NEEDED]
    for command in ([python, "-m", "venv", str(home)], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            pytest.skip(f"{_HOW} ({done.stderr.strip().splitlines()[-1:]})")
    (home / "ready").touch()


def _python() -> str | None:
    """A Python 3.12 that runs: a shim of pyenv may stand for none."""
    homes = sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python"), reverse=True)
    for candidate in (shutil.which("python3.12"), *map(str, homes)):
        if candidate:
            asked = [candidate, "-c", "import sys; print(sys.version_info[:2] == (3, 12))"]
            done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
            if done.returncode == 0 and done.stdout.strip() == "True":
                return candidate
    return None
