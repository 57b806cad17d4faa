"""Nothing is lost, nothing out of order: a sender killed again and again behind a mad network."""

from __future__ import annotations

import json
import multiprocessing
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.analyzer.notify.receiver import Got, Receiver, receiver
from tests.peers.alerting import Fast, Story, live
from tests.peers.faults import FAULTS, FaultProxy, fault_proxy

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EVENTS = ["incident.opened", "incident.updated", "incident.resolved"]


class Killable(Protocol):
    """A process of either kind."""

    def kill(self) -> None: ...


def forked(story: Story) -> tuple[Killable, Callable[[], object]]:
    """From a warm server: fifty starts in seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.peers.alerting"])
    process = context.Process(target=live, args=(story,))
    process.start()
    return process, process.join


def started(story: Story) -> tuple[Killable, Callable[[], object]]:
    """A whole analyzer in a process of its own."""
    words = [
        str(story.directory), NOON.isoformat(), str(story.clock.real), str(story.clock.speed),
        story.hook, story.pager, str(story.incidents),
    ]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "tests.peers.alerting", *words])
    return process, process.wait


def wait_for(there: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def torment(
    story: Story,
    start: Callable[[Story], tuple[Killable, Callable[[], object]]],
    proxies: list[FaultProxy],
    *,
    kills: int,
    longest_s: float,
    patience_s: float,
) -> int:
    """Start and kill it `kills` times, then let it finish. Returns how often it was killed."""
    chance = random.Random(11)
    alive, done = story.directory / "alive", story.directory / "done"
    killed = 0
    while not done.exists():
        alive.unlink(missing_ok=True)
        process, join = start(story)
        try:
            wait_for(lambda: alive.exists() or done.exists(), patience_s)
            if killed < kills:
                time.sleep(chance.uniform(0.02, longest_s))
                killed += 1
            else:
                for proxy in proxies:
                    proxy.rate = 0.2
                wait_for(done.exists, patience_s)
        finally:
            process.kill()
            join()
    return killed


def first_seen(hook: Receiver) -> tuple[dict[str, list[Any]], int]:
    """Per incident what it heard in order of first arrival, and how many were repeats. Repeats
    have the same id and the same bytes."""
    lanes: dict[str, list[Any]] = defaultdict(list)
    bodies: dict[str, bytes] = {}
    repeats = 0
    for got in hook.taken:
        if not got.json.get("type", "incident").startswith("incident"):
            continue
        key = got.id
        if key in bodies:
            repeats += 1
            assert bodies[key] == got.body
            continue
        bodies[key] = got.body
        name = got.json["incident"]["id"] if "incident" in got.json else got.json["dedup_key"]
        lanes[name].append(got.json)
    return lanes, repeats


def check(story: Story, hook: Receiver, pager: Receiver) -> tuple[int, int]:
    """Every event arrived in order at the webhook; every resolution arrived at the pager."""
    lanes, repeats = first_seen(hook)
    names = {f"INC-{n}" for n in range(story.incidents)}
    assert set(lanes) == names
    for lane in lanes.values():
        assert [each["type"] for each in lane] == EVENTS
        assert [each["seq"] for each in lane] == [1, 2, 3]
    paged, again = first_seen(pager)
    assert {name for name in paged if name in names} == names
    for name in names:
        actions = [each["event_action"] for each in paged[name]]
        assert actions[-1] == "resolve"
        assert actions.count("resolve") == 1
    return len(lanes) * len(EVENTS), repeats + again


def run(
    tmp_path: Path,
    start: Any,
    *,
    incidents: int,
    kills: int,
    longest_s: float,
    speed: float,
    patience_s: float = 120,
):
    clock = Fast(NOON, time.time(), speed)  # noqa: TID251
    with (
        receiver() as hook,
        receiver() as pager,
        fault_proxy(hook.url, clock, seed=1) as way,
        fault_proxy(pager.url, clock, seed=2) as other,
    ):
        story = Story(
            tmp_path, clock, f"http://127.0.0.1:{way.port}/hook",
            f"http://127.0.0.1:{other.port}/v2/enqueue", incidents,
        )  # fmt: skip
        killed = torment(
            story, start, [way, other], kills=kills, longest_s=longest_s, patience_s=patience_s
        )
        events, repeats = check(story, hook, pager)
        faults = way.done + other.done
    print(f"{killed} kills, {events} events, {repeats} repeats, faults {dict(faults)}")
    return killed, faults


def test_a_sender_killed_in_the_middle_of_faults_loses_and_swaps_nothing(tmp_path):
    killed, faults = run(tmp_path, forked, incidents=10, kills=8, longest_s=0.8, speed=60)
    assert killed >= 5
    assert sum(faults[each] for each in FAULTS) >= 10


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_fifty_kills_of_the_sender(tmp_path):
    killed, faults = run(tmp_path, forked, incidents=120, kills=50, longest_s=1.0, speed=60)
    assert killed == 50
    assert all(faults[each] for each in FAULTS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fifty_kills_of_the_whole_analyzer(tmp_path):
    killed, faults = run(
        tmp_path, started, incidents=100, kills=50, longest_s=3.0, speed=30, patience_s=900
    )
    assert killed == 50
    assert all(faults[each] for each in FAULTS)


def heard(*events: tuple[str, int, str]) -> Receiver:
    """A receiver that took these events of INC-0, as (type, number, id)."""
    found = Receiver()
    for kind, seq, key in events:
        body = {"type": f"incident.{kind}", "seq": seq, "incident": {"id": "INC-0"}}
        headers = {"webhook-id": key}
        found.got.append(Got("/", headers, json.dumps(body).encode(), 200))
    return found


@pytest.mark.parametrize(
    "events",
    [
        [("opened", 1, "a"), ("updated", 2, "b")],
        [("opened", 1, "a"), ("resolved", 3, "c"), ("updated", 2, "b")],
        [("opened", 1, "a"), ("opened", 1, "z"), ("updated", 2, "b"), ("resolved", 3, "c")],
        [],
    ],
    ids=["the end is missing", "swapped", "twice under two ids", "nothing"],
)
def test_the_check_sees_what_is_lost_swapped_or_doubled(tmp_path, events):
    story = Story(tmp_path, Fast(NOON, 0.0, 1.0), "", "", incidents=1)
    with pytest.raises(AssertionError):
        check(story, heard(*events), Receiver())
