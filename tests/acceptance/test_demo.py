"""The demo as a newcomer runs it, smaller: it names its noisy neighbour and leaves nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from partywall import lifeline


@pytest.mark.acceptance
@pytest.mark.timeout(500)
def test_the_demo_names_its_noisy_neighbour_and_ends(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    command = [sys.executable, "-m", "partywall", "demo", "--tenants", "48", "--data", str(data)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=lifeline.environment(), cwd=tmp_path,
    )  # fmt: skip
    said: list[str] = []
    begun = named = None
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.rstrip())
            if line.startswith("live: "):
                begun = time.monotonic()
            if line.startswith("noisy neighbour named: "):
                named = time.monotonic()
            if named and any("webhook: incident.opened" in heard for heard in said):
                break
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    story = "\n".join([*said, rest])
    assert begun, story
    assert named, story
    assert named - begun < 120, story
    assert "(not the one of the script)" not in story
    assert process.returncode == 0, story
    hooks = [json.loads(file.read_text()) for file in sorted((data / "webhooks").iterdir())]
    assert any(body["type"] == "incident.opened" for body in hooks), story
    assert left_over(str(data)) == []


def left_over(word: str) -> list[str]:
    """Processes that name our directory on their command line: none may be left."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found
