"""The first reading of a series: counted in full, or where counting starts."""

from __future__ import annotations

from analyzer.ingest import Ingest
from tests.analyzer.ingest.door import NOW, SPOOL, FakeDoor, samples, series, sums


def total(store, *segments, generation: str = "g1") -> float:
    door = FakeDoor()
    for number, frames in enumerate(segments):
        door.put(number, frames, generation)
    Ingest(store, door=door).drain(SPOOL, now=NOW)
    return sums(store)["count"] or 0


def test_a_platform_seen_for_the_first_time_starts_at_nothing(store) -> None:
    old = [series(0, "acme"), series(1, "globex"), samples((0, 0, 1e6), (1, 20, 2e6))]
    assert total(store, old) == 0


def test_a_new_tenant_on_a_watched_resource_loses_nothing(store) -> None:
    watched = [series(0, "acme"), samples((0, 0, 1e6), (0, 90, 1e6))]
    assert total(store, watched, [series(1, "initech"), samples((1, 90, 12))]) == 12


def test_a_new_instance_of_a_known_tenant_counts_from_nothing(store) -> None:
    watched = [series(0, "acme"), samples((0, 0, 1e6), (0, 90, 1e6))]
    assert total(store, watched, [series(1, "acme"), samples((1, 90, 12))]) == 12


def test_a_new_resource_starts_at_nothing(store) -> None:
    watched = [series(0, "acme"), samples((0, 0, 1e6), (0, 90, 1e6))]
    other = [series(1, "acme", resource="db:shard-2"), samples((1, 90, 5e6))]
    assert total(store, watched, other) == 0


def test_an_old_counter_under_new_labels_after_a_restart_is_no_spike(store) -> None:
    assert total(store, [series(0, "acme"), samples((0, 0, 1e6), (0, 300, 1e6))]) == 0
    renamed = [series(0, "acme", identity=99), samples((0, 315, 1e6 + 4), (0, 330, 1e6 + 7))]
    assert total(store, renamed, generation="g2") == 3


def test_a_new_tenant_right_after_a_restart_counts_in_full(store) -> None:
    assert total(store, [series(0, "acme"), samples((0, 0, 1e6), (0, 300, 1e6))]) == 0
    new = [series(0, "hooli", identity=99), samples((0, 315, 12))]
    assert total(store, new, generation="g2") == 12


def test_a_declared_start_decides(store) -> None:
    watched = [series(0, "acme"), samples((0, 0, 1e6), (0, 600, 1e6))]
    young = [series(1, "globex"), samples((1, 600, 8), starts_s=[30])]
    old = [series(2, "initech"), samples((2, 600, 9e6), starts_s=[-86_400])]
    assert total(store, watched, young, old) == 8


def test_a_start_two_minutes_ago_counts_even_on_a_new_resource(store) -> None:
    assert total(store, [series(0), samples((0, 0, 8), starts_s=[-15])]) == 8
