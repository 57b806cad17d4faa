"""The shipped alert rules, checked and tested by Prometheus's own tool."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from analyzer.pulse import OutboxMetrics, Pulse
from analyzer.store.database import Store
from tests.analyzer.journal.cast import at

RULES = Path(__file__).parents[2] / "deploy" / "prometheus"
TOOL = shutil.which("promtool")


@pytest.mark.peer
@pytest.mark.skipif(TOOL is None, reason="needs promtool (apt install prometheus)")
@pytest.mark.parametrize(
    "words",
    [("check", "rules", "partywall.rules.yml"), ("test", "rules", "partywall.rules.test.yml")],
)
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(words):
    done = subprocess.run(
        [str(TOOL), *words], cwd=RULES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_name_only_metrics_there_are():
    store, pulse = Store.open(None), Pulse(CollectorRegistry())
    there = {
        sample.name
        for metric in (*pulse.registry.collect(), *OutboxMetrics(store, lambda: at(0)).collect())
        for sample in metric.samples
    }
    labelled = {"partywall_deliveries_total"}  # has no sample before the first attempt
    used = set(re.findall(r"partywall_\w+", (RULES / "partywall.rules.yml").read_text("utf-8")))
    store.close()
    assert used <= there | labelled
