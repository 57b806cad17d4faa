"""However a stream is cut, shuffled, repeated and restarted: the totals are those of an oracle."""

from __future__ import annotations

import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from collector.model import Column, Series
from tests.analyzer.ingest.door import NOW, SPOOL, FakeDoor, _ask, samples, series

TENANTS = ("acme", "globex", "initech")
BOUNDS = (0.1, 0.5, float("inf"))
COUNT, BUSY = 0, 1  # sid = 5 * tenant + meter; 2, 3, 4 are the buckets
METERS = 5

steps = st.lists(
    st.tuples(
        st.integers(1, 40),  # seconds since the step before
        st.lists(st.integers(0, 9), min_size=3 * METERS, max_size=3 * METERS),
        st.sampled_from([0, 0, 0, 0, 1]),  # 1: everything begins again
    ),
    min_size=2,
    max_size=14,
)


def declared(shift: int = 0) -> list[Series]:
    found = []
    for place, tenant in enumerate(TENANTS):
        sid = METERS * place
        rest = [series(sid + shift, tenant, identity=sid)]
        rest.append(series(sid + 1 + shift, tenant, column=Column.BUSY, identity=sid + 1))
        for k, bound in enumerate(BOUNDS):
            at = sid + 2 + k
            bucket = Column.LATENCY_BUCKET
            rest.append(series(at + shift, tenant, column=bucket, bound=bound, identity=at))
        found += rest
    return found


def readings(stream) -> list[list[tuple[int, int, float]]]:
    """Per step: (sid, seconds, cumulative value). Buckets are cumulative over their bounds too."""
    values = [0.0] * (3 * METERS)
    now, found = 0, []
    for seconds, grown, reset in stream:
        now += seconds
        values = [0.0] * len(values) if reset else values
        for place in range(len(TENANTS)):
            at = METERS * place
            values[at] += grown[at]
            values[at + 1] += grown[at + 1] / 7
            inside = 0
            for k in range(3):
                inside += grown[at + 2 + k]
                values[at + 2 + k] += inside
        found.append([(sid, now, value) for sid, value in enumerate(values)])
    return found


def oracle(scrapes) -> dict[tuple[int, str, str], int]:
    """(window, tenant, column) -> sum, one reading after the other."""
    last: dict[int, tuple[int, int]] = {}
    added: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for scrape in scrapes:
        for sid, seconds, value in scrape:
            scaled = round(value * 1e6) if sid % METERS == BUSY else round(value)
            if sid in last:
                before = last[sid][1]
                window = (seconds * 1000 - 1) // 10_000
                per = added[window, sid // METERS]
                grown = scaled - before if scaled >= before else scaled
                per[sid % METERS] = per.get(sid % METERS, 0) + grown
            last[sid] = (seconds, scaled)
    found = {}
    for (window, place), per in added.items():
        tenant = TENANTS[place]
        found[window, tenant, "count"] = per[COUNT]
        found[window, tenant, "busy_us"] = per[BUSY]
        for k in range(3):
            below = per[1 + k] if k else 0
            found[window, tenant, f"b0{k}"] = per[2 + k] - below
    return found


def stored(store: Store) -> dict[tuple[int, str, str], int]:
    rows = _ask(
        store,
        """SELECT epoch_ms(ts - (TIMESTAMP '2026-01-05 12:00' - TIMESTAMP '1970-01-01')) // 10000,
        tenant, sum("count"), sum(busy_us), sum(b00), sum(b01), sum(b02)
        FROM usage_10s GROUP BY ALL""",
    )
    names = ("count", "busy_us", "b00", "b01", "b02")
    return {
        (window, tenant, name): value
        for window, tenant, *values in rows
        for name, value in zip(names, values, strict=True)
    }


@settings(max_examples=15, deadline=None)
@given(stream=steps, cuts=st.sets(st.integers(1, 13)), seed=st.integers(0, 2**16))
def test_the_totals_do_not_depend_on_how_the_stream_arrives(stream, cuts, seed) -> None:
    chance = random.Random(seed)
    scrapes = readings(stream)
    store = Store.open(None, threads=1)
    door = FakeDoor()
    ingest = Ingest(store, door=door)
    generation, number, shift = 1, 0, 0
    door.put(number, declared(), f"g{generation}")
    pending: list[tuple[int, int, float]] = []
    for step, scrape in enumerate(scrapes, start=1):
        pending += scrape
        if step in cuts or step == len(scrapes):
            repeated = chance.sample(pending, k=min(4, len(pending)))
            arriving = [(sid + shift, s, v) for sid, s, v in pending + repeated]
            chance.shuffle(arriving)
            half = len(arriving) // 2
            for part in (arriving[:half], arriving[half:]):
                number += 1
                door.put(number, [samples(*part)], f"g{generation}")
            door.keep = chance.random() < 0.3  # killed before discard
            ingest.drain(SPOOL, now=NOW)
            door.keep = False
            pending = repeated and chance.sample(pending, k=2)  # sent again later
            if chance.random() < 0.4:  # the analyzer is restarted
                ingest = Ingest(store, door=door)
            if chance.random() < 0.3:  # the collector is restarted
                generation, number, shift = generation + 1, 0, chance.randrange(100)
                door.put(number, declared(shift), f"g{generation}")
    assert stored(store) == oracle(scrapes)
    store.close()
