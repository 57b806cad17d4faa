"""Newer peers than this Debian ships, out of Debian's unstable: `python -m tests.peers.newer`.

The packages are unpacked, not installed, under `.peers/` of the checkout. Addresses come from the
machine's own sources, whose suite is replaced; nothing of the machine is changed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / ".peers"
PACKAGES = {"prometheus": "usr/bin/prometheus", "victoria-metrics": "usr/bin/vmagent"}
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def newer(package: str) -> str:
    """The newer program of a package; the test is skipped when it was not fetched."""
    program = ROOT / package / PACKAGES[package]
    if not program.exists():
        pytest.skip(f"no newer {package} in .peers: make peers (needs apt), or run .ci/run")
    return str(program)


def fetch() -> None:
    """Download and unpack what is missing. Raises CalledProcessError when apt cannot."""
    missing = [name for name, program in PACKAGES.items() if not (ROOT / name / program).exists()]
    if not missing:
        return
    state = ROOT / "apt"
    for folder in ("parts", "lists/partial", "cache/archives/partial", "packages"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    stanza = _SOURCES.read_text("utf-8").split("\n\n")[0]
    text = re.sub(r"(?m)^Suites:.*", "Suites: sid", stanza)
    (state / "parts" / "sid.sources").write_text(text + "\n", "utf-8")
    options = [
        "Dir::Etc::SourceList=/dev/null", f"Dir::Etc::SourceParts={state / 'parts'}",
        f"Dir::State::Lists={state / 'lists'}", f"Dir::Cache={state / 'cache'}",
        "APT::Sandbox::User=root",
    ]  # fmt: skip
    apt = ["apt-get", "-qq", *(word for one in options for word in ("-o", one))]
    run = {"check": True, "timeout": 300, "cwd": state / "packages"}
    subprocess.run([*apt, "update"], **run)  # type: ignore[call-overload]
    subprocess.run([*apt, "download", *missing], **run)  # type: ignore[call-overload]
    for name in missing:
        (archive,) = (state / "packages").glob(f"{name}_*.deb")
        subprocess.run(["dpkg", "-x", os.fspath(archive), os.fspath(ROOT / name)], check=True)
        archive.unlink()


if __name__ == "__main__":
    fetch()
    sys.stdout.write(f"newer peers are in {ROOT.name}\n")
