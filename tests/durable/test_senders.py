"""Real senders through 503, resets and a collector that is killed: nothing is missing after."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.collector.rooms import readings
from tests.durable import clients
from tests.durable.clients import MESSAGES, Counter, Scraper
from tests.durable.serving import Serving
from tests.peers.newer import newer
from tests.peers.victoria import victoria
from tests.peers.weather import Sky, Weather

OUTLASTS_S = 60
"""A storm shorter than this is outlasted by the tries of an OpenTelemetry SDK."""

START_S = 30
"""Within which a sender begins, or comes again, on a busy machine."""

Cast = tuple[list[Scraper], list[Counter]]


def on_path(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} on PATH: see the packages of .ci/run")
    return found


def met(weather: Weather, sky: Sky, senders: int) -> bool:
    return weather.met[sky] >= senders


def storm(serving: Serving, weather: Weather, bad_s: float, senders: int) -> None:
    """Calm, then each trouble for `bad_s` seconds with a calm after it; longer on a machine so busy
    that the senders have not begun, or have not met the trouble.
    """
    time.sleep(4)
    until(partial(met, weather, Sky.CLEAR, senders), START_S)
    for sky in (Sky.OVERLOADED, Sky.RESET):
        weather.turn(sky)
        time.sleep(bad_s)
        until(partial(met, weather, sky, senders), START_S)
        weather.turn(Sky.CLEAR)
        time.sleep(2)
    serving.kill()
    time.sleep(bad_s)
    serving.start()
    time.sleep(2)


def held(directory: Path) -> dict[str, dict[int, float]]:
    """What the sealed segments hold of each tenant: value by timestamp (ms)."""
    found: dict[str, dict[int, float]] = {}
    for series, at, value in readings(directory):
        found.setdefault(str(series.tenant), {})[at] = value
    return found


def until(true: Callable[[], bool], timeout_s: float) -> bool:
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(1)
    return true()


def cast(stack: ExitStack, tmp_path: Path, url: str, lasts_s: float, *, modern: bool) -> Cast:
    """The senders of Debian 12, or those of today; the test is skipped where one is absent."""
    prometheus = newer("prometheus") if modern else on_path("prometheus")
    agent = newer("victoria-metrics") if modern else on_path("vmagent")
    if modern and not (clients.PEERS / "otel_js" / "node_modules").is_dir():
        pytest.skip("no OpenTelemetry for JavaScript: make peers (needs npm), or run .ci/run")
    target = stack.enter_context(clients.platform())
    control = stack.enter_context(victoria(tmp_path / "control")).url
    scrapers = []
    for version in (1, 2) if modern else (1,):
        name, message = f"prometheus-{version}", MESSAGES[version] if modern else ""
        sender = clients.prometheus(tmp_path / name, prometheus, name, target, url, message=message)
        scrapers.append(stack.enter_context(sender))
    sender = clients.vmagent(tmp_path / "agent", agent, "vmagent", target, url, control)
    scrapers.append(stack.enter_context(sender))
    if modern:
        counter = clients.otel_js(tmp_path / "js", on_path("node"), "otel-js", lasts_s, url)
    else:
        delta = lasts_s < OUTLASTS_S
        counter = clients.otel_python(tmp_path / "py", "otel-py", lasts_s, url, delta=delta)
    return scrapers, [stack.enter_context(counter)]


def weathered(tmp_path: Path, bad_s: float, *, modern: bool) -> None:
    serving = Serving(tmp_path / "data")
    serving.start()
    with ExitStack() as stack:
        weather = stack.enter_context(Weather(serving.port))
        lasts_s = 4 + 3 * bad_s + 8
        scrapers, counters = cast(stack, tmp_path, weather.url, lasts_s, modern=modern)
        storm(serving, weather, bad_s, len(scrapers))
        for sky in (Sky.OVERLOADED, Sky.RESET):
            assert weather.met[sky] >= len(scrapers), "the senders met the weather"
        taken = {one.tenant: one.taken() for one in scrapers}
        assert all(len(times) > 3 * bad_s for times in taken.values()), "they went on meanwhile"
        counted = {one.tenant: one.counted(bad_s + 60) for one in counters}
        deltas = {one.tenant for one in counters if one.delta}

        def complete() -> bool:
            return lacking(tmp_path, taken, counted, deltas) == []

        until(complete, 30 + bad_s)
    serving.end()
    print({tenant: len(times) for tenant, times in taken.items()}, counted)
    assert lacking(tmp_path, taken, counted, deltas) == []


def lacking(
    tmp_path: Path, taken: dict[str, set[int]], counted: dict[str, int], deltas: set[str]
) -> list[str]:
    """What the segments lack of what the senders know, a line for each sender."""
    found = held(tmp_path / "data")
    lines = [f"{t}: {sorted(gone)}" for t, times in taken.items()
             if (gone := times - set(found.get(t, ())))]  # fmt: skip
    totals = {tenant: total(found.get(tenant, {}), delta=tenant in deltas) for tenant in counted}
    return lines + [f"{t}: {totals[t]} of {n}" for t, n in counted.items() if totals[t] != n]


def total(points: dict[int, float], *, delta: bool) -> int:
    """What a counter counted: the sum of its deltas, or how far it came."""
    return round(sum(points.values()) if delta else max(points.values(), default=0.0))


@pytest.fixture(params=[False, True], ids=["of Debian 12", "of today"])
def modern(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.peer
def test_senders_lose_nothing_in_a_short_storm(tmp_path, modern):
    weathered(tmp_path, 3, modern=modern)


@pytest.mark.peer
@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_senders_lose_nothing_in_a_minute_of_each(tmp_path, modern):
    weathered(tmp_path, 60, modern=modern)
