"""An incident in sentences."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from analyzer.incidents.explain import explain, sentence
from analyzer.model import Check, Harm, IncidentState, Kind, Rival, Signal
from collector.model import TenantId
from tests.analyzer.incidents.test_flags import ACME, START, finding, play


def told(kind: Kind, *by: str) -> str:
    kept, _ = play([[finding(kind, *by)]] * 8)
    return sentence(kept[0])


@pytest.mark.parametrize(
    ("kind", "by", "said"),
    [
        (Kind.NOISY_NEIGHBOUR, ("acme",), "acme slows 1 tenant on db:main by 3.0 times"),
        (
            Kind.NOISY_NEIGHBOUR,
            ("acme", "hooli"),
            "acme and hooli slows 1 tenant on db:main by 3.0 times",
        ),
        (Kind.CAPACITY, (), "everyone grew on db:main: 1 tenant is 3.0 times slower than normal"),
        (Kind.DEGRADED, (), "db:main itself is failing: 1 tenant is 3.0 times slower than normal"),
        (
            Kind.SELF_INFLICTED,
            ("acme",),
            "acme is slow on db:main by its own doing; nobody else is hurt",
        ),
    ],
)
def test_one_sentence_says_who_hurts_whom(kind: Kind, by: tuple[str, ...], said: str):
    assert told(kind, *by) == said.replace("hooli slows", "hooli slow")


def test_the_story_says_evidence_counterfactual_rivals_caveats_and_doubt():
    found = replace(
        ACME,
        checks=(
            Check("surge", passed=True, value=9.0, threshold=3.0, detail="it surged"),
            Check("leads", passed=False, value=0.0, threshold=0.1, detail="it came late"),
            Check("share", passed=None, value=None, threshold=None, detail="no volume is sent"),
        ),
        rivals=(Rival(TenantId("hooli"), 0.1, "its excess is 1%"),),
        caveats=("2 of the last 60 windows are missing",),
        relief_curve=((0.5, 1.75), (1.0, 1.0)),
        limit=1.25,
        limit_low=1.0,
        limit_high=1.5,
    )
    kept, _ = play([[found]] * 3)
    story = explain(kept[0])
    assert "Speaks for it: it surged." in story
    assert "Speaks against it: it came late." in story
    assert "With half of the excess gone they would be at 1.75." in story
    assert "Could not be tested: no volume is sent." in story
    assert "Not blamed: hooli, because its excess is 1%." in story
    assert "Mind: 2 of the last 60 windows are missing." in story
    assert "Worst off is globex: it feels 300 ms, 100 ms before, 100 ms without." in story
    assert any(
        line.startswith("Held to 1.25 busy seconds per second (1.00 to 1.50)") for line in story
    )
    assert any("would be at 1.00 times their normal instead of 3.00" in line for line in story)
    assert story[-1] == "We are 85% sure."


@pytest.mark.parametrize(("back", "said"), [(True, "be back inside"), (False, "still be outside")])
def test_on_a_collapse_it_says_only_whether_they_would_be_back(back: bool, said: str):
    kept, _ = play([[replace(ACME, stretch_without=None, recovers=back)]] * 3)
    assert any(f"the others would {said} their normal" in s for s in explain(kept[0]))


def test_errors_and_waits_are_told_in_their_own_units():
    errors = Harm(TenantId("globex"), Signal.ERRORS, 0.01, 0.4, 0.02)
    waits = Harm(TenantId("globex"), Signal.WAIT, 0.5, 11.1, None)
    lines = []
    for harm in (errors, waits):
        kept, _ = play([[replace(ACME, victims=(harm,))]] * 3)
        lines += [line for line in explain(kept[0]) if line.startswith("Worst")]
    assert lines == [
        "Worst off is globex: 40.0% of its operations fail, 1.0% before, 2.0% without.",
        "Worst off is globex: it waits 11.1 s, 500 ms before.",
    ]


def test_a_resolved_incident_says_when_it_ended():
    kept, _ = play([[ACME]] * 3 + [[]] * 6)
    assert kept[0].state is IncidentState.RESOLVED
    ended = START + timedelta(seconds=90)
    assert any(f"ended at {ended:%H:%M:%S}" in line for line in explain(kept[0]))
