"""Everything fuzzing ever found is read again: refused or taken, never a crash."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.parsers import CORPUS, PARSERS, read

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("parser", PARSERS)
def test_the_corpus_is_read_or_refused(parser):
    kept = sorted((CORPUS / parser).iterdir())
    assert kept, "a corpus without a seed finds nothing: python -m tests.fuzz.parsers"
    for one in kept:
        read(parser, one.read_bytes())


@pytest.mark.parametrize("parser", PARSERS)
def test_every_cut_of_a_seed_is_read_or_refused(parser):
    seed = max((CORPUS / parser).iterdir(), key=lambda one: (one.name[:4] == "seed", one.name))
    body = seed.read_bytes()
    for end in range(0, len(body), max(len(body) // 40, 1)):
        read(parser, body[:end])


@pytest.mark.skipif(find_spec("atheris") is None, reason="no atheris: Python 3.11 on Linux has it")
@pytest.mark.soak
@pytest.mark.parametrize("parser", PARSERS)
def test_a_long_look_finds_nothing(parser, tmp_path):
    run = [sys.executable, "-m", "tests.fuzz", parser, "600"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
