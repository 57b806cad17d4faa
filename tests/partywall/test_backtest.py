"""`backtest --against`: what two configurations would have told of the same history."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from partywall import cli
from tests.analyzer.backtest.test_backtest import CALM, NOISY, recorded


def test_what_one_configuration_alone_would_have_told_is_listed(tmp_path: Path) -> None:
    history = tmp_path / "history"
    history.mkdir()
    recorded(history, NOISY, CALM)
    loud, deaf = tmp_path / "loud.toml", tmp_path / "deaf.toml"
    loud.write_text("")
    deaf.write_text("[flags]\nmin_confidence = 1.0\n")
    asked = ["backtest", str(history), "-c", str(loud), "--against"]

    alone = CliRunner().invoke(cli.tree, [*asked, str(deaf)])
    (told,) = [json.loads(line) for line in alone.stdout.splitlines()]
    assert (told["told_by"], told["aggressors"]) == ("first", ["acme"])
    assert f"only {loud}" in alone.stderr.replace("\n", "")

    alike = CliRunner().invoke(cli.tree, [*asked, str(loud)])
    (told,) = [json.loads(line) for line in alike.stdout.splitlines()]
    assert told["told_by"] == "both"
    assert "0 s sooner" in alike.stderr
