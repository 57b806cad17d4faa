"""Labels of people change what opens, where they may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from analyzer.api.precision import precision_view
from analyzer.incidents.flags import FlagPolicy
from analyzer.incidents.labels import TuningSettings
from analyzer.journal.learning import in_force, labelled
from analyzer.journal.transitions import label, record
from analyzer.notify.event import Links
from analyzer.store.database import Store
from tests.analyzer.journal.cast import at, finding, opened

ON = TuningSettings(enabled=True)


@pytest.fixture
def store() -> Iterator[Store]:
    """Ten sure incidents confirmed, ten unsure ones false alarms, one that changed its mind."""
    found = Store.open(None)
    told = [(0.95, "confirmed")] * 10 + [(0.5, "false_alarm")] * 10
    for number, (confidence, word) in enumerate(told):
        name = f"INC-{number}"
        with found.transaction() as tx:
            change = opened(name, finding=finding(confidence=confidence))
            record(tx, [change], [], now=at(1), links=Links())
        if number == 0:
            label(found, change.incident.id, "false_alarm", by="ann", now=at(2))
        label(found, change.incident.id, word, by="ann", now=at(3))
    yield found
    found.close()


def test_the_newest_label_counts_and_old_ones_are_forgotten(store):
    found = labelled(store, ON, at(10))
    assert [one.right for one in found if one.incident == "INC-0"] == [True]
    assert (len(found), sum(one.right for one in found)) == (20, 10)
    assert {one.confidence for one in found} == {0.95, 0.5}
    assert labelled(store, ON, at(10) + timedelta(days=91)) == []


def test_the_threshold_moves_only_where_it_may(store):
    flags = FlagPolicy()
    assert in_force(store, flags, TuningSettings(), at(10)) == flags
    assert in_force(store, flags, ON, at(10)) == replace(flags, min_confidence=0.55)
    assert in_force(store, flags, ON, at(10) + timedelta(days=91)) == flags


def test_the_page_says_what_was_right_and_what_labels_ask_for(store):
    labels = labelled(store, ON, at(10))
    view = precision_view(labels, FlagPolicy(), TuningSettings())
    assert (view.overall.right, view.overall.judged) == (10, 20)
    assert (view.in_force, view.threshold, view.configured) == (0.35, 0.55, 0.35)
    assert precision_view(labels, FlagPolicy(), ON).in_force == 0.55
    assert [one.kind for one in view.kinds] == ["noisy_neighbour"]
