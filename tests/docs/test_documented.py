"""Documented or it does not pass: what a user can meet has a heading or a row in the reference."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from analyzer.app import Analyzer, build
from analyzer.config import AnalyzerSettings
from analyzer.decisions.lifecycle import TOLD
from analyzer.journal.transitions import SILENT
from analyzer.model import EventType, TransitionType
from collector.model import Rejection

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"


def headings(page: str) -> set[str]:
    lines = (REFERENCE / page).read_text("utf-8").splitlines()
    return {line.lstrip("# ").strip("`").strip() for line in lines if line.startswith("#")}


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> AnalyzerSettings:
    return AnalyzerSettings(data=tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("rejection", [reason.value for reason in Rejection])
def test_every_rejection_has_a_heading(rejection):
    assert rejection in headings("rejections.md")


def told() -> set[str]:
    moves = {f"incident.{t.value}" for t in TransitionType if t not in SILENT}
    return moves | {f"decision.{s.value}" for s in TOLD} | {kind.value for kind in EventType}


@pytest.mark.parametrize("kind", sorted(told()))
def test_every_event_has_a_row(kind):
    rows = (REFERENCE / "events.md").read_text("utf-8").splitlines()
    assert any(line.startswith(f"| `{kind}` |") for line in rows)


def test_every_job_has_a_heading(settings):
    analyzer = Analyzer.open(settings)
    jobs = {job.name for job in analyzer.jobs()}
    analyzer.close()
    assert jobs
    assert jobs <= headings("api.md")


def test_every_route_has_a_row_and_every_row_a_route(settings):
    app = build(settings, scheduled=False)
    routes = {
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    analyzer = (REFERENCE / "api.md").read_text("utf-8").split("## Analyzer")[1]
    rows = {line.split("`")[1] for line in analyzer.splitlines() if line.startswith("| `")}
    assert rows == routes


@pytest.mark.parametrize("page", ["meters.md"])
def test_generated_pages_are_as_the_code_says(page):
    written = runpy.run_path(str(DOCS / "tables.py"))["PAGES"][page]()
    assert (REFERENCE / page).read_text("utf-8") == written, "run: python docs/tables.py"
