"""The same events through any door, in any order, twice, over restarts: the same integers.

`truth.py` tells the story; VictoriaMetrics is asked for a second opinion.
"""

from __future__ import annotations

import asyncio
import bisect
import math
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from analyzer.usage.quantiles import quantile
from collector.model import BUCKETS, LATENCY_BOUNDS
from tests.acceptance.truth import (
    DOORS,
    STEP_MS,
    TENANTS,
    Message,
    Story,
    Totals,
    expected,
    rw1,
)
from tests.collector.rooms import client, collector
from tests.peers.victoria import victoria

COLUMNS = ("count", "errors", "busy_us", "latency_sum_us")
EVERY = (*COLUMNS, *(f"b{k:02d}" for k in range(BUCKETS)))


def begins() -> int:
    """Two minutes ago, at the edge of a window."""
    return (time.time_ns() // 10_000_000_000 - 12) * 10_000


def send(directory: Path, messages: Iterable[Message]) -> None:
    """A collector that lives for these messages."""

    async def talk() -> None:
        app = collector(directory)
        async with client(app) as http:
            for one in messages:
                answer = await http.post(one.path, content=one.body, headers=dict(one.headers))
                assert answer.status_code in {200, 204}, answer.text
                assert b"artialSuccess" not in answer.content
        app.close()

    asyncio.run(talk())


def drain(store: Store, directory: Path) -> None:
    now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
    Ingest(store).drain(directory / "spool", now=now)


def held(store: Store) -> Totals:
    """What the store holds, by tenant and column."""
    rows = store._connection.execute("FROM usage_10s").to_arrow_table().to_pylist()
    assert {row["bounds"] for row in rows} <= {None, 0}
    sums = Counter[tuple[str, str]]()
    for row in rows:
        assert (row["resource"], row["family"]) == ("db:shard-1", "query")
        for column in EVERY:
            sums[row["tenant"], column] += row[column] or 0
    return {key: value for key, value in sums.items() if value}


def through(directory: Path, messages: Iterable[Message]) -> Totals:
    send(directory, messages)
    store = Store.open(None, threads=1)
    drain(store, directory)
    found = held(store)
    store.close()
    return found


def check_quantiles(story: Story, found: Totals) -> None:
    """Within one bucket of the truth."""
    for tenant in TENANTS:
        seconds = sorted(event.seconds for event in story.events if event.tenant == tenant)
        counts = np.array([[float(found.get((tenant, name), 0)) for name in EVERY[4:]]])
        for q in (0.5, 0.95, 0.99):
            exact = seconds[math.ceil(q * len(seconds)) - 1]
            told = float(quantile(counts, LATENCY_BOUNDS, q)[0])
            apart = bisect.bisect_left(LATENCY_BOUNDS, told) - bisect.bisect_left(
                LATENCY_BOUNDS, exact
            )
            assert abs(apart) <= 1, (tenant, q, exact, told)


@pytest.mark.parametrize("door", DOORS)
def test_ten_thousand_events_are_the_same_integers_through_every_door(tmp_path, door):
    story = Story.told(begins(), seed=7, count=10_000, restart=3)
    found = through(tmp_path, DOORS[door](story))

    assert found == expected(story)
    check_quantiles(story, found)


@pytest.mark.peer
def test_victoria_metrics_agrees(tmp_path):
    story = Story.told(begins(), seed=8, count=10_000, restart=2)
    messages = rw1(story)
    random.Random(1).shuffle(messages)
    found = through(tmp_path / "ours", messages)

    last_s = story.at_ms(len(story.rounds)) / 1000
    window = f"{len(story.rounds) * STEP_MS // 1000 + 1}s"
    with victoria(tmp_path / "vm") as peer:
        for message in messages:
            peer.write(message.body, message.headers)
        peer.settle()
        for metric, column, scale in (
            ("partywall_latency_seconds_count", "count", 1),
            ("partywall_errors_total", "errors", 1),
            ("partywall_busy_seconds_total", "busy_us", 1e6),
        ):
            theirs = peer.query(f"sum(increase({metric}[{window}])) by (tenant)", last_s)
            ours = {tenant: found.get((tenant, column), 0) for tenant in TENANTS}
            seen = {dict(labels)["tenant"]: value * scale for labels, value in theirs.items()}
            assert seen == pytest.approx(ours, rel=1e-6 if scale > 1 else 0, abs=0)
        buckets = peer.query(
            f"sum(increase(partywall_latency_seconds_bucket[{window}])) by (tenant, le)", last_s
        )
    told = {(dict(one)["tenant"], float(dict(one)["le"])): value for one, value in buckets.items()}
    for tenant in TENANTS:
        below = 0
        for number, bound in enumerate((*LATENCY_BOUNDS, math.inf)):
            below += found.get((tenant, f"b{number:02d}"), 0)
            assert told[tenant, bound] == below


class Deliveries(RuleBasedStateMachine):
    """A sender's messages on a bad day.

    Messages come in pieces of time: within one in any order, and any earlier one again at any time.
    Some are held back and come long after the others. Collector and drain begin anew between
    pieces. Nothing may be lost, nothing counted twice.
    """

    @initialize(
        door=st.sampled_from(sorted(DOORS)),
        seed=st.integers(0, 1000),
        restart=st.integers(-1, 5),
    )
    def begin(self, door: str, seed: int, restart: int) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="truth-"))
        self.story = Story.told(begins(), seed=seed, count=200, restart=restart)
        self.messages = DOORS[door](self.story)
        self.sent = 0
        self.waiting: list[Message] = []
        self.held_back: list[Message] = []
        # A cumulative reading from before a restart of the platform cannot be told from one after.
        self.may_hold = "delta" in door or door in {"NDJSON", "Arrow"} or restart < 0
        self.store = Store.open(None, threads=1)

    @rule(count=st.integers(1, 4), order=st.randoms(use_true_random=False))
    def some_arrive(self, count: int, order: random.Random) -> None:
        piece = list(self.messages[self.sent : self.sent + count])
        self.sent += len(piece)
        order.shuffle(piece)
        self.waiting += piece

    @rule()
    def one_is_held_back(self) -> None:
        if self.may_hold and 0 < self.sent < len(self.messages):
            self.held_back.append(self.messages[self.sent])
            self.sent += 1

    @rule(pick=st.randoms(use_true_random=False))
    def one_that_was_held_back_arrives(self, pick: random.Random) -> None:
        if self.held_back:
            self.waiting.append(self.held_back.pop(pick.randrange(len(self.held_back))))

    @rule(pick=st.randoms(use_true_random=False))
    def an_earlier_one_arrives_again(self, pick: random.Random) -> None:
        if self.sent:
            self.waiting.append(self.messages[pick.randrange(self.sent)])

    @rule()
    def the_collector_begins_anew(self) -> None:
        if self.waiting:
            send(self.directory, self.waiting)
            self.waiting = []

    @rule()
    def the_spool_is_drained(self) -> None:
        self.the_collector_begins_anew()
        drain(self.store, self.directory)

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        try:
            self.waiting += self.messages[self.sent :]
            self.the_collector_begins_anew()
            self.waiting += self.held_back
            self.the_spool_is_drained()
            assert held(self.store) == expected(self.story)
        finally:
            self.store.close()
            shutil.rmtree(self.directory)


def deliver(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_shuffled_doubled_and_restarted_deliveries_count_once():
    deliver(12, 8)


@pytest.mark.soak
def test_many_shuffled_doubled_and_restarted_deliveries_count_once():
    deliver(2_000, 20)


def test_a_body_split_anywhere_counts_the_same(tmp_path):
    story = Story.told(begins(), seed=9, count=500)
    halves = [part for one in rw1(story) for part in split(one)]

    assert through(tmp_path, halves) == expected(story)


def split(message: Message) -> Sequence[Message]:
    """The series of one remote write body in two, histograms torn apart, too."""
    import cramjam

    from tests.collector.senders import snappy

    body = bytes(cramjam.snappy.decompress_raw(message.body))
    pieces, at = [], 0
    while at < len(body):
        length, start = body[at + 1], at + 2
        if length >= 0x80:
            length, start = length & 0x7F | body[at + 2] << 7, at + 3
        pieces.append(body[at : start + length])
        at = start + length
    return [
        Message(message.path, message.headers, snappy(b"".join(pieces[half::2]))) for half in (0, 1)
    ]
