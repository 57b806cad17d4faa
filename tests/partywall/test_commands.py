"""The command line against an analyzer that answers from a table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from analyzer.api.views.base import View
from analyzer.api.views.decisions import DecisionView
from analyzer.api.views.incidents import IncidentSummary
from analyzer.api.views.status import Health
from partywall import cli, client, session
from partywall.failures import Failure
from partywall.output import moment, names, number

AT = datetime(2026, 11, 18, 12, tzinfo=UTC)
INCIDENT = IncidentSummary(
    id="INC-7", resource="db:shard-1", kind="noisy_neighbour", state="firing", severity="page",
    sentence="acme on db:shard-1 hurts 2 tenants", aggressors=["acme"], victims=2, confidence=0.94,
    started_at=AT, detected_at=AT, ended_at=None, acknowledged_by=None, label=None,
)  # fmt: skip
DECISION = DecisionView(
    id="DEC-1", action="throttle", state="approved", tenant="acme", resource="db:shard-1",
    incident="INC-7", reason="slows 2 others", created_at=AT, expires_at=AT, limit=1.5,
    limit_low=1.0, limit_high=2.0, limit_unit="busy seconds per second", target=None,
    mode="shadow", decided_by="ann", evidence=[],
)  # fmt: skip
HEALTH = Health(
    version="0.1.0", data_version=1, now=AT, newest_window=AT, data_age_s=4.0, tenants=3,
    resources=1, open_incidents=1, affected_tenants=2, hottest_resource=None,
    hottest_utilisation=None, deliveries_pending=0, deliveries_failed=0, stale_sources=[],
    longest_calm_s=None, sentence="acme hurts 2 tenants",
)  # fmt: skip


def as_json(*views: View) -> str:
    return json.dumps([view.model_dump(mode="json") for view in views])


def answer(request: httpx.Request) -> httpx.Response:
    path = request.url.path.removeprefix("/api/v1")
    if request.method == "POST" and path == "/decisions/DEC-1/approve":
        assert json.loads(request.content) == {"by": "ann"}
        return httpx.Response(200, content=DECISION.model_dump_json())
    if request.method == "POST" and path == "/incidents/INC-7/acknowledge":
        by = json.loads(request.content)["by"]
        return httpx.Response(
            200, content=INCIDENT.model_copy(update={"acknowledged_by": by}).model_dump_json()
        )
    if request.method == "POST" and path == "/report-deliveries":
        return httpx.Response(200, content=b'{"deliveries": 0, "sent": [], "failed": []}')
    known = {
        "/status": HEALTH.model_dump_json(),
        "/incidents": as_json(INCIDENT),
        "/decisions": as_json(DECISION),
        "/resources": "[]",
        "/endpoints": '[{"surprise": 1}]',
    }
    if path in known:
        return httpx.Response(200, content=known[path])
    if path == "/reports/2026-W40":
        return httpx.Response(200, content=b"tenant,total\nacme,1.00\n")
    problem = {
        "type": "about:blank", "title": "Not found", "status": 404, "detail": f"no {path}",
        "id": "not-found", "remedy": "list them first",
    }  # fmt: skip
    return httpx.Response(404, json=problem)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    transport = httpx.MockTransport(answer)

    class Told(client.Client):
        def __init__(self, base: str, token: str = "", *, timeout_s: float = 10) -> None:
            super().__init__(base, token, timeout_s=timeout_s, transport=transport)

    monkeypatch.setattr(client, "Client", Told)
    return CliRunner()


API = ["--api", "http://analyzer.test"]


def test_incidents_are_plain_columns_in_a_pipe_and_exit_1_while_one_fires(run: CliRunner) -> None:
    result = run.invoke(cli.tree, ["incidents", *API])
    assert result.stdout == (
        "INC-7\tfiring\tnoisy_neighbour\tdb:shard-1\tacme\t2\t94%\t2026-11-18 12:00:00\t-\n"
    )
    assert result.exit_code == 1


def test_json_carries_the_whole_answer(run: CliRunner) -> None:
    result = run.invoke(cli.tree, ["incidents", *API, "-o", "json"])
    assert IncidentSummary.model_validate(json.loads(result.stdout)[0]) == INCIDENT


def test_without_a_delivery_the_round_says_so_and_how_to_have_one(run: CliRunner) -> None:
    refused = run.invoke(cli.tree, ["report", "deliver", *API]).exception
    assert isinstance(refused, Failure)
    assert "[[delivery]]" in str(refused)


def test_csv_has_a_heading(run: CliRunner) -> None:
    result = run.invoke(cli.tree, ["decisions", *API, "-o", "csv"])
    heading, row = result.stdout.splitlines()
    assert heading.startswith("decision,state,action")
    assert row.startswith("DEC-1,approved,throttle,acme,db:shard-1,1.5 busy seconds per second,")


def test_an_incident_is_acknowledged_by_name(run: CliRunner) -> None:
    result = run.invoke(cli.tree, ["incidents", "acknowledge", "INC-7", "--by", "ann", *API])
    assert result.stdout == "INC-7: acknowledged by ann\n"


def test_a_decision_is_approved_by_name(run: CliRunner) -> None:
    result = run.invoke(cli.tree, ["decisions", "approve", "DEC-1", "--by", "ann", *API])
    assert result.stdout == "DEC-1: throttle acme on db:shard-1 is approved\n"


def test_status_is_the_sentence(run: CliRunner) -> None:
    result = run.invoke(cli.tree, ["status", *API])
    assert "acme hurts 2 tenants" in result.stdout
    assert result.exit_code == 0


def test_a_report_is_written_under_its_week(run: CliRunner, tmp_path: Path) -> None:
    asked = ["report", "--week", "2026-W40", "--format", "csv", "--output", str(tmp_path), *API]
    result = run.invoke(cli.tree, asked)
    assert result.stdout.strip() == str(tmp_path / "partywall-2026-W40.csv")
    assert (tmp_path / "partywall-2026-W40.csv").read_text() == "tenant,total\nacme,1.00\n"


@pytest.mark.parametrize(
    ("asked", "what", "code"),
    [
        (["explain", "INC-404", *API], "Not found", 1),
        (["endpoints", *API], "is not what this version expects", 3),
        (["report", "--format", "docx", *API], "unknown format docx", 2),
        (["bench", "ingest"], "there is no bench", 2),
        (["backtest", "/does/not/exist"], "cannot read the usage", 2),
    ],
)
def test_a_failure_has_what_why_fix_and_a_code(
    run: CliRunner, asked: list[str], what: str, code: int, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = run.invoke(cli.tree, asked)
    assert isinstance(result.exception, Failure)
    assert what in result.exception.what
    assert result.exception.why
    assert result.exception.fix
    assert result.exception.code == code


def partywall(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "partywall", *words], capture_output=True, text=True, check=False,
        cwd=cwd, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def test_an_unreachable_service_is_three_lines_and_code_3(tmp_path: Path) -> None:
    done = partywall("incidents", "--api", "http://127.0.0.1:9", cwd=tmp_path)
    what, why, fix = done.stderr.splitlines()
    assert what == "partywall: no analyzer answers at http://127.0.0.1:9"
    assert why.startswith("why: ")
    assert fix.startswith("fix: ")
    assert done.returncode == 3


def test_help_is_quick_because_nothing_heavy_is_imported(tmp_path: Path) -> None:
    code = "import sys, partywall.cli; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    heavy = {"duckdb", "polars", "pyarrow", "numpy", "fastapi", "dash", "scipy", "httpx"}
    assert heavy.isdisjoint(done.stdout.split())


def test_a_token_is_shown_once_and_kept_as_its_hash(tmp_path: Path) -> None:
    import hashlib
    import tomllib

    done = partywall("tokens", 'ci "one"', "--scope", "read", cwd=tmp_path)
    kept = tomllib.loads(done.stderr.partition("\n\n")[2])["token"][0]
    assert kept["name"] == 'ci "one"'
    assert kept["sha256"] == hashlib.sha256(done.stdout.strip().encode()).hexdigest()


def test_words_for_numbers_times_and_names() -> None:
    assert number(None) == "-"
    assert number(0.12345, " s") == "0.123 s"
    assert moment(None) == "-"
    assert names(["a", "b", "c", "d", "e"]) == "a, b, c +2"
    assert names([]) == "-"


def test_the_address_of_the_configuration_is_asked_without_api(tmp_path: Path) -> None:
    file = tmp_path / "partywall.toml"
    file.write_text("[analyzer]\nlisten = '127.0.0.1:1234'")
    assert session.target(file, "").api == "http://127.0.0.1:1234"
