"""What starting costs: heavy parts come when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["partywall.cli", "collector.app", "analyzer.app"])
def test_starting_waits_for_no_compiler(module: str) -> None:
    """numba takes half a second to import, and compiling seconds: the services do both aside."""
    code = f"import sys, {module}; sys.exit('numba' in sys.modules or 'llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
